/* SPDX-License-Identifier: ISC */
/*
 * content.c - the message as milters see it, and what they want changed
 */
#include "milter/content.h"

#include <stdlib.h>

#include "base/file.h"
#include "ipc/submit.h"
#include "mail/header.h"

enum { HEADER_MAX = 16 << 20, FIELDS_MAX = 200000, COPY_SIZE = 64 * 1024, VALUE_MAX = 60000, EDITS_MAX = 7 << 20 };

static struct content_field *
field_at(struct milter_content *c, size_t at)
{
	if (c->count == c->room) {
		c->room = c->room ? c->room * 2 : 32;
		c->fields = mem_grow(c->fields, c->room, sizeof *c->fields);
	}
	memmove(c->fields + at + 1, c->fields + at, (c->count - at) * sizeof *c->fields);
	c->count++;
	return &c->fields[at];
}

/* The fields before the first change of this milter, to go back to. */
static void
remember(struct milter_content *c)
{
	if (c->fields_before)
		return;
	c->fields_before = mem_array(c->count + 1, sizeof *c->fields);
	memcpy(c->fields_before, c->fields, c->count * sizeof *c->fields);
	c->count_before = c->count;
}

/* ---- opening ---- */

static bool
is_ours(struct span name, struct span value, const char *queue_id)
{
	autofree char *mark = mem_format(" id %s", queue_id), *folded = mem_format("\tid %s", queue_id);

	return span_is_nocase(name, "Received") &&
	       (span_find_text(value, span_of(mark)) >= 0 || span_find_text(value, span_of(folded)) >= 0);
}

/* The value behind the colon with its leading blanks, which a milter may want to see. */
static struct span
raw_value(struct span header, const struct header_field *f)
{
	struct span whole = span_cut(header, f->start, f->end);
	ptrdiff_t   colon = span_find(whole, ':');

	if (span_ends(whole, "\n"))
		whole.len--;
	if (span_ends(whole, "\r"))
		whole.len--;
	return span_from(whole, (size_t)(colon + 1));
}

static int
split(struct milter_content *c, struct span header, const char *queue_id, size_t *body, struct fault *why)
{
	struct header_field f;
	size_t              at = 0;
	bool                seen = false;

	while (header_next(header, &at, &f)) {
		struct content_field *field;

		if (c->count == FIELDS_MAX)
			return fault_set(why, FAULT_DENIED, "too many header fields");
		field = field_at(c, c->count);
		*field = (struct content_field){.name = f.name, .nameless = f.name.len == 0};
		field->value = field->nameless ? SPAN_NONE : raw_value(header, &f);
		field->hidden = !seen && is_ours(field->name, field->value, queue_id);
		seen |= field->hidden;
	}
	*body = at;
	return 0;
}

/* The pieces from an offset of the message on. */
static void
pieces_from(const struct message_content *whole, int64_t skip, struct message_content *out)
{
	*out = (struct message_content){.fd = whole->fd, .pieces = mem_array(whole->n_pieces + 1, sizeof *out->pieces)};
	for (size_t i = 0; i < whole->n_pieces; i++) {
		struct piece p = whole->pieces[i];
		int64_t      cut = skip < p.len ? skip : p.len;

		skip -= cut;
		p.at += cut;
		p.len -= cut;
		if (p.len == 0)
			continue;
		out->pieces[out->n_pieces++] = p;
		out->size += p.len;
	}
}

int
content_open(struct milter_content *c, int fd, struct span pieces, int64_t end, const char *queue_id, int64_t limit,
             struct fault *why)
{
	struct message_content whole = {0};
	autotext struct text   header = {0};
	struct span            kept;
	size_t                 body = 0;
	int                    done = -1;

	*c = (struct milter_content){.arena = arena_new(), .fd = fd, .end = end, .new_body = -1, .old_body = -1, .limit = limit};
	if (message_pieces_parse(pieces, &whole, why) < 0)
		return -1;
	whole.fd = fd;
	if (message_header(&whole, HEADER_MAX, &header, why) == 0) {
		kept = arena_span(c->arena, text_span(&header));
		done = split(c, kept, queue_id, &body, why);
	}
	if (done == 0)
		pieces_from(&whole, (int64_t)body, &c->body);
	message_content_free(&whole);
	return done;
}

void
content_free(struct milter_content *c)
{
	arena_free(c->arena);
	free(c->fields);
	free(c->fields_before);
	message_content_free(&c->body);
	text_free(&c->edits);
	text_free(&c->fresh);
	*c = (struct milter_content){.fd = -1};
}

int
content_body(const struct milter_content *c, int64_t *position, size_t limit, struct text *into, struct fault *why)
{
	return message_read(&c->body, position, limit, into, why);
}

/* ---- header ---- */

/* What we put behind a colon: folds stand where the milter wants them, and nothing can become a second field. */
static struct span
clean_value(struct milter_content *c, struct span value, bool blanks)
{
	autotext struct text out = {0};

	if (!blanks)
		text_add_byte(&out, ' ');
	while (value.len && (value.at[value.len - 1] == '\n' || value.at[value.len - 1] == '\r'))
		value.len--;
	for (size_t i = 0; i < value.len; i++) {
		char next = i + 1 < value.len ? value.at[i + 1] : 'x';

		if (value.at[i] == '\r' && next == '\n')
			continue;
		if (value.at[i] != '\n' && value.at[i] != '\r') {
			text_add_byte(&out, value.at[i]);
			continue;
		}
		text_add(&out, SPAN("\r\n"));
		if (next != ' ' && next != '\t')
			text_add_byte(&out, '\t');
	}
	return arena_span(c->arena, text_span(&out));
}

static int
check(const struct milter_content *c, struct span name, struct span value, struct fault *why)
{
	autotext struct text line = {0};

	text_add(&line, name);
	text_add_byte(&line, ':');
	if (!name.len || !header_line_is_field(text_span(&line)) || span_find_any(name, " \t:") >= 0)
		return fault_set(why, FAULT_INPUT, "\"%.*s\" is no header name", SPAN_ARGS(span_first(name, 100)));
	if (value.len > VALUE_MAX || c->edits.len + c->fresh.len + value.len > EDITS_MAX || c->count >= FIELDS_MAX)
		return fault_set(why, FAULT_DENIED, "a header field is too big, or there are too many");
	return 0;
}

/* What an edit carries: header_add_raw gives a value without a leading blank one of its own, so that
 * "Name:value" cannot be written; RFC 5322 readers do not tell the two from each other. */
static struct span
edit_value(struct span value)
{
	return span_starts(value, " ") && !span_starts(value, "  ") && !span_starts(value, " \t") && value.len > 1
	               ? span_from(value, 1) : value;
}

int
content_insert(struct milter_content *c, int64_t at, struct span name, struct span value, bool blanks, struct fault *why)
{
	size_t where = at < 0 || at > (int64_t)c->count ? c->count : (size_t)at;

	if (check(c, name, value, why) < 0)
		return -1;
	remember(c);
	value = clean_value(c, value, blanks);
	*field_at(c, where) = (struct content_field){.name = arena_span(c->arena, name), .value = value};
	submit_edit_add(&c->fresh, where + 1 == c->count ? -1 : (int64_t)where, name, edit_value(value));
	return 0;
}

/* The nth field of that name that a milter has seen, and how many of that name cleanup counts up to it. */
static struct content_field *
find(struct milter_content *c, struct span name, uint32_t nth, int64_t *counted)
{
	uint32_t seen = 0;

	*counted = 0;
	for (size_t i = 0; i < c->count; i++) {
		struct content_field *f = &c->fields[i];

		if (f->nameless || !span_equal_nocase(f->name, name))
			continue;
		(*counted)++;
		if (!f->hidden && ++seen == nth)
			return f;
	}
	return NULL;
}

int
content_change(struct milter_content *c, uint32_t nth, struct span name, struct span value, bool blanks, struct fault *why)
{
	struct content_field *f;
	int64_t               counted;

	if (check(c, name, value, why) < 0)
		return -1;
	f = find(c, name, nth ? nth : 1, &counted);
	if (!f)
		return value.len ? content_insert(c, -1, name, value, blanks, why) : 0;
	remember(c);
	if (value.len == 0) {
		submit_edit_change(&c->fresh, counted, name, SPAN_NONE);
		memmove(f, f + 1, (size_t)(c->fields + c->count - f - 1) * sizeof *f);
		c->count--;
		return 0;
	}
	f->name = arena_span(c->arena, name);
	f->value = clean_value(c, value, blanks);
	submit_edit_change(&c->fresh, counted, name, edit_value(f->value));
	return 0;
}

/* ---- body ---- */

int
content_add_body(struct milter_content *c, struct span bytes, struct fault *why)
{
	int64_t at = c->end + (c->old_body > 0 ? c->old_body : 0);

	if (c->new_body < 0)
		c->new_body = 0;
	if (c->limit > 0 && c->new_body + (int64_t)bytes.len > c->limit)
		return fault_set(why, FAULT_DENIED, "new body is too big");
	if (file_write_at(c->fd, bytes, (off_t)(at + c->new_body), why) < 0)
		return -1;
	c->new_body += (int64_t)bytes.len;
	return 0;
}

/* A second new body takes the place of the first: it moves down. */
static int
move_down(struct milter_content *c, struct fault *why)
{
	struct piece           from = {c->end + c->old_body, c->new_body};
	struct message_content in = {.fd = c->fd, .pieces = &from, .n_pieces = 1, .size = from.len};
	autotext struct text   part = {0};
	int64_t                position = 0, to = c->end;

	while (position < from.len) {
		if (message_read(&in, &position, COPY_SIZE, &part, why) < 0 ||
		    file_write_at(c->fd, text_span(&part), (off_t)to, why) < 0)
			return -1;
		to += (int64_t)part.len;
	}
	return 0;
}

int
content_keep(struct milter_content *c, struct fault *why)
{
	if (c->new_body >= 0) {
		if (c->old_body > 0 && move_down(c, why) < 0)
			return -1;
		c->old_body = c->new_body;
		c->new_body = -1;
		message_content_free(&c->body);
		c->body.pieces = mem_array(1, sizeof *c->body.pieces);
		c->body.pieces[0] = (struct piece){c->end, c->old_body};
		c->body.n_pieces = c->old_body > 0;
		c->body.size = c->old_body;
	}
	text_add(&c->edits, text_span(&c->fresh));
	text_clear(&c->fresh);
	free(take(c->fields_before));
	return 0;
}

void
content_forget(struct milter_content *c)
{
	c->new_body = -1;
	text_clear(&c->fresh);
	if (!c->fields_before)
		return;
	free(c->fields);
	c->fields = take(c->fields_before);
	c->count = c->room = c->count_before;
}

void
content_edits(struct milter_content *c, struct text *edits)
{
	text_add(edits, text_span(&c->edits));
	if (c->old_body >= 0)
		submit_edit_body(edits, c->end, c->old_body);
}
