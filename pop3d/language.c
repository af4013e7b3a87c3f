/* SPDX-License-Identifier: ISC */
/*
 * language.c - LANG (RFC 6856, 3)
 */
#include "language.h"

#include "mail/charset.h"

void
language_capabilities(const struct utf8_config *c, struct text *out)
{
	text_add_string(out, "LANG");
	if (c->enable)
		text_add_string(out, *c->username_chars && span_is_ascii(span_of(c->username_chars)) ? "\r\nUTF8" : "\r\nUTF8 USER");
}

/* The first one is "*". */
static const struct { const char *tag, *name; } languages[] = {
	{"en", "English"},
	{"i-default", "English"},     /* RFC 2277, 4.5: before anybody chose one */
};

/* RFC 4647, 2.1: a basic language range. */
static bool
is_range(struct span range)
{
	struct span part;
	bool        first = true, more;

	do {
		more = span_split(&range, '-', &part);
		if (part.len < 1 || part.len > 8)
			return false;
		for (size_t i = 0; i < part.len; i++)
			if (!ascii_alpha(part.at[i]) && (first || !ascii_digit(part.at[i])))
				return false;
		first = false;
	} while (more);
	return true;
}

/* What is more than we have is cut off at its end: en-GB-x-old finds en. */
static const char *
find(struct span range)
{
	while (range.len) {
		ptrdiff_t dash;

		for (size_t i = 0; i < COUNT(languages); i++)
			if (span_is_nocase(range, languages[i].tag))
				return languages[i].tag;
		dash = span_find_last(range, '-');
		range = span_first(range, dash < 0 ? 0 : (size_t)dash);
	}
	return NULL;
}

void
language_answer(struct span argument, struct text *out)
{
	const char *tag = NULL;

	if (!argument.len) {
		text_add_string(out, "+OK Language listing follows:");
		for (size_t i = 0; i < COUNT(languages); i++)
			text_add_format(out, "\r\n%s %s", languages[i].tag, languages[i].name);
		text_add_string(out, "\r\n.");
		return;
	}
	if (span_is(argument, "*"))
		tag = languages[0].tag;
	else if (is_range(argument))
		tag = find(argument);
	else
		text_add_string(out, "-ERR That is no language range.");
	if (tag)
		text_add_format(out, "+OK %s All texts are in English.", tag);
	else if (!out->len)
		text_add_string(out, "-ERR There are no texts in that language.");
}
