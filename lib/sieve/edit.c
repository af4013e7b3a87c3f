/* SPDX-License-Identifier: ISC */
/*
 * edit.c - addheader and deleteheader (RFC 5293): what comes behind them sees and stores another header
 *
 * Received, Auto-Submitted, Delivered-To and X-Sieve-Redirected-From stay: by them loops are known.
 */
#include "sieve/sieve_private.h"
#include "mail/charset.h"
#include "mail/encoded_word.h"

/* RFC 5322, 3.6.8: ftext */
bool
field_name_valid(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] >= 127 || name.at[i] == ':')
			return false;
	return name.len > 0 && name.len <= NAME_MAX_BYTES;
}

static bool
is_in(const char *names, struct span name)
{
	struct span rest = span_of(names ? names : ""), word;

	while (span_next(&rest, " \t,", &word))
		if (span_equal_nocase(word, name))
			return true;
	return false;
}

bool
field_is_protected(const struct sieve_limits *limits, struct span name, bool deleted)
{
	if (span_is_nocase(name, "Subject"))           /* RFC 5293, 6: it must be editable */
		return false;
	if (!deleted)
		return is_in(limits->forbid_add, name);
	return is_in("Received Auto-Submitted Delivered-To X-Sieve-Redirected-From", name) || is_in(limits->forbid_delete, name);
}

void
edits_save(struct run *r, struct edits *saved)
{
	*saved = (struct edits){.edited = r->edited, .filtered = r->filtered, .message = r->message};
	if (!r->edited)
		return;
	saved->n_fields = r->n_fields;
	saved->fields = arena_alloc(r->arena, (r->n_fields + 1) * sizeof *saved->fields);
	memcpy(saved->fields, r->fields, r->n_fields * sizeof *saved->fields);
}

void
edits_restore(struct run *r, const struct edits *saved)
{
	r->snapshot = NULL;
	r->mime = NULL;
	if (r->message.at != saved->message.at)
		r->mime_as_it_came = NULL;
	r->message = saved->message;
	r->filtered = saved->filtered;
	r->body_at = 0;
	r->too_many_fields = false;
	r->edited = saved->edited;
	r->has_fields = saved->edited;         /* else they are read again */
	r->fields = saved->fields;
	r->n_fields = r->room_fields = saved->n_fields;
}

static void
was_edited(struct run *r)
{
	r->edited = true;
	r->snapshot = NULL;
	r->mime = NULL;
}

/* 0; 1: it may not be touched, which is no error; -1. */
static int
start(struct run *r, const struct node *n, struct span name, bool deleted)
{
	size_t size = 0;

	if (!field_name_valid(name))
		return script_error(r, n, "%s action: specified field name `%.*s' is invalid", n->verb->name,
			SPAN_ARGS(span_first(name, 60)));
	if (field_is_protected(r->limits, name, deleted)) {
		script_note(r, n, "%s action: %s specified header field `%.*s' is forbidden; modification denied", n->verb->name,
			deleted ? "deleting" : "adding", SPAN_ARGS(span_first(name, 60)));
		return 1;
	}
	script_fields(r);
	for (size_t i = 0; i < r->n_fields; i++)
		size += r->fields[i].whole.len;
	if (r->too_many_fields || size + 2 * r->limits->header_size > SIEVE_HEADER_MOST)
		return script_error(r, n, "%s action: the header of the message is too large", n->verb->name);
	return script_cost(r, n, r->n_fields * sizeof *r->fields);
}

/* The value on one line: a script may fold it as it likes (RFC 5293, 4). */
static void
one_line(struct span value, struct text *out)
{
	autotext struct text plain = {0};
	struct span          line;
	bool                 more;

	do {
		more = span_split(&value, '\n', &line);
		line = span_trim(line);
		if (plain.len && line.len)
			text_add_byte(&plain, ' ');
		text_add(&plain, line);
	} while (more);
	charset_to_utf8(SPAN("utf-8"), text_span(&plain), out);
	for (size_t i = 0; i < out->len; i++)
		if (((unsigned char)out->at[i] < ' ' && out->at[i] != '\t') || out->at[i] == 127)
			out->at[i] = ' ';
}

static int
make_field(struct run *r, const struct node *n, struct span name, struct span value, struct head_field *f)
{
	autotext struct text plain = {0}, encoded = {0}, out = {0};
	const char          *label = arena_string(r->arena, name), *end = script_line_end(r);
	struct fault         why = {0};

	if (span_has(value, '\0'))
		return script_error(r, n, "addheader action: specified value is invalid (contains NUL character)");
	if (name.len + value.len > r->limits->header_size)
		return script_error(r, n, "addheader action: specified header value is too large (%zu bytes)", value.len);
	one_line(value, &plain);
	encoded_word_encode(text_span(&plain), &encoded);
	if (header_add_folded(&out, label, text_span(&encoded), &why) < 0)
		return script_error(r, n, "addheader action: %s", fault_text(&why));
	if (strcmp(end, "\n") == 0) {
		size_t to = 0;

		for (size_t i = 0; i < out.len; i++)
			if (out.at[i] != '\r')
				out.at[to++] = out.at[i];
		text_cut(&out, to);
	}
	f->whole = arena_span(r->arena, text_span(&out));
	f->name = span_first(f->whole, name.len);
	f->value = span_trim(span_from(f->whole, name.len + 1));
	return 0;
}

/* Where a new first field goes: below lines that would continue it (a broken message may begin with a blank). */
static size_t
top(const struct run *r)
{
	size_t at = 0;

	while (at < r->n_fields && (span_starts(r->fields[at].whole, " ") || span_starts(r->fields[at].whole, "\t")))
		at++;
	return at;
}

int
do_addheader(struct run *r, const struct node *n)
{
	struct span       name = word_first(r, n->at[0]), value = word_first(r, n->at[1]);
	struct head_field f = {.name = SPAN_NONE};
	int               got = start(r, n, name, false);
	size_t            at;

	if (got != 0)
		return got < 0 ? -1 : 0;
	if (make_field(r, n, name, value, &f) < 0)
		return -1;
	if (r->n_fields >= FIELDS_MAX)
		return script_error(r, n, "addheader action: the message has too many header fields");
	if (r->n_fields + 1 >= r->room_fields) {
		struct head_field *more = arena_alloc(r->arena, (r->room_fields = r->n_fields * 2 + 16) * sizeof *more);

		if (r->n_fields)
			memcpy(more, r->fields, r->n_fields * sizeof *more);
		r->fields = more;
	}
	at = n->tags & TAG(LAST) ? r->n_fields : top(r);
	memmove(r->fields + at + 1, r->fields + at, (r->n_fields - at) * sizeof *r->fields);
	r->fields[at] = f;
	r->n_fields++;
	was_edited(r);
	return script_cost(r, n, f.whole.len * 16 + value.len);
}

/* Is this one of those that go? -1 when it cannot be told. */
static int
is_to_go(struct run *r, const struct node *n, const struct head_field *f, bool *answer)
{
	struct matching m;

	*answer = true;
	if (!n->at[1])
		return 0;
	matching_start(&m, r, n, &n->at[1]->strings);
	return matching_value(&m, script_decoded(r, f->value)) < 0 ? -1 : matching_end(&m, answer);
}

int
do_deleteheader(struct run *r, const struct node *n)
{
	const struct argument *index = node_tag(n, TAG_INDEX);
	struct span            name = word_first(r, n->at[0]);
	int                    got = start(r, n, name, true);
	size_t                 left = 0, there = 0, seen = 0;

	if (got != 0)
		return got < 0 ? -1 : 0;
	for (size_t i = 0; i < r->n_fields; i++)
		there += field_is(&r->fields[i], name);
	for (size_t i = 0; i < r->n_fields; i++) {
		bool goes = field_is(&r->fields[i], name);

		seen += goes;
		if (goes && index)
			goes = index->number == (n->tags & TAG(LAST) ? there - seen + 1 : seen);
		if (goes && is_to_go(r, n, &r->fields[i], &goes) < 0)
			return -1;
		if (!goes)
			r->fields[left++] = r->fields[i];
	}
	if (left == r->n_fields)
		return 0;
	r->n_fields = left;
	was_edited(r);
	return 0;
}
