/* SPDX-License-Identifier: ISC */
/*
 * imap_section.c - BODY[section]: the grammar, and where the bytes are (RFC 3501, 6.4.5)
 */
#include "mail/header.h"
#include "mail/imap_body.h"

static int
bad_section(struct fault *why)
{
	return fault_set(why, FAULT_INPUT, "Invalid BODY[..] section");
}

/* Numbers and dots at the front: nz-number *("." nz-number). */
static int
take_path(struct arena *a, struct span *in, struct imap_section *s, struct fault *why)
{
	uint32_t *path = NULL;
	size_t    depth = 0;

	while (in->len && ascii_digit(in->at[0])) {
		size_t   digits = 0;
		uint64_t number;

		while (digits < in->len && ascii_digit(in->at[digits]))
			digits++;
		if (!span_number(span_first(*in, digits), &number) || number == 0 ||
		    number > UINT32_MAX || depth == IMAP_SECTION_DEPTH)
			return bad_section(why);
		if (!path)
			path = arena_alloc(a, IMAP_SECTION_DEPTH * sizeof *path);
		path[depth++] = (uint32_t)number;
		*in = span_from(*in, digits);
		if (in->len == 0)
			break;
		if (in->at[0] != '.' || in->len == 1)
			return bad_section(why);
		*in = span_from(*in, 1);
	}
	s->path = path;
	s->depth = depth;
	return 0;
}

static bool
is_astring_char(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 127 && !strchr("(){%*\"\\", c);
}

static int
take_astring(struct arena *a, struct span *in, struct span *out, struct fault *why)
{
	autotext struct text value = {0};
	size_t i = 0;

	if (in->len && in->at[0] == '"') {
		for (i = 1; i < in->len && in->at[i] != '"'; i++) {
			if (in->at[i] == '\\' && ++i == in->len)
				return bad_section(why);
			text_add_byte(&value, in->at[i]);
		}
		if (i >= in->len)
			return bad_section(why);
		i++;
	} else {
		for (; i < in->len && is_astring_char(in->at[i]); i++)
			text_add_byte(&value, in->at[i]);
		if (i == 0)
			return bad_section(why);
	}
	for (size_t k = 0; k < value.len; k++)      /* it is told back in the reply */
		if ((unsigned char)value.at[k] < ' ' || (unsigned char)value.at[k] > 126)
			return bad_section(why);
	*in = span_from(*in, i);
	*out = arena_span(a, text_span(&value));
	return 0;
}

/* " (From To)" to the end */
static int
take_fields(struct arena *a, struct span in, struct imap_section *s, struct fault *why)
{
	struct span *fields;
	size_t       count = 0, room = 1;

	if (!span_starts(in, " (") || !span_ends(in, ")"))
		return bad_section(why);
	in = span_from(in, 2);
	for (size_t i = 0; i < in.len; i++)
		room += in.at[i] == ' ';
	if (room > IMAP_SECTION_FIELDS)
		return fault_set(why, FAULT_INPUT, "Too many header fields in the section");
	fields = arena_alloc(a, room * sizeof *fields);
	for (;;) {
		if (take_astring(a, &in, &fields[count], why) < 0)
			return -1;
		count++;
		if (span_is(in, ")"))
			break;
		if (!span_starts(in, " "))
			return bad_section(why);
		in = span_from(in, 1);
	}
	s->fields = fields;
	s->field_count = count;
	return 0;
}

int
imap_section_parse(struct arena *a, struct span in, struct imap_section *section, struct fault *why)
{
	struct imap_section s = {.kind = SECTION_ALL};

	if (take_path(a, &in, &s, why) < 0)
		return -1;
	if (span_is_nocase(in, "HEADER"))
		s.kind = SECTION_HEADER;
	else if (span_is_nocase(in, "TEXT"))
		s.kind = SECTION_TEXT;
	else if (span_is_nocase(in, "MIME") && s.depth)
		s.kind = SECTION_MIME;
	else if (span_starts_nocase(in, "HEADER.FIELDS.NOT"))
		s.kind = SECTION_HEADER_FIELDS_NOT;
	else if (span_starts_nocase(in, "HEADER.FIELDS"))
		s.kind = SECTION_HEADER_FIELDS;
	else if (in.len)
		return bad_section(why);
	if (s.kind == SECTION_HEADER_FIELDS &&
	    take_fields(a, span_from(in, strlen("HEADER.FIELDS")), &s, why) < 0)
		return -1;
	if (s.kind == SECTION_HEADER_FIELDS_NOT &&
	    take_fields(a, span_from(in, strlen("HEADER.FIELDS.NOT")), &s, why) < 0)
		return -1;
	*section = s;
	return 0;
}

void
imap_section_add(const struct imap_section *s, struct text *out)
{
	static const char *const names[] = {
		[SECTION_ALL] = "", [SECTION_HEADER] = "HEADER", [SECTION_TEXT] = "TEXT",
		[SECTION_MIME] = "MIME", [SECTION_HEADER_FIELDS] = "HEADER.FIELDS",
		[SECTION_HEADER_FIELDS_NOT] = "HEADER.FIELDS.NOT",
	};

	for (size_t i = 0; i < s->depth; i++)
		text_add_format(out, i ? ".%u" : "%u", s->path[i]);
	if (s->depth && s->kind != SECTION_ALL)
		text_add_byte(out, '.');
	text_add_string(out, names[s->kind]);
	for (size_t i = 0; i < s->field_count; i++) {
		bool atom = s->fields[i].len > 0;

		for (size_t k = 0; k < s->fields[i].len; k++)
			atom = atom && is_astring_char(s->fields[i].at[k]);
		text_add(out, i ? SPAN(" ") : SPAN(" ("));
		if (atom)
			text_add(out, s->fields[i]);
		else
			imap_add_string(s->fields[i], out);
	}
	if (s->field_count)
		text_add_byte(out, ')');
}

static const struct mime_part *
child_number(const struct mime_part *p, uint32_t number)
{
	const struct mime_part *child = p->children;

	while (child && --number)
		child = child->next;
	return child;
}

/* Part `number` of a message whose outermost part is `root`: what is not a multipart has a part 1,
 * its body (RFC 3501, 6.4.5). */
static const struct mime_part *
message_part(const struct mime_part *root, uint32_t number)
{
	if (root->is_multipart)
		return child_number(root, number);
	return number == 1 ? root : NULL;
}

static const struct mime_part *
find_part(const struct mime *m, const struct imap_section *s)
{
	const struct mime_part *p = message_part(m->root, s->path[0]);

	for (size_t i = 1; p && i < s->depth; i++) {
		if (p->is_multipart)
			p = child_number(p, s->path[i]);
		else
			p = p->is_message ? message_part(p->children, s->path[i]) : NULL;
	}
	return p;
}

static bool
is_named(const struct imap_section *s, struct span name)
{
	for (size_t i = 0; i < s->field_count; i++)
		if (s->fields[i].len == name.len && span_equal_nocase(s->fields[i], name))
			return true;
	return false;
}

void
imap_section_fields(struct span header, const struct imap_section *s, struct text *out)
{
	struct header_field f;
	size_t              at = 0;

	while (header_next(header, &at, &f)) {
		if (f.name.len == 0 || is_named(s, f.name) != (s->kind == SECTION_HEADER_FIELDS))
			continue;
		text_add(out, span_cut(header, f.start, f.end));
		if (out->at[out->len - 1] != '\n')
			text_add(out, SPAN("\r\n"));
	}
	text_add(out, SPAN("\r\n"));       /* the empty line is always told */
}

static void
found_range(struct imap_found *f, size_t start, size_t end)
{
	f->exists = true;
	f->offset = start;
	f->length = end - start;
}

const struct mime_part *
imap_section_part(const struct mime *m, const struct imap_section *s)
{
	return s->depth ? find_part(m, s) : m->root;
}

void
imap_section_find(const struct mime *m, const struct imap_section *s, struct imap_found *found)
{
	const struct mime_part *p = s->depth ? find_part(m, s) : m->root;

	*found = (struct imap_found){0};
	if (!p)
		return;
	if (s->kind == SECTION_ALL) {
		if (s->depth)
			found_range(found, p->body, p->end);
		else
			found_range(found, 0, m->message.len);
		return;
	}
	if (s->kind == SECTION_MIME) {
		found_range(found, p->start, p->body);
		return;
	}
	if (s->depth) {        /* HEADER and TEXT are those of a message inside */
		if (!p->is_message)
			return;
		p = p->children;
	}
	if (s->kind == SECTION_HEADER) {
		found_range(found, p->start, p->body);
	} else if (s->kind == SECTION_TEXT) {
		found_range(found, p->body, p->end);
	} else {
		found->exists = found->is_text = true;
		imap_section_fields(mime_header(m, p), s, &found->text);
	}
}
