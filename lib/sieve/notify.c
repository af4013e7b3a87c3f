/* SPDX-License-Identifier: ISC */
/*
 * notify.c - notify and what may be asked of its methods (RFC 5435); the one that there is: mailto (RFC 5436, 6068)
 *
 * A notice is from nobody and says that it is automatic, and what is automatic is not notified of: no loop can
 * begin here.  Of the fields that a URI may hold To, Cc, Bcc, Subject and Body are taken, the others passed over.
 */
#include "sieve/sieve_private.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/encoded_word.h"

enum { URI_MAX = 4000, SUBJECT_MAX = 500, BODY_MAX = 30000 };

struct mailto {
	struct span *to;             /* internal form */
	size_t       count;
	struct text  shown_to, shown_cc;
	struct span  subject, body;  /* empty: none */
	struct span  ignored;        /* the name of a field that is passed over, or empty */
};

static void
mailto_free(struct mailto *m)
{
	text_free(&m->shown_to);
	text_free(&m->shown_cc);
}
#define automailto __attribute__((cleanup(mailto_free)))

static int
hex(char c)
{
	return ascii_digit(c) ? c - '0' : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10 : -1;
}

/* %XX; false: malformed, or a NUL. */
static bool
unescape(struct arena *arena, struct span in, struct span *out)
{
	char  *to = arena_alloc(arena, in.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		if (c == '%') {
			if (i + 2 >= in.len || hex(in.at[i + 1]) < 0 || hex(in.at[i + 2]) < 0)
				return false;
			c = (char)(hex(in.at[i + 1]) * 16 + hex(in.at[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return false;
		to[n++] = c;
	}
	*out = span_at(to, n);
	return utf8_valid(*out);
}

/* "a@b,c@d" */
static int
add_recipients(struct arena *arena, struct span list, struct mailto *m, struct text *shown, struct fault *why)
{
	struct span one, plain, address;
	bool        more = list.len > 0;

	while (more) {
		more = span_split(&list, ',', &one);
		if (!unescape(arena, one, &plain) || !word_is_address(arena, plain, &address))
			return fault_set(why, FAULT_INPUT, "invalid recipient address '%.*s' in mailto URI", SPAN_ARGS(span_first(one, 100)));
		if (m->count == SIEVE_NOTICE_RECIPIENTS)
			return fault_set(why, FAULT_INPUT, "mailto URI exceeds the maximum number of recipients (%d)", SIEVE_NOTICE_RECIPIENTS);
		m->to[m->count++] = address;
		if (shown) {
			text_add_string(shown, shown->len ? ", " : "");
			text_add_byte(shown, '<');
			address_external(address, shown);
			text_add_byte(shown, '>');
		}
	}
	return 0;
}

static int
take_field(struct arena *arena, struct span name, struct span value, struct mailto *m, struct fault *why)
{
	if (span_is_nocase(name, "to"))
		return add_recipients(arena, value, m, &m->shown_to, why);
	if (span_is_nocase(name, "cc"))
		return add_recipients(arena, value, m, &m->shown_cc, why);
	if (span_is_nocase(name, "bcc"))
		return add_recipients(arena, value, m, NULL, why);
	if (!unescape(arena, value, &value))
		return fault_set(why, FAULT_INPUT, "invalid value of '%.*s' in mailto URI", SPAN_ARGS(span_first(name, 60)));
	if (span_is_nocase(name, "subject"))
		m->subject = value;
	else if (span_is_nocase(name, "body"))
		m->body = value;
	else
		m->ignored = name;
	return 0;
}

static int
mailto_parse(struct arena *arena, struct span uri, struct mailto *m, struct fault *why)
{
	struct span path, fields, field, name;

	*m = (struct mailto){.to = arena_alloc(arena, SIEVE_NOTICE_RECIPIENTS * sizeof *m->to), .subject = SPAN_NONE, .body = SPAN_NONE,
		.ignored = SPAN_NONE};
	if (uri.len > URI_MAX || !span_starts_nocase(uri, "mailto:") || span_find_any(uri, " \t\r\n#<>\"") >= 0)
		return fault_set(why, FAULT_INPUT, "invalid or unknown notification method '%.*s'", SPAN_ARGS(span_first(uri, 100)));
	fields = span_from(uri, 7);
	span_split(&fields, '?', &path);
	if (add_recipients(arena, path, m, &m->shown_to, why) < 0)
		return -1;
	while (span_next(&fields, "&", &field)) {
		if (!span_split(&field, '=', &name))
			return fault_set(why, FAULT_INPUT, "invalid field '%.*s' in mailto URI", SPAN_ARGS(span_first(name, 60)));
		if (!unescape(arena, name, &name) || take_field(arena, name, field, m, why) < 0)
			return -1;
	}
	return m->count ? 0 : fault_set(why, FAULT_INPUT, "mailto URI specifies no recipients");
}

int
notify_check(struct arena *arena, struct span uri, struct span *ignored, struct fault *why)
{
	automailto struct mailto m = {0};

	if (mailto_parse(arena, uri, &m, why) < 0)
		return -1;
	*ignored = m.ignored;
	return 0;
}

static struct span
word_of(struct run *r, const struct node *n, enum tag t)
{
	const struct argument *a = node_tag(n, t);

	return a ? word_first(r, a) : SPAN_NONE;
}

/* Nobody is told twice of a message. */
static void
drop_known(struct sieve_notice *n, const struct sieve_notice *before)
{
	size_t left = 0;

	for (size_t i = 0; i < n->n_to; i++) {
		bool known = false;

		for (size_t k = 0; k < before->n_to; k++)
			known = known || address_equal_nocase(n->to[i], before->to[k]);
		if (!known)
			n->to[left++] = n->to[i];
	}
	n->n_to = left;
}

int
do_enotify(struct run *r, const struct node *n)
{
	automailto struct mailto m = {0};
	struct sieve_notice     *notice = arena_alloc(r->arena, sizeof *notice);
	struct span              uri = word_first(r, n->at[0]), importance = word_of(r, n, TAG_IMPORTANCE), from;
	struct sieve_action     *a;
	struct fault             why = {0};
	size_t                   before = 0;

	if (script_cost(r, n, uri.len * 8) < 0)
		return -1;
	if (mailto_parse(r->arena, uri, &m, &why) < 0)
		return script_error(r, n, "notify action: %s", fault_text(&why));
	*notice = (struct sieve_notice){.from = word_of(r, n, TAG_FROM), .subject = word_of(r, n, TAG_MESSAGE), .body = m.body,
		.to = m.to, .n_to = m.count, .importance = importance.len == 1 ? importance.at[0] : '2'};
	if (notice->importance < '1' || notice->importance > '3')
		return script_error(r, n, "notify action: invalid importance");
	if (notice->from.len && !word_is_address(r->arena, notice->from, &from))
		return script_error(r, n, "notify action: specified :from address '%.*s' is invalid", SPAN_ARGS(span_first(notice->from, 100)));
	if (!notice->subject.len)
		notice->subject = m.subject;
	if (script_fcc(r, n, &notice->fcc) < 0)
		return -1;
	notice->shown_to = arena_span(r->arena, text_span(&m.shown_to));
	notice->shown_cc = arena_span(r->arena, text_span(&m.shown_cc));
	for (size_t i = 0; i < r->result->count; i++)
		if (r->result->actions[i].kind == SIEVE_NOTIFY) {
			drop_known(notice, r->result->actions[i].notice);
			before++;
		}
	if (!notice->n_to)
		return 0;
	/* a message that scripts have sent on and on has had its notices */
	if (before >= r->limits->notices && r->limits->notices < SIEVE_NOTICES_MOST) {
		script_note(r, n, "notify action: the message was redirected too often; no notification");
		return 0;
	}
	if (before >= SIEVE_NOTICES_MOST)
		return script_error(r, n, "number of notify actions exceeds policy limit(%d)", SIEVE_NOTICES_MOST);
	if (!(a = script_add(r, n, SIEVE_NOTIFY)))
		return -1;
	a->notice = notice;
	return 0;
}

int
test_valid_notify_method(struct run *r, const struct node *n, bool *answer)
{
	*answer = true;
	for (size_t i = 0; i < n->at[0]->strings.count && *answer; i++) {
		struct span  uri = word_expand(r, n->at[0]->strings.at[i]);
		struct span  ignored;
		struct fault why = {0};

		if (script_cost(r, n, uri.len * 8) < 0)
			return -1;
		*answer = notify_check(r->arena, uri, &ignored, &why) == 0;
	}
	return 0;
}

/* Whether somebody is there to read mail is not known (RFC 5436, 2.6). */
int
test_notify_method_capability(struct run *r, const struct node *n, bool *answer)
{
	struct span     uri = word_first(r, n->at[0]), ignored;
	struct fault    why = {0};
	struct matching m;

	*answer = false;
	if (script_cost(r, n, uri.len * 8) < 0)
		return -1;
	if (!span_is_nocase(word_first(r, n->at[1]), "online") || notify_check(r->arena, uri, &ignored, &why) < 0)
		return 0;
	matching_start(&m, r, n, &n->at[2]->strings);
	return matching_value(&m, SPAN("maybe")) < 0 ? -1 : matching_end(&m, answer);
}

/* The notice itself. */

static void
add_subject(const struct sieve_host *host, struct span given, struct text *out)
{
	autotext struct text subject = {0}, plain = {0}, encoded = {0};
	struct header_field  f;

	if (given.len) {
		text_add(&subject, span_first(given, SUBJECT_MAX));
	} else if (header_find(host->message, "Subject", &f) && f.value.len) {
		header_unfold(span_first(f.value, SUBJECT_MAX), &plain);
		text_add_string(&subject, "New mail: ");
		encoded_word_decode(text_span(&plain), &subject);
	} else {
		text_add_string(&subject, "New mail");
	}
	text_clear(&plain);
	charset_to_utf8(SPAN("utf-8"), text_span(&subject), &plain);     /* it may be cut in a character */
	for (size_t i = 0; i < plain.len; i++)
		if ((unsigned char)plain.at[i] < ' ' || plain.at[i] == 127)
			plain.at[i] = ' ';
	encoded_word_encode(span_trim(text_span(&plain)), &encoded);
	if (header_add_folded(out, "Subject", text_span(&encoded), NULL) < 0)
		text_add_string(out, "Subject: New mail\r\n");
}

static void
add_body(struct span body, struct text *out)
{
	struct span rest = span_first(body.len ? body : SPAN("Notification of new message.\n"), BODY_MAX), line;

	while (rest.len && !utf8_valid(rest))                  /* cut in a character */
		rest.len--;
	text_add_format(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		span_is_ascii(rest) ? "7bit" : "8bit");
	while (rest.len) {
		span_split(&rest, '\n', &line);
		if (span_ends(line, "\r"))
			line.len--;
		/* a bare CR is no line end (RFC 5321, 2.3.8), and a long line is broken somewhere */
		for (size_t i = 0, column = 0; i < line.len; i++) {
			if (column >= 900 && ((unsigned char)line.at[i] & 0xc0) != 0x80) {
				text_add_string(out, "\r\n");
				column = 0;
			}
			text_add_byte(out, line.at[i] == '\r' ? ' ' : line.at[i]);
			column++;
		}
		text_add_string(out, "\r\n");
	}
}

bool
sieve_notice_mail(const struct sieve_host *host, const struct sieve_notice *n, struct text *out, const char **whyever)
{
	autotext struct text me = {0};
	struct header_field  f;
	size_t               at = 0;

	for (int count = 0; count < 2000 && header_next(host->message, &at, &f); count++)
		if (span_is_nocase(f.name, "Auto-Submitted") && !span_starts_nocase(f.value, "no")) {
			*whyever = "auto-submitted";               /* RFC 5436, 2.7.1 */
			return false;
		}
	address_external(host->user_email.len ? host->user_email : host->original.len ? host->original : host->recipient, &me);
	if (span_find_any(text_span(&me), "\r\n\"\\") >= 0 || span_has(text_span(&me), '\0')) {
		*whyever = "address";
		return false;
	}
	if (from_add(out, n->from.len ? n->from : text_span(&me)) < 0) {
		*whyever = "address";
		return false;
	}
	if (n->shown_to.len)
		header_add_folded(out, "To", n->shown_to, NULL);
	if (n->shown_cc.len)
		header_add_folded(out, "Cc", n->shown_cc, NULL);
	add_subject(host, n->subject, out);
	text_add_format(out, "Auto-Submitted: auto-notified; owner-email=\"%s\"\r\nPrecedence: bulk\r\nX-Sieve: Postern\r\n", text_string(&me));
	text_add_format(out, "X-Priority: %s\r\nImportance: %s\r\n",
		n->importance == '1' ? "1 (Highest)" : n->importance == '3' ? "5 (Lowest)" : "3 (Normal)",
		n->importance == '1' ? "High" : n->importance == '3' ? "Low" : "Normal");
	add_body(n->body, out);
	return true;
}
