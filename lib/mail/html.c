/* SPDX-License-Identifier: ISC */
/*
 * html.c - the words of an HTML text
 */
#include "mail/html.h"

#include "mail/charset.h"

static const struct {
	const char *name, *text;
} entities[] = {
	{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "},
};

/* "&amp;", "&#8217;": the length of what stood there, 0 when it is none. */
static size_t
add_entity(struct span s, struct text *out)
{
	ptrdiff_t   end = span_find(span_first(s, 12), ';');
	struct span name;
	uint64_t    n;

	if (end < 2)
		return 0;
	name = span_cut(s, 1, (size_t)end);
	for (size_t i = 0; i < COUNT(entities); i++)
		if (span_is(name, entities[i].name)) {
			text_add_string(out, entities[i].text);
			return (size_t)end + 1;
		}
	if (name.at[0] == '#' && span_number(span_from(name, 1), &n) && n >= ' ' && n < 0xd800) {
		utf8_add((uint32_t)n, out);
		return (size_t)end + 1;
	}
	return 0;
}

/* What stands between "<style" and "</style": no words. */
static size_t
skip_element(struct span s, const char *name)
{
	for (size_t i = 1; i + 1 < s.len; i++)
		if (s.at[i] == '<' && s.at[i + 1] == '/' && span_starts_nocase(span_from(s, i + 2), name))
			return i;
	return s.len;
}

void
html_text(struct span s, struct text *out)
{
	static const char *const mute[] = {"style", "script", "head", "title"};

	while (s.len) {
		size_t n = 0;

		if (s.at[0] == '<') {
			ptrdiff_t end;

			for (size_t i = 0; n == 0 && i < COUNT(mute); i++)
				if (span_starts_nocase(span_from(s, 1), mute[i]) && s.len > strlen(mute[i]) + 1
					&& !ascii_alpha(s.at[strlen(mute[i]) + 1]))
					n = skip_element(s, mute[i]);
			if (n == 0) {
				end = span_find(s, '>');
				n = end < 0 ? s.len : (size_t)end + 1;
			}
			text_add_byte(out, ' ');
		} else if (s.at[0] == '&') {
			n = add_entity(s, out);
		}
		if (n == 0) {
			text_add_byte(out, s.at[0]);
			n = 1;
		}
		s = span_from(s, n);
	}
}
