/* SPDX-License-Identifier: ISC */
/*
 * mime_value.c - "type/subtype; name=value" (RFC 2045, 5.1; RFC 2183; RFC 2231)
 */
#include "mail/charset.h"
#include "mail/encoded_word.h"
#include "mail/mime.h"

#define SEGMENT_LIMIT (MIME_PARAM_LIMIT * 4)      /* pieces of continued parameters */

struct segment {
	struct span name, value;
	int         index;       /* of name*2; -1: none */
	bool        extended;
	bool        used;
};

static size_t
skip_comments(struct span in, size_t at)
{
	size_t depth = 0;

	for (; at < in.len; at++) {
		char c = in.at[at];

		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '\\' && depth)
			at++;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	return at < in.len ? at : in.len;
}

/* tspecials of RFC 2045, 5.1, but "/" in values is common and harmless */
static size_t
token_end(struct span in, size_t at, const char *stop)
{
	while (at < in.len && (unsigned char)in.at[at] > ' ' && !strchr(stop, in.at[at]))
		at++;
	return at;
}

static size_t
quoted_end(struct span in, size_t at)
{
	for (at++; at < in.len; at++) {
		if (in.at[at] == '\\')
			at++;
		else if (in.at[at] == '"')
			return at + 1;
	}
	return in.len;
}

/* Without quotes, backslashes, line ends, NUL. */
static struct span
unquote(struct arena *a, struct span quoted)
{
	char  *out = arena_alloc(a, quoted.len + 1);
	size_t len = 0;

	for (size_t i = 1; i < quoted.len; i++) {
		if (quoted.at[i] == '"')
			break;
		if (quoted.at[i] == '\\' && i + 1 < quoted.len)
			i++;
		if (quoted.at[i] != '\r' && quoted.at[i] != '\n' && quoted.at[i] != '\0')
			out[len++] = quoted.at[i];
	}
	return span_at(out, len);
}

static struct span
lower(struct arena *a, struct span in)
{
	char *out = arena_string(a, in);

	for (size_t i = 0; i < in.len; i++)
		out[i] = ascii_lower(out[i]);
	return span_at(out, in.len);
}

/* "filename*0*": the stars off the name (RFC 2231, 3 and 4). */
static void
split_stars(struct segment *s)
{
	ptrdiff_t   star;
	struct span number;
	uint64_t    index;

	s->index = -1;
	if (span_ends(s->name, "*")) {
		s->extended = true;
		s->name.len--;
	}
	star = span_find(s->name, '*');
	if (star <= 0)
		return;
	number = span_from(s->name, (size_t)star + 1);
	if (number.len > 3 || !span_number(number, &index))
		return;
	s->index = (int)index;
	s->name = span_first(s->name, (size_t)star);
}

static bool
next_segment(struct arena *a, struct span in, size_t *position, struct segment *out)
{
	struct segment s = {.value = SPAN_NONE};
	size_t         at = *position, end;

	for (;;) {
		at = skip_comments(in, at);
		if (at >= in.len)
			return false;
		if (in.at[at] == ';') {
			at++;
			continue;
		}
		end = token_end(in, at, ";=()<>@,\\\"");
		s.name = span_cut(in, at, end);
		at = skip_comments(in, end);
		if (s.name.len && at < in.len && in.at[at] == '=')
			break;
		while (at < in.len && in.at[at] != ';')       /* no parameter */
			at = in.at[at] == '"' ? quoted_end(in, at) : at + 1;
	}
	at = skip_comments(in, at + 1);
	if (at < in.len && in.at[at] == '"') {
		end = quoted_end(in, at);
		s.value = unquote(a, span_cut(in, at, end));
	} else {
		end = token_end(in, at, ";()\"");
		s.value = span_cut(in, at, end);
	}
	for (at = end; at < in.len && in.at[at] != ';';)
		at = in.at[at] == '"' ? quoted_end(in, at) : at + 1;
	s.name = lower(a, s.name);
	split_stars(&s);
	*position = at;
	*out = s;
	return true;
}

static void
add_percent(struct span value, struct text *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (ascii_alpha(c) || ascii_digit(c) || (c != '\0' && strchr("!#$&+-.^_`{|}~", c)))
			text_add_byte(out, c);
		else
			text_add_format(out, "%%%02X", (unsigned char)c);
	}
}

/* Segments 0, 1, 2 ... of one name. When one is encoded, the others are made so. */
static struct mime_param
join_segments(struct arena *a, struct segment *all, size_t count, struct span name)
{
	autotext struct text value = {0};
	struct mime_param    param = {.name = name};
	int                  next = 0;

	for (size_t i = 0; i < count; i++)
		if (all[i].index >= 0 && all[i].extended && span_equal(all[i].name, name))
			param.extended = true;
	for (size_t i = 0; i < count;) {
		struct segment *s = &all[i++];

		if (s->index != next || s->used || !span_equal(s->name, name))
			continue;
		if (next == 0 && param.extended && !s->extended)
			text_add_string(&value, "us-ascii''");
		if (param.extended && !s->extended)
			add_percent(s->value, &value);
		else
			text_add(&value, s->value);
		s->used = true;
		next++;
		i = 0;
	}
	for (size_t i = 0; i < count; i++)      /* what is left has a gap before it */
		if (all[i].index >= 0 && span_equal(all[i].name, name))
			all[i].used = true;
	param.value = arena_span(a, text_span(&value));
	return param;
}

static void
parse_params(struct arena *a, struct span in, struct mime_params *params)
{
	autofree struct segment *all = NULL;
	struct segment           next;
	size_t                   count = 0, room = 0, at = 0;

	while (count < SEGMENT_LIMIT && next_segment(a, in, &at, &next)) {
		if (count == room) {
			room = room * 2 + 4;
			all = mem_grow(all, room, sizeof *all);
		}
		all[count++] = next;
	}
	if (count == 0)
		return;
	params->at = arena_alloc(a, (count < MIME_PARAM_LIMIT ? count : MIME_PARAM_LIMIT) *
	                                    sizeof *params->at);
	for (size_t i = 0; i < count && params->count < MIME_PARAM_LIMIT; i++) {
		struct mime_param *p = &params->at[params->count];

		if (all[i].used || all[i].name.len == 0)
			continue;
		if (all[i].index < 0)
			*p = (struct mime_param){all[i].name, all[i].value, all[i].extended};
		else
			*p = join_segments(a, all, count, all[i].name);
		if (all[i].index < 0 || p->value.len)
			params->count++;
	}
}

void
mime_parse_content_type(struct arena *a, struct span value, struct span *type, struct span *subtype,
                        struct mime_params *params)
{
	size_t at = skip_comments(value, 0), end = token_end(value, at, "/;()\"=");
	size_t slash = skip_comments(value, end), sub, sub_end;

	*params = (struct mime_params){0};
	if (end > at && slash < value.len && value.at[slash] == '/') {
		sub = skip_comments(value, slash + 1);
		sub_end = token_end(value, sub, ";()\"=");
		if (sub_end > sub) {
			*type = span_cut(value, at, end);
			*subtype = span_cut(value, sub, sub_end);
			at = sub_end;
		}
	}      /* else what was there stays: text/plain (RFC 2045, 5.2) */
	while (at < value.len && value.at[at] != ';')
		at = value.at[at] == '"' ? quoted_end(value, at) : at + 1;
	parse_params(a, span_from(value, at), params);
}

void
mime_parse_disposition(struct arena *a, struct span value, struct span *kind,
                       struct mime_params *params)
{
	size_t at = skip_comments(value, 0), end = token_end(value, at, ";()\"=");

	*params = (struct mime_params){0};
	*kind = span_cut(value, at, end);
	for (at = end; at < value.len && value.at[at] != ';';)
		at = value.at[at] == '"' ? quoted_end(value, at) : at + 1;
	parse_params(a, span_from(value, at), params);
}

bool
mime_param_find(const struct mime_params *params, const char *name, struct mime_param *param)
{
	const struct mime_param *plain = NULL;

	for (size_t i = 0; i < params->count; i++) {
		const struct mime_param *p = &params->at[i];

		if (!span_is_nocase(p->name, name))
			continue;
		/* told twice: the encoded one is meant (RFC 6266, 4.3, and sense) */
		if (p->extended) {
			*param = *p;
			return true;
		}
		if (!plain)
			plain = p;
	}
	if (plain)
		*param = *plain;
	return plain != NULL;
}

static int
hex_value(char c)
{
	c = ascii_upper(c);
	if (ascii_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void
decode_extended(struct span value, struct text *out)
{
	autotext struct text bytes = {0};
	struct span rest = value, charset, language;

	if (!span_split(&rest, '\'', &charset) || !span_split(&rest, '\'', &language)) {
		charset = SPAN("utf-8");
		rest = value;
	}
	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.at[i];

		if (c == '%' && i + 2 < rest.len && hex_value(rest.at[i + 1]) >= 0 &&
		    hex_value(rest.at[i + 2]) >= 0) {
			c = (char)(hex_value(rest.at[i + 1]) * 16 + hex_value(rest.at[i + 2]));
			i += 2;
		}
		text_add_byte(&bytes, c);
	}
	(void)charset_to_utf8(charset.len ? charset : SPAN("utf-8"), text_span(&bytes), out);
}

struct span
mime_param_text(struct arena *a, const struct mime_params *params, const char *name)
{
	autotext struct text out = {0};
	struct mime_param p;

	if (!mime_param_find(params, name, &p))
		return SPAN_NONE;
	if (p.extended)
		decode_extended(p.value, &out);
	else
		encoded_word_decode(p.value, &out);
	return arena_span(a, text_span(&out));
}
