/* SPDX-License-Identifier: ISC */
/*
 * message.c - the message as a script sees it: as it came, or as editheader left its header
 */
#include "sieve/sieve_private.h"
#include "mail/encoded_word.h"

enum { FIELD_VALUE_MAX = 65536 };

void
script_fields(struct run *r)
{
	struct header_field f;
	size_t              at = 0, room = 0;

	if (r->has_fields)
		return;
	r->has_fields = true;
	r->n_fields = 0;
	while (header_next(r->message, &at, &f)) {
		if (r->n_fields == FIELDS_MAX) {
			r->too_many_fields = true;
			return;
		}
		if (r->n_fields == room) {
			struct head_field *more = arena_alloc(r->arena, (room = room ? room * 2 : 32) * sizeof *more);

			if (r->n_fields)
				memcpy(more, r->fields, r->n_fields * sizeof *more);
			r->fields = more;
		}
		r->fields[r->n_fields++] = (struct head_field){.name = f.name, .value = span_first(f.value, FIELD_VALUE_MAX),
			.whole = span_cut(r->message, f.start, f.end)};
	}
	r->room_fields = room;
}

/* A line that is no field has no name, and is none that a script could ask for. */
bool
field_is(const struct head_field *f, struct span name)
{
	return f->name.len && span_equal_nocase(f->name, name);
}

struct span
script_body(struct run *r)
{
	if (!r->body_at)
		r->body_at = header_body_offset(r->message, NULL);
	return span_from(r->message, r->body_at);
}

const char *
script_line_end(const struct run *r)
{
	ptrdiff_t lf = span_find(r->message, '\n');

	return lf > 0 && r->message.at[lf - 1] == '\r' ? "\r\n" : "\n";
}

const struct sieve_message *
script_message(struct run *r)
{
	struct sieve_message *m;

	if (!r->edited && !r->filtered)
		return NULL;
	if (r->snapshot)
		return r->snapshot;
	script_fields(r);
	m = arena_alloc(r->arena, sizeof *m);
	m->fields = arena_alloc(r->arena, (r->n_fields + 1) * sizeof *m->fields);
	for (size_t i = 0; i < r->n_fields; i++)
		m->fields[m->n_fields++] = r->fields[i].whole;
	m->body = script_body(r);
	m->line_end = script_line_end(r);
	r->snapshot = m;
	return m;
}

void
sieve_message_header(const struct sieve_message *m, struct span without, struct text *out)
{
	for (size_t i = 0; i < m->n_fields; i++) {
		if (m->fields[i].at >= without.at && m->fields[i].at < without.at + without.len)
			continue;
		text_add(out, m->fields[i]);
		if (!span_ends(m->fields[i], "\n"))        /* the message ended in its header */
			text_add_string(out, m->line_end);
	}
	text_add_string(out, m->line_end);
}

/* Does what says how the body is to be read stand there as it came? */
static bool
mime_is_untouched(struct run *r)
{
	struct header_field f;
	size_t              at = 0, i = 0;

	while (header_next(r->message, &at, &f)) {
		if (!(header_flags(f.name) & HEADER_MIME))
			continue;
		while (i < r->n_fields && !(header_flags(r->fields[i].name) & HEADER_MIME))
			i++;
		if (i == r->n_fields || r->fields[i++].whole.at != r->message.at + f.start)
			return false;
	}
	while (i < r->n_fields && !(header_flags(r->fields[i].name) & HEADER_MIME))
		i++;
	return i == r->n_fields;
}

struct mime *
script_mime(struct run *r, const struct node *n)
{
	autotext struct text whole = {0};

	if (r->mime)
		return r->mime;
	if (!r->edited || mime_is_untouched(r)) {
		if (!r->mime_as_it_came) {
			if (script_cost(r, n, r->message.len) < 0)
				return NULL;
			r->mime_as_it_came = mime_parse(r->arena, r->message);
		}
		return r->mime = r->mime_as_it_came;
	}
	/* a copy, as its parts are found in one piece: dear, so that memory is bounded by the steps */
	if (script_cost(r, n, r->message.len * 8) < 0)
		return NULL;
	sieve_message_header(script_message(r), SPAN_NONE, &whole);
	text_add(&whole, script_body(r));
	r->mime = mime_parse(r->arena, arena_span(r->arena, text_span(&whole)));
	return script_cost(r, n, r->mime->count * sizeof *r->mime->root * 4) < 0 ? NULL : r->mime;
}

/* RFC 5228, 2.7.2: unfolded, encoded words in UTF-8, without blanks at its ends. */
struct span
script_decoded(struct run *r, struct span raw)
{
	autotext struct text plain = {0}, out = {0};

	header_unfold(raw, &plain);
	r->steps += raw.len / 4;
	if (span_find_text(text_span(&plain), SPAN("=?")) < 0)
		return arena_span(r->arena, span_trim(text_span(&plain)));
	encoded_word_decode(text_span(&plain), &out);
	return arena_span(r->arena, span_trim(text_span(&out)));
}

bool
script_decode_part(struct run *r, const struct node *n, const struct mime *mime, const struct mime_part *p, struct text *out)
{
	if (script_cost(r, n, mime_body(mime, p).len * 4) < 0)
		return false;
	if (span_is_nocase(p->type, "text"))
		mime_decode_text(mime, p, out);
	else
		mime_decode_body(mime, p, out);
	return true;
}
