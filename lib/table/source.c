/* SPDX-License-Identifier: ISC */
/*
 * source.c - the text of tables: postmap(1) and aliases(5) syntax
 */
#include "table/source.h"

#include "config/line.h"

/* A "quoted" key off the front, backslashes undone; false when it never closes. */
static bool
take_quoted(struct span *s, struct text *key)
{
	for (size_t i = 1; i < s->len; i++) {
		if (s->at[i] == '\\' && i + 1 < s->len)
			text_add_byte(key, s->at[++i]);
		else if (s->at[i] == '"') {
			*s = span_from(*s, i + 1);
			return true;
		} else
			text_add_byte(key, s->at[i]);
	}
	return false;
}

/* Where a key ends: at a blank outside quotes, which stay part of it ("a b"@example.com is an address). */
static ptrdiff_t
key_end(struct span s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '\\' && quoted)
			i++;
		else if (s.at[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s.at[i] == ' ' || s.at[i] == '\t' || s.at[i] == '\r' || s.at[i] == '\n'))
			return (ptrdiff_t)i;
	}
	return quoted ? -1 : (ptrdiff_t)s.len;
}

static const char *
parse_pair(struct span s, struct text *key, struct span *value)
{
	ptrdiff_t end;

	s = span_trim(s);
	end = s.at[0] == '"' ? key_end(s) : span_find_any(s, " \t\r\n");
	if (end < 0 && s.at[0] == '"')
		return "a key in quotes does not end";
	text_add(key, span_first(s, end < 0 ? s.len : (size_t)end));
	s = span_from(s, end < 0 ? s.len : (size_t)end);
	*value = span_trim(s);
	if (key->len == 0 || value->len == 0)
		return "expected format: key whitespace value";
	return NULL;
}

static const char *
parse_alias(struct span s, struct text *key, struct span *value)
{
	ptrdiff_t colon;

	s = span_trim(s);
	if (s.at[0] == '"') {
		if (!take_quoted(&s, key))
			return "a name in quotes does not end";
		s = span_trim(s);
		if (s.len == 0 || s.at[0] != ':')
			return "need name:value pair";
		colon = 0;
	} else {
		colon = span_find(s, ':');
		if (colon < 0)
			return "need name:value pair";
		text_add(key, span_trim(span_first(s, (size_t)colon)));
		if (span_find_any(text_span(key), " \t,\"<>()") >= 0)
			return "name must be local, and quoted when it has blanks";
	}
	*value = span_trim(span_from(s, (size_t)colon + 1));
	if (key->len == 0 || value->len == 0)
		return "need name:value pair";
	return span_has(text_span(key), '@') ? "name must be local" : NULL;
}

static void
complain(const struct source_reader *r, int line, const char *sentence)
{
	if (r->complaint)
		r->complaint(r->context, line, sentence);
}

int
source_read(struct span in, enum source_syntax syntax, const struct source_reader *r,
            struct fault *why)
{
	struct line          line = {0};
	autotext struct text key = {0};
	struct span          value = SPAN_NONE;
	int                  bad = 0;

	while (bad >= 0 && config_line_next(&in, &line)) {
		const char *problem;

		text_clear(&key);
		if (syntax == SOURCE_ALIASES)
			problem = parse_alias(text_span(&line.text), &key, &value);
		else
			problem = parse_pair(text_span(&line.text), &key, &value);
		if (!problem && span_has(text_span(&line.text), '\0'))
			problem = "a NUL byte";
		if (problem) {
			complain(r, line.number, problem);
			bad++;
			continue;
		}
		if (syntax == SOURCE_POSTMAP && key.len > 1 && key.at[key.len - 1] == ':')
			complain(r, line.number,
			         "record is in \"key: value\" format; is this an alias file?");
		if (r->pair(r->context, line.number, text_span(&key), value, why) < 0)
			bad = -1;
	}
	line_free(&line);
	return bad;
}
