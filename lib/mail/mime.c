/* SPDX-License-Identifier: ISC */
/*
 * mime.c - the tree of parts (RFC 2046, 5)
 *
 * Line by line, with the open parts from the root to the innermost on a stack; a
 * line "--boundary" is compared with every open boundary, innermost first, and
 * closes what is above the one it belongs to.  Work is at most MIME_DEPTH_LIMIT
 * comparisons a line.
 */
#include "mail/mime.h"

#include "base/base64.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/quoted_printable.h"

/* Where we are: LFs, and LFs without CR, before `at`. */
struct place {
	size_t   at;
	uint64_t lines, bare;
};

struct open_part {
	struct mime_part *part, *last_child;
	struct span       boundary;          /* empty: none, or its closing line was seen */
	struct place      start, body;
	bool              is_digest;
};

struct scan {
	struct arena    *arena;
	struct mime     *mime;
	struct span      in;
	struct place     here;
	bool             in_header;          /* of the innermost part */
	size_t           depth;              /* open[depth - 1] is the innermost */
	struct open_part open[MIME_DEPTH_LIMIT + 1];
};

/* Past the line at `here`; it is returned without its end. */
static struct span
take_line(struct scan *s)
{
	const char *from = s->in.at + s->here.at, *lf = memchr(from, '\n', s->in.len - s->here.at);
	struct span line = span_from(s->in, s->here.at);

	if (!lf) {
		s->here.at = s->in.len;
		return line;
	}
	line.len = (size_t)(lf - from);
	s->here.at += line.len + 1;
	s->here.lines++;
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	else
		s->here.bare++;
	return line;
}

static struct open_part *
innermost(struct scan *s)
{
	return &s->open[s->depth - 1];
}

/* A part begins here. False when the bounds say no more. */
static bool
begin_part(struct scan *s)
{
	struct open_part *parent = s->depth ? innermost(s) : NULL, *mine;
	struct mime_part *p;

	if (s->depth > MIME_DEPTH_LIMIT || s->mime->count >= MIME_PART_LIMIT) {
		s->mime->cut = true;
		return false;
	}
	p = arena_alloc(s->arena, sizeof *p);
	*p = (struct mime_part){.type = SPAN("text"), .subtype = SPAN("plain"), 
	                       .start = s->here.at};
	s->mime->count++;
	if (parent) {
		p->parent = parent->part;
		p->depth = parent->part->depth + 1;
		parent->part->child_count++;
		if (parent->last_child)
			parent->last_child->next = p;
		else
			parent->part->children = p;
		parent->last_child = p;
		if (parent->is_digest) {            /* RFC 2046, 5.1.5 */
			p->type = SPAN("message");
			p->subtype = SPAN("rfc822");
		}
	} else {
		s->mime->root = p;
	}
	mine = &s->open[s->depth++];
	*mine = (struct open_part){.part = p, .boundary = SPAN_NONE, .start = s->here};
	s->in_header = true;
	return true;
}

static void
set_once(struct scan *s, struct span *where, struct span value)
{
	if (where->len == 0)
		*where = header_unfolded(s->arena, value);
}

/* First token of a value: "base64 (really)" gives base64. */
static struct span
first_token(struct span value)
{
	struct span token = SPAN_NONE;

	(void)span_next(&value, " \t\r\n;(", &token);
	return token;
}

static void
read_field(struct scan *s, struct mime_part *p, const struct header_field *f)
{
	if (!span_starts_nocase(f->name, "Content-"))
		return;
	if (span_is_nocase(f->name, "Content-Type") && !p->has_content_type) {
		p->has_content_type = true;
		mime_parse_content_type(s->arena, f->value, &p->type, &p->subtype, &p->params);
	} else if (span_is_nocase(f->name, "Content-Disposition") && p->disposition.len == 0) {
		mime_parse_disposition(s->arena, f->value, &p->disposition, &p->disposition_params);
	} else if (span_is_nocase(f->name, "Content-Transfer-Encoding") && p->encoding.len == 0) {
		p->encoding = first_token(f->value);
	} else if (span_is_nocase(f->name, "Content-Language")) {
		set_once(s, &p->languages, f->value);
	} else if (span_is_nocase(f->name, "Content-Location")) {
		set_once(s, &p->location, f->value);
	} else if (span_is_nocase(f->name, "Content-ID")) {
		set_once(s, &p->id, f->value);
	} else if (span_is_nocase(f->name, "Content-Description")) {
		set_once(s, &p->description, f->value);
	} else if (span_is_nocase(f->name, "Content-MD5")) {
		set_once(s, &p->md5, f->value);
	}
}

static void
read_fields(struct scan *s, struct mime_part *p)
{
	struct span         header = span_cut(s->in, p->start, p->body);
	struct header_field f;
	size_t              at = 0, count = 0;

	if (header.len > HEADER_SIZE_LIMIT)
		s->mime->cut = true;
	header = span_first(header, HEADER_SIZE_LIMIT);
	while (header_next(header, &at, &f)) {
		if (count++ == HEADER_FIELD_LIMIT) {
			s->mime->cut = true;
			return;
		}
		read_field(s, p, &f);
	}
}

static bool
is_plain_global(const struct mime_part *p)
{
	return span_is_nocase(p->subtype, "global") && !span_is_nocase(p->encoding, "base64")
		&& !span_is_nocase(p->encoding, "quoted-printable");
}

/* The innermost part's header ends here. */
static void
end_header(struct scan *s)
{
	struct open_part *mine = innermost(s);
	struct mime_part *p = mine->part;
	struct mime_param boundary;

	s->in_header = false;
	mine->body = s->here;
	p->body = s->here.at;
	p->header_size = p->body - p->start + (mine->body.bare - mine->start.bare);
	p->header_lines = mine->body.lines - mine->start.lines;
	read_fields(s, p);
	if (span_is_nocase(p->type, "multipart") &&
	    mime_param_find(&p->params, "boundary", &boundary)) {
		mine->boundary = span_trim(boundary.value);
		p->is_multipart = mine->boundary.len > 0;
		mine->is_digest = span_is_nocase(p->subtype, "digest");
	}
	p->is_message = span_is_nocase(p->type, "message")
		&& (span_is_nocase(p->subtype, "rfc822") || (s->mime->global && is_plain_global(p)));
}

/* Closes the parts above `keep`; their bodies end at `end`. */
static void
close_parts(struct scan *s, size_t keep, struct place end)
{
	if (s->in_header && s->depth > keep) {      /* no empty line came */
		s->here = end.at < innermost(s)->start.at ? innermost(s)->start : end;
		end_header(s);
	}
	while (s->depth > keep) {
		struct open_part *mine = innermost(s);
		struct mime_part *p = mine->part;

		s->depth--;
		if (end.at < p->body)      /* two boundaries in a row share a line end */
			end = mine->body;
		p->end = end.at;
		p->body_size = p->end - p->body + (end.bare - mine->body.bare);
		p->body_lines = end.lines - mine->body.lines;
	}
}

/* The line end before a boundary belongs to the boundary (RFC 2046, 5.1.1). */
static struct place
before_line_end(const struct scan *s, struct place p)
{
	if (p.at == 0 || s->in.at[p.at - 1] != '\n')
		return p;
	p.at--;
	p.lines--;
	if (p.at && s->in.at[p.at - 1] == '\r')
		p.at--;
	else
		p.bare--;
	return p;
}

/* Whose boundary is it? Level + 1, or 0. */
static size_t
find_boundary(const struct scan *s, struct span line, bool *closing)
{
	struct span text = span_from(line, 2);

	while (text.len && strchr(" \t\r", text.at[text.len - 1] ? text.at[text.len - 1] : 'x'))
		text.len--;
	for (size_t i = s->depth; i > 0; i--) {
		struct span boundary = s->open[i - 1].boundary;

		if (boundary.len == 0 || text.len < boundary.len ||
		    memcmp(text.at, boundary.at, boundary.len) != 0)
			continue;
		text = span_from(text, boundary.len);
		if (text.len == 0 || span_is(text, "--")) {
			*closing = text.len > 0;
			return i;
		}
		text = span_at(text.at - boundary.len, text.len + boundary.len);
	}
	return 0;
}

static void
at_boundary(struct scan *s, size_t level, bool closing, struct place line_start,
            struct place line_end)
{
	close_parts(s, level, before_line_end(s, line_start));
	s->here = line_end;
	s->in_header = false;
	if (closing)
		innermost(s)->boundary = SPAN_NONE;
	else
		(void)begin_part(s);      /* when it may not, the rest is as good as an epilogue */
}

/* One line: a boundary, the end of a header, or nothing to us. */
static void
scan_line(struct scan *s)
{
	struct place start = s->here;
	struct span  line = take_line(s);
	bool         closing = false;
	size_t       level = span_starts(line, "--") ? find_boundary(s, line, &closing) : 0;

	if (level) {
		at_boundary(s, level, closing, start, s->here);
	} else if (s->in_header && line.len == 0) {
		end_header(s);
		if (innermost(s)->part->is_message && !begin_part(s))
			innermost(s)->part->is_message = false;
	}
}

static struct mime *
parse(struct arena *a, struct span message, bool global)
{
	autofree struct scan *s = mem_grow(NULL, 1, sizeof *s);
	struct mime          *mime = arena_alloc(a, sizeof *mime);

	mime->message = message;
	mime->global = global;
	s->arena = a;
	s->mime = mime;
	s->in = message;
	s->here = (struct place){0};
	s->in_header = false;
	s->depth = 0;          /* open[] is written when a part begins: to clear it all would take as long as a short message */
	(void)begin_part(s);
	while (s->here.at < message.len)
		scan_line(s);
	close_parts(s, 0, s->here);
	/* A header that ended with the text had no chance to open the message inside it. */
	for (struct mime_part *p = mime->root; p; p = mime_next(p))
		if (p->is_message && !p->children)
			p->is_message = false;
	return mime;
}

struct mime *
mime_parse(struct arena *a, struct span message)
{
	return parse(a, message, false);
}

struct mime *
mime_parse_global(struct arena *a, struct span message)
{
	return parse(a, message, true);
}

struct mime_part *
mime_next(const struct mime_part *p)
{
	if (p->children)
		return p->children;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

struct span
mime_header(const struct mime *m, const struct mime_part *p)
{
	return span_cut(m->message, p->start, p->body);
}

struct span
mime_body(const struct mime *m, const struct mime_part *p)
{
	return span_cut(m->message, p->body, p->end);
}

void
mime_decode_body(const struct mime *m, const struct mime_part *p, struct text *out)
{
	struct span body = mime_body(m, p);

	if (span_is_nocase(p->encoding, "base64"))
		base64_decode_mime(body, out);
	else if (span_is_nocase(p->encoding, "quoted-printable"))
		quoted_printable_decode(body, out);
	else
		text_add(out, body);
}

void
mime_decode_text(const struct mime *m, const struct mime_part *p, struct text *out)
{
	autotext struct text bytes = {0};
	struct mime_param charset = {.value = SPAN("utf-8")};

	mime_decode_body(m, p, &bytes);
	if (span_is_nocase(p->type, "text") || p->type.len == 0) {
		(void)mime_param_find(&p->params, "charset", &charset);
		(void)charset_to_utf8(span_trim(charset.value), text_span(&bytes), out);
	} else {
		text_add(out, text_span(&bytes));
	}
}
