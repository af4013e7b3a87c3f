/* SPDX-License-Identifier: ISC */
/*
 * postfix_queue.c - reading Postfix's queue files
 *
 * Pointers let a file say anything, so that each byte is paid for: who has passed more
 * bytes than the file has goes round in it.
 */
#include "queue/postfix_queue.h"

#include <assert.h>

enum { LENGTH_BYTES = 5, VALUE_MAX = 2000, RCPTS_MAX = 1 << 20 };

struct walk {
	struct span file;
	int64_t     at, passed;
};

struct record {
	char        type;
	struct span value;
	int64_t     at;
};

static int
take_length(struct walk *w, uint64_t *length, struct fault *why)
{
	*length = 0;
	for (int i = 0; i < LENGTH_BYTES; i++) {
		unsigned char byte;

		if (w->at >= (int64_t)w->file.len)
			return fault_set(why, FAULT_INPUT, "ends too early");
		byte = (unsigned char)w->file.at[w->at++];
		*length |= (uint64_t)(byte & 127) << (7 * i);
		if (!(byte & 128))
			return 0;
	}
	return fault_set(why, FAULT_INPUT, "a record with an impossible length");
}

/* Decimal with blanks around it. */
static bool
padded_number(struct span s, int64_t *n)
{
	uint64_t value;

	if (!span_number(span_trim(s), &value) || value > INT64_MAX / 2)
		return false;
	*n = (int64_t)value;
	return true;
}

static int
take_raw(struct walk *w, struct record *r, struct fault *why)
{
	uint64_t length;

	r->at = w->at;
	if (w->at >= (int64_t)w->file.len)
		return fault_set(why, FAULT_INPUT, "ends too early");
	r->type = w->file.at[w->at++];
	if (take_length(w, &length, why) < 0)
		return -1;
	if (length > w->file.len - (size_t)w->at)
		return fault_set(why, FAULT_INPUT, "ends within a record");
	r->value = span_cut(w->file, (size_t)w->at, (size_t)w->at + (size_t)length);
	w->at += (int64_t)length;
	w->passed += w->at - r->at;
	if (w->passed > (int64_t)w->file.len)
		return fault_set(why, FAULT_INPUT, "its pointers go round");
	return 0;
}

/* The next record that says something: pointers are followed, padding is passed over. */
static int
take_next(struct walk *w, struct record *r, struct fault *why)
{
	for (;;) {
		int64_t to;

		if (take_raw(w, r, why) < 0)
			return -1;
		if (r->type == 'w')
			continue;
		if (r->type != 'p')
			return 0;
		if (!padded_number(r->value, &to) || to >= (int64_t)w->file.len)
			return fault_set(why, FAULT_INPUT, "a pointer to nowhere");
		if (to > 0)
			w->at = to;
	}
}

/* ---- the envelope ---- */

struct building {
	struct postfix_message *m;
	struct arena           *arena;
	struct postfix_rcpt     next;   /* what is known of the next recipient */
	size_t                  room;
	bool                    has_sender;
};

static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 127)
			return false;
	return s.len <= VALUE_MAX;
}

static int
add_rcpt(struct building *b, const struct record *r, struct fault *why)
{
	struct postfix_message *m = b->m;

	if (!r->value.len || !is_plain(r->value) || m->n_rcpts >= RCPTS_MAX)
		return fault_set(why, FAULT_INPUT, "a malformed recipient");
	if (m->n_rcpts == b->room) {
		struct postfix_rcpt *more;

		b->room = b->room ? b->room * 2 : 8;
		more = arena_alloc(b->arena, b->room * sizeof *more);
		if (m->n_rcpts)
			memcpy(more, m->rcpts, m->n_rcpts * sizeof *more);
		m->rcpts = more;
	}
	b->next.address = r->value;
	b->next.at = r->at;
	b->next.done = r->type == 'D';
	m->rcpts[m->n_rcpts++] = b->next;
	return 0;
}

static void
forget_rcpt(struct building *b)
{
	b->next = (struct postfix_rcpt){.address = SPAN_NONE, .original = SPAN_NONE, .orcpt = SPAN_NONE};
}

static int
take_time(struct span s, int64_t *us, struct fault *why)
{
	struct span seconds;
	int64_t     sec, micros = 0;

	s = span_trim(s);
	span_split(&s, ' ', &seconds);
	if (!padded_number(seconds, &sec) || sec > INT64_MAX / 2000000 || (s.len && !padded_number(s, &micros)) ||
	    micros > 999999)
		return fault_set(why, FAULT_INPUT, "a malformed time");
	*us = sec * 1000000 + micros;
	return 0;
}

static int
take_bits(struct span s, int most, int *bits, struct fault *why)
{
	int64_t n;

	if (!padded_number(s, &n) || n > most)
		return fault_set(why, FAULT_INPUT, "malformed flags");
	*bits = (int)n;
	return 0;
}

static int
take_attribute(struct building *b, struct span s, struct fault *why)
{
	struct postfix_message *m = b->m;
	const struct { const char *name; struct span *to; } texts[] = {
		{"envelope_id", &m->envid}, {"encoding", &m->encoding}, {"client_name", &m->client_name},
		{"client_address", &m->client_address}, {"client_port", &m->client_port}, {"helo_name", &m->helo},
		{"protocol_name", &m->protocol}, {"sasl_method", &m->sasl_method}, {"sasl_username", &m->sasl_user},
		{"sasl_sender", &m->sasl_sender}, {"log_message_origin", &m->origin}, {"dsn_orig_rcpt", &b->next.orcpt}};
	struct span name;

	if (!span_split(&s, '=', &name))
		return fault_set(why, FAULT_INPUT, "a malformed attribute");
	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_is(name, texts[i].name)) {
			if (!is_plain(s))
				return fault_set(why, FAULT_INPUT, "a malformed %s", texts[i].name);
			*texts[i].to = s;
			return 0;
		}
	if (span_is(name, "notify_flags"))
		return take_bits(s, 15, &b->next.notify, why);
	if (span_is(name, "ret_flags"))
		return take_bits(s, 3, &m->ret, why);
	if (span_is(name, "trace_flags"))
		return take_bits(s, 1 << 20, &m->trace, why);
	return 0;                       /* for the log and for milters: nothing that outlives the reception */
}

static int
take_text(struct span s, struct span *to, struct fault *why)
{
	if (!is_plain(s))
		return fault_set(why, FAULT_INPUT, "a control character, or too long");
	*to = s;
	return 0;
}

static int
take_record(struct building *b, const struct record *r, struct fault *why)
{
	struct postfix_message *m = b->m;
	int64_t                 warn;
	int                     got = 0;

	switch (r->type) {
	case 'T': return take_time(r->value, &m->arrival_us, why);
	case 'S':
		if (b->has_sender)
			return fault_set(why, FAULT_INPUT, "two senders");
		b->has_sender = true;
		return take_text(r->value, &m->sender, why);
	case 'A': return take_attribute(b, r->value, why);
	case 'F': return take_text(r->value, &m->full_name, why);
	case 'O': return take_text(r->value, &b->next.original, why);
	case 'V': return r->value.len == 2 ? take_text(r->value, &m->verp, why)
	                                   : fault_set(why, FAULT_INPUT, "malformed VERP delimiters");
	case 'L': return take_text(r->value, &m->filter, why);
	case '>': return take_text(r->value, &m->redirect, why);
	case 'W':
		if (!padded_number(r->value, &warn))
			return fault_set(why, FAULT_INPUT, "a malformed warning time");
		m->warned = warn == 0;
		return 0;
	case 'R':
	case 'D': got = add_rcpt(b, r, why); /* fallthrough */
	case '/': forget_rcpt(b); return got;           /* one that was taken back */
	case 'c': case 'K': case 'I': case 'P': case 'r': case 'e': case 'f': case 'd':
		return 0;               /* no longer, or not any more, of meaning */
	default:  return fault_set(why, FAULT_INPUT, "a record of unknown type %d", r->type);
	}
}

/* Up to the record of that type, which is taken. */
static int
take_section(struct walk *w, struct building *b, char until, struct fault *why)
{
	struct record r;

	for (;;) {
		if (take_next(w, &r, why) < 0)
			return -1;
		if (r.type == until)
			return 0;
		if (take_record(b, &r, why) < 0)
			return -1;
	}
}

/* ---- the content ---- */

/* 1 a part of a line, 0 the end. */
static int
take_part(struct walk *w, struct span *part, bool *ends, struct fault *why)
{
	struct record r;

	if (take_next(w, &r, why) < 0)
		return -1;
	if (r.type == 'X')
		return 0;
	if (r.type != 'N' && r.type != 'L')
		return fault_set(why, FAULT_INPUT, "a record of type %d within the content", r.type);
	*part = r.value;
	*ends = r.type == 'N';
	return 1;
}

int
postfix_content_next(struct span file, struct postfix_content *c, struct span *part, bool *ends, struct fault *why)
{
	struct walk w = {file, c->at, c->passed};
	int         got = take_part(&w, part, ends, why);

	*c = (struct postfix_content){w.at, w.passed};
	return got;
}

static int
pass_content(struct walk *w, struct postfix_message *m, struct fault *why)
{
	struct span part = SPAN_NONE;
	bool        ends = false;
	int         got;

	m->content_at = w->at;
	while ((got = take_part(w, &part, &ends, why)) == 1)
		m->content_size += (int64_t)part.len + ends;
	return got;
}

/* ---- the whole ---- */

bool
postfix_file_begins(struct span file)
{
	if (file.len >= POSTFIX_SIZE_RECORD && file.at[0] == 'C' && file.at[1] == POSTFIX_SIZE_RECORD - 2)
		return true;
	return file.len > 12 && file.at[0] == 'T' && file.at[1] >= 10 && file.at[1] < 40 && ascii_digit(file.at[2]);
}

static int
take_size(struct walk *w, struct postfix_message *m, struct fault *why)
{
	struct record r;
	struct span   rest, word;
	int64_t       n;

	if (take_raw(w, &r, why) < 0)
		return -1;
	rest = r.value;
	for (int i = 0; span_next(&rest, " ", &word); i++) {
		if (!padded_number(word, &n))
			return fault_set(why, FAULT_INPUT, "a malformed size record");
		if (i == 5)
			m->smtputf8 = n != 0;
	}
	return 0;
}

static int
parse(struct walk *w, struct building *b, struct fault *why)
{
	if (!postfix_file_begins(w->file))
		return fault_set(why, FAULT_INPUT, "not a queue file of Postfix");
	b->m->is_drop = w->file.at[0] == 'T';
	if (!b->m->is_drop && take_size(w, b->m, why) < 0)
		return -1;
	if (take_section(w, b, 'M', why) < 0 || pass_content(w, b->m, why) < 0 || take_section(w, b, 'E', why) < 0)
		return -1;
	if (!b->has_sender)
		return fault_set(why, FAULT_INPUT, "no sender");
	if (!b->m->n_rcpts)
		return fault_set(why, FAULT_INPUT, "no recipient");
	return 0;
}

int
postfix_message_parse(struct span file, struct arena *arena, struct postfix_message *out, struct fault *why)
{
	struct postfix_message m = {0};
	struct span           *spans[] = {&m.sender, &m.full_name, &m.filter, &m.redirect, &m.verp, &m.envid, &m.encoding,
	                                  &m.client_name, &m.client_address, &m.client_port, &m.helo, &m.protocol,
	                                  &m.sasl_method, &m.sasl_user, &m.sasl_sender, &m.origin};
	struct building        b = {.m = &m, .arena = arena};
	struct walk            w = {.file = file};

	for (size_t i = 0; i < COUNT(spans); i++)
		*spans[i] = SPAN_NONE;
	forget_rcpt(&b);
	if (parse(&w, &b, why) < 0)
		return -1;
	*out = m;
	return 0;
}
