/* SPDX-License-Identifier: ISC */
/*
 * mime_stream.c - a message that flows by (RFC 2045, 2046, 6152)
 *
 * Lines are cut first; a line is looked at by one of three: the header (fields are collected with
 * their folds), the body (a boundary of any open multipart ends what is inside it), or, for what is
 * too long to hold, nobody.
 */
#include "mail/mime_stream.h"

#include <stdlib.h>

#include "base/arena.h"
#include "mail/header.h"
#include "mail/mime.h"

enum { PIECE = 4096, HEADER_LIMIT = 102400, NESTING_LIMIT = 100, BOUNDARY_LIMIT = 2048, MARKS_MAX = 1 << 20,
       QP_LINE = 76, LINE_OCTETS = 998 };

enum kind { LEAF, MULTIPART, MESSAGE, OPAQUE };
enum encoding { NO_LABEL, SEVEN, EIGHT, BINARY, HIDDEN };

struct level {
	char  *boundary;             /* owned; NULL: a message inside */
	size_t len;
	bool   digest;
};

struct mime_stream {
	struct mime_stream_settings set;
	struct mime_survey         *survey;
	struct level               *levels;      /* set.nesting_limit of them */
	size_t                      depth;
	struct text                 line;        /* what came of it so far */
	bool                        in_header;
	bool                        raw, piece;  /* the rest of a line too long to hold: of a header, a body */
	bool                        first;       /* the next body line begins a segment */
	bool                        cr;          /* the survey's: the last byte was CR */
	size_t                      column;      /* of the line in pieces */
	size_t                      wire_column; /* the survey's */
	/* the entity */
	size_t        number;                    /* of entities so far */
	enum kind     kind;
	enum encoding encoding;
	bool          marked, dropped_label, has_version, has_type, own_message;
	struct level  next;                      /* of a multipart whose header is not over */
	struct text   field;
	bool          cut;                       /* what belongs to the field is left out: it is too long */
	size_t        qp_column;
};

void
mime_survey_free(struct mime_survey *v)
{
	text_free(&v->marks);
}

/* ------------------------------------------------------------ entities */

static bool
marked(const struct mime_stream *s)
{
	const struct mime_survey *v = s->set.convert;

	return v && s->number && s->number <= v->marks.len && v->marks.at[s->number - 1];
}

static void
begin_entity(struct mime_stream *s, bool own_message)
{
	s->number++;
	s->in_header = s->first = true;
	s->own_message = own_message;
	s->encoding = NO_LABEL;
	s->has_version = s->has_type = s->dropped_label = s->cut = false;
	s->kind = !own_message && s->depth && s->levels[s->depth - 1].digest ? MESSAGE : LEAF;
	s->marked = marked(s);
	if (s->survey && s->survey->marks.len < MARKS_MAX)
		text_add_byte(&s->survey->marks, 0);
	text_clear(&s->field);
	free(s->next.boundary);
	s->next = (struct level){0};
}

static void
pop_to(struct mime_stream *s, size_t depth)
{
	while (s->depth > depth)
		free(s->levels[--s->depth].boundary);
}

/* ------------------------------------------------------------ fields */

static void
note_type(struct mime_stream *s, struct span value)
{
	autoarena struct arena *a = arena_new();
	struct span             type = SPAN_NONE, subtype = SPAN_NONE;   /* what cannot be read stays so */
	struct mime_params      params = {0};
	struct mime_param       boundary;

	if (s->has_type)
		return;
	s->has_type = true;
	mime_parse_content_type(a, header_unfolded(a, value), &type, &subtype, &params);
	if (span_is_nocase(type, "multipart")) {
		s->kind = OPAQUE;
		if (!mime_param_find(&params, "boundary", &boundary) || !boundary.value.len || boundary.value.len > BOUNDARY_LIMIT)
			return;
		s->kind = MULTIPART;
		s->next = (struct level){.boundary = mem_span(boundary.value), .len = boundary.value.len,
		                         .digest = span_is_nocase(subtype, "digest")};
	} else if (span_is_nocase(type, "message")) {
		/* partial must stay as it is (RFC 2046, 5.2.2.1); of external-body there is nothing to encode */
		bool fixed = span_is_nocase(subtype, "partial") || span_is_nocase(subtype, "external-body");

		s->kind = span_is_nocase(subtype, "rfc822") ? MESSAGE : fixed ? OPAQUE : LEAF;
	} else {
		s->kind = LEAF;
	}
}

static void
note_encoding(struct mime_stream *s, struct span value)
{
	static const struct { const char *word; enum encoding encoding; } words[] = {
		{"7bit", SEVEN}, {"8bit", EIGHT}, {"binary", BINARY},
	};
	struct span word = SPAN_NONE;

	span_next(&value, " \t\r\n;(", &word);
	if (s->encoding != NO_LABEL)
		return;
	s->encoding = HIDDEN;
	for (size_t i = 0; i < COUNT(words); i++)
		if (span_is_nocase(word, words[i].word))
			s->encoding = words[i].encoding;
	if (s->survey && (s->encoding == EIGHT || s->encoding == BINARY))
		s->survey->declared = s->survey->eight_bit = true;
}

static enum mime_place
place_of(const struct mime_stream *s, struct span name)
{
	if (header_flags(name) & HEADER_MIME)
		return MIME_PART_FIELD;
	return s->number == 1 ? MIME_PRIMARY : s->own_message ? MIME_NESTED : MIME_PART_FIELD;
}

static void
give_field(struct mime_stream *s, struct text *out)
{
	struct header_field f;
	size_t              at = 0;
	bool                label;

	if (s->field.len == 0)
		return;
	if (!header_next(text_span(&s->field), &at, &f)) {
		text_clear(&s->field);
		return;
	}
	if (span_is_nocase(f.name, "content-type"))
		note_type(s, f.value);
	else if (span_is_nocase(f.name, "mime-version"))
		s->has_version = true;
	label = span_is_nocase(f.name, "content-transfer-encoding");
	if (label)
		note_encoding(s, f.value);
	if (label && s->set.convert && (s->marked || s->encoding == EIGHT || s->encoding == BINARY))
		s->dropped_label = true;
	else if (out && s->set.field)
		s->set.field(s->set.context, place_of(s, f.name), text_span(&s->field), out);
	else if (out) {
		text_add(out, text_span(&s->field));
		text_add(out, SPAN("\r\n"));
	}
	text_clear(&s->field);
}

/* Labels that the conversion owes, where the header ends. True: some were written. */
static bool
give_labels(struct mime_stream *s, struct text *out)
{
	if (!s->marked) {
		if (s->dropped_label)
			text_add(out, SPAN("Content-Transfer-Encoding: 7bit\r\n"));
		return s->dropped_label;
	}
	if (s->own_message && !s->has_version)
		text_add(out, SPAN("MIME-Version: 1.0\r\n"));
	if (s->own_message && !s->has_type)
		text_add(out, SPAN("Content-Type: text/plain; charset=unknown-8bit\r\n"));
	text_add(out, SPAN("Content-Transfer-Encoding: quoted-printable\r\n"));
	return true;
}

static void
end_header(struct mime_stream *s, bool empty_line, struct text *out)
{
	bool labels;

	give_field(s, out);
	labels = out && s->set.convert && give_labels(s, out);
	if (out && (empty_line || labels))
		text_add(out, SPAN("\r\n"));
	s->in_header = false;
	s->first = true;
	s->qp_column = 0;
	if (s->kind == MESSAGE && s->encoding == HIDDEN)
		s->kind = OPAQUE;
	if ((s->kind == MULTIPART || s->kind == MESSAGE) && s->depth == s->set.nesting_limit)
		s->kind = OPAQUE;
	if (s->kind == MULTIPART) {
		s->levels[s->depth++] = s->next;
		s->next = (struct level){0};
	} else if (s->kind == MESSAGE) {
		s->levels[s->depth++] = (struct level){0};
		begin_entity(s, true);
	}
}

/* ------------------------------------------------------------ bodies */

static void
add_qp(struct mime_stream *s, struct span bytes, bool ends, struct text *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.at[i];
		bool          blank = (c == ' ' || c == '\t') && i + 1 < bytes.len;
		char          code[3] = {'=', hex[c >> 4], hex[c & 15]};
		struct span   piece = blank || (c > ' ' && c < 127 && c != '=') ? span_at(&bytes.at[i], 1) : span_at(code, 3);

		if (s->qp_column + piece.len > QP_LINE - 1) {
			text_add(out, SPAN("=\r\n"));
			s->qp_column = 0;
		}
		text_add(out, piece);
		s->qp_column += piece.len;
	}
	if (ends) {
		text_add(out, SPAN("\r\n"));
		s->qp_column = 0;
	}
}

static void
add_body(struct mime_stream *s, struct span bytes, bool ends, struct text *out)
{
	if (s->marked && s->kind == LEAF) {
		add_qp(s, bytes, ends, out);
		return;
	}
	text_add(out, bytes);
	if (ends)
		text_add(out, SPAN("\r\n"));
}

static void
look_at_body(struct mime_stream *s, struct span bytes)
{
	bool hidden = s->encoding == HIDDEN || s->kind != LEAF;
	bool label = s->encoding == EIGHT || s->encoding == BINARY;
	bool high = false;

	for (size_t i = 0; i < bytes.len && !hidden && !high; i++)
		high = (unsigned char)bytes.at[i] > 127 || (label && !bytes.at[i]);
	if (!high && (hidden || !label || s->column + bytes.len <= LINE_OCTETS))
		return;
	if (s->number <= s->survey->marks.len)
		s->survey->marks.at[s->number - 1] = 1;
	s->survey->eight_bit = true;
}

static void
give_body(struct mime_stream *s, struct span bytes, bool ends, struct text *out)
{
	autotext struct text instead = {0};
	struct span          rest, line;

	if (s->survey)
		look_at_body(s, bytes);
	if (!out)
		return;
	if (!s->set.line || s->set.line(s->set.context, s->first, bytes, &instead)) {
		add_body(s, bytes, ends, out);
	} else {
		rest = text_span(&instead);
		while (rest.len) {
			span_split(&rest, '\n', &line);
			if (span_ends(line, "\r"))
				line.len--;
			add_body(s, line, true, out);
		}
	}
	s->first = false;
}

/* "--boundary", perhaps "--", perhaps blanks: innermost first. */
static bool
is_boundary(const struct mime_stream *s, struct span line, size_t *level, bool *closes)
{
	if (!span_starts(line, "--"))
		return false;
	line = span_from(line, 2);
	while (line.len && (line.at[line.len - 1] == ' ' || line.at[line.len - 1] == '\t'))
		line.len--;
	for (size_t i = s->depth; i > 0; i--) {
		const struct level *l = &s->levels[i - 1];

		if (!l->boundary || line.len < l->len || memcmp(line.at, l->boundary, l->len) != 0)
			continue;
		*closes = line.len == l->len + 2 && span_is(span_from(line, l->len), "--");
		if (line.len != l->len && !*closes)
			continue;
		*level = i - 1;
		return true;
	}
	return false;
}

static bool
take_boundary(struct mime_stream *s, struct span line, struct text *out)
{
	size_t level = 0;
	bool   closes = false;

	if (s->depth == 0 || !is_boundary(s, line, &level, &closes))
		return false;
	if (s->in_header)
		end_header(s, false, out);
	if (out) {
		text_add(out, line);
		text_add(out, SPAN("\r\n"));
	}
	pop_to(s, closes ? level : level + 1);
	if (closes) {
		s->kind = OPAQUE; /* what follows belongs to nobody */
		s->marked = false;
		s->in_header = false;
		s->first = true;
	} else {
		begin_entity(s, false);
	}
	return true;
}

/* ------------------------------------------------------------ lines */

static bool
header_line(struct mime_stream *s, struct span line, struct text *out)
{
	bool fold = line.len && (line.at[0] == ' ' || line.at[0] == '\t');

	if (line.len == 0) {
		end_header(s, true, out);
		return true;
	}
	if (fold && (s->cut || s->field.len)) {
		s->cut = s->cut || s->field.len + line.len + 2 > s->set.header_limit;
		if (s->cut)
			return true;
		text_add(&s->field, SPAN("\r\n"));
		text_add(&s->field, line);
		return true;
	}
	give_field(s, out);
	s->cut = false;
	if (!header_line_is_field(line))
		return false;
	text_set(&s->field, line);
	return true;
}

static void
whole_line(struct mime_stream *s, struct span line, bool ends, struct text *out)
{
	if (s->piece) {
		s->piece = false;
		give_body(s, line, ends, out);
	} else if (take_boundary(s, line, out)) {
		return;
	} else if (s->in_header && header_line(s, line, out)) {
		return;
	} else {
		if (s->in_header) { /* a header that ends without an empty line */
			end_header(s, false, out);
			if (take_boundary(s, line, out)) /* of the multipart whose header that was */
				return;
			if (s->in_header && header_line(s, line, out)) /* of message/rfc822 */
				return;
			if (s->in_header) {
				end_header(s, false, out);
				if (take_boundary(s, line, out))
					return;
			}
		}
		give_body(s, line, ends, out);
	}
	s->column = 0;
}

/* What is too long to be held as one line. */
static void
part_of_line(struct mime_stream *s, struct text *out)
{
	struct span held = text_span(&s->line);

	if (s->in_header && !s->piece) {
		if (held.at[0] == ' ' || held.at[0] == '\t' || header_line_is_field(held)) {
			header_line(s, held, out);
			s->raw = s->cut = true;
			text_clear(&s->line);
			return;
		}
		end_header(s, false, out);
		if (s->in_header)
			end_header(s, false, out);
	}
	give_body(s, held, false, out);
	s->column += held.len;
	s->piece = true;
	text_clear(&s->line);
}

static void
take_bytes(struct mime_stream *s, struct span bytes, struct text *out)
{
	while (bytes.len) {
		size_t      limit = s->in_header && !s->piece ? s->set.header_limit : PIECE;
		struct span some = span_first(bytes, limit > s->line.len ? limit - s->line.len : 0);

		if (s->raw)
			return;
		text_add(&s->line, some);
		bytes = span_from(bytes, some.len);
		if (bytes.len && s->line.len >= limit)
			part_of_line(s, out);
	}
}

static void
end_line(struct mime_stream *s, struct text *out)
{
	struct span line = text_span(&s->line);

	if (s->raw) {
		s->raw = false;
		return;
	}
	if (span_ends(line, "\r"))
		line.len--;
	whole_line(s, line, true, out);
	text_clear(&s->line);
}

static void
look_at_bytes(struct mime_stream *s, struct span in)
{
	struct mime_survey *v = s->survey;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		if (c == '\n') {
			v->bare = v->bare || !s->cr;
			s->wire_column -= s->cr;
			if (s->wire_column > v->longest)
				v->longest = s->wire_column;
			s->wire_column = 0;
		} else {
			v->bare = v->bare || s->cr;
			v->line_dots = v->line_dots || (c == '.' && s->wire_column == 0);
			s->wire_column++;
		}
		s->cr = c == '\r';
	}
}

void
mime_stream_feed(struct mime_stream *s, struct span in, struct text *out)
{
	if (s->survey) {
		out = NULL;
		look_at_bytes(s, in);
	}
	while (in.len) {
		ptrdiff_t lf = span_find(in, '\n');

		if (lf < 0) {
			take_bytes(s, in, out);
			return;
		}
		take_bytes(s, span_first(in, (size_t)lf), out);
		end_line(s, out);
		in = span_from(in, (size_t)lf + 1);
	}
}

void
mime_stream_end(struct mime_stream *s, struct text *out)
{
	if (s->survey) {
		out = NULL;
		s->survey->open_end = s->wire_column > 0;
		if (s->wire_column > s->survey->longest)
			s->survey->longest = s->wire_column;
		s->survey->bare = s->survey->bare || s->cr;
	}
	if (s->line.len)
		whole_line(s, text_span(&s->line), false, out);
	if (s->in_header && (s->field.len || s->dropped_label))
		end_header(s, false, out);
}

static struct mime_stream *
start(const struct mime_stream_settings *set)
{
	struct mime_stream *s = mem_alloc(sizeof *s);

	s->set = *set;
	if (!set->header_limit)
		s->set.header_limit = HEADER_LIMIT;
	if (!set->nesting_limit)
		s->set.nesting_limit = NESTING_LIMIT;
	s->levels = mem_array(s->set.nesting_limit, sizeof *s->levels);
	return s;
}

struct mime_stream *
mime_stream_start(const struct mime_stream_settings *set)
{
	struct mime_stream *s = start(set);

	begin_entity(s, true);
	return s;
}

struct mime_stream *
mime_stream_survey(const struct mime_stream_settings *set, struct mime_survey *v)
{
	struct mime_stream *s = start(set);

	s->set.convert = NULL;
	s->survey = v;
	begin_entity(s, true);
	return s;
}

void
mime_stream_free(struct mime_stream *s)
{
	if (!s)
		return;
	pop_to(s, 0);
	free(s->levels);
	free(s->next.boundary);
	text_free(&s->line);
	text_free(&s->field);
	free(s);
}
