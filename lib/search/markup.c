/* SPDX-License-Identifier: ISC */
/*
 * markup.c - the words of HTML (as its standard takes tags, 13.2.5) and of office XML
 */
#include "search/markup.h"

#include "mail/charset.h"

enum { ENTITY_LONGEST = 12, NAME_LONGEST = 16 };

/* By local name: w:p and text:p are paragraphs as p is. */
static const char *const breaks[] = {
	"p", "br", "div", "td", "th", "tr", "li", "ul", "ol", "dl", "dt", "dd", "h", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
	"table", "title", "body", "head", "pre", "blockquote", "option", "section", "article", "header", "footer",
	"si", "tc", "table-cell", "line-break", "tab",
};

/* What stands in them is not for readers. */
static const char *const mute[] = {"script", "style"};

static const struct { const char *name; uint16_t code; } entities[] = {
	{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"ndash", 0x2013}, {"mdash", 0x2014},
	{"lsquo", 0x2018}, {"rsquo", 0x2019}, {"sbquo", 0x201a}, {"ldquo", 0x201c}, {"rdquo", 0x201d}, {"bdquo", 0x201e},
	{"bull", 0x2022}, {"hellip", 0x2026}, {"euro", 0x20ac}, {"trade", 0x2122}, {"OElig", 0x152}, {"oelig", 0x153},
	{"Scaron", 0x160}, {"scaron", 0x161},
};

/* U+00A0 to U+00FF, in this order. */
static const char *const latin[] = {
	"nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg",
	"macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14",
	"frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave",
	"Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde",
	"Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc",
	"atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml",
	"eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml",
	"yacute", "thorn", "yuml",
};

struct markup {
	struct text *out;
	bool         blank, line;        /* a blank, a line end is due before the next character */
	bool         any;
};

static void
give(struct markup *m, struct span bytes)
{
	if (m->any && (m->line || m->blank))
		text_add_byte(m->out, m->line ? '\n' : ' ');
	m->line = m->blank = false;
	m->any = true;
	text_add(m->out, bytes);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static int
digit(char c, unsigned base)
{
	int n = ascii_digit(c) ? c - '0' : ascii_alpha(c) ? ascii_lower(c) - 'a' + 10 : 99;

	return n < (int)base ? n : -1;
}

/* "#233", "#xe9"; 0: it is none. */
static uint32_t
numbered(struct span name)
{
	unsigned base = 10;
	uint32_t n = 0;

	name = span_from(name, 1);
	if (name.len && ascii_lower(name.at[0]) == 'x') {
		base = 16;
		name = span_from(name, 1);
	}
	for (size_t i = 0; i < name.len; i++) {
		int d = digit(name.at[i], base);

		if (d < 0 || n > 0x10ffff)
			return 0;
		n = n * base + (uint32_t)d;
	}
	return n;
}

static uint32_t
entity(struct span name)
{
	if (span_starts(name, "#"))
		return numbered(name);
	for (size_t i = 0; i < COUNT(entities); i++)
		if (span_is(name, entities[i].name))
			return entities[i].code;
	for (size_t i = 0; i < COUNT(latin); i++)
		if (span_is(name, latin[i]))
			return 0xa0 + (uint32_t)i;
	return 0;
}

/* "&eacute;": its length, 0 when it is none. */
static size_t
take_entity(struct markup *m, struct span s)
{
	ptrdiff_t            end = span_find(span_first(s, ENTITY_LONGEST), ';');
	uint32_t             c = end > 1 ? entity(span_cut(s, 1, (size_t)end)) : 0;
	autotext struct text utf8 = {0};

	if (!c)
		return 0;
	if (c == 0xa0 || c <= ' ') {
		m->blank = true;
		return (size_t)end + 1;
	}
	if (c >= 0x80 && c < 0xa0) { /* written as windows-1252 by many */
		char byte = (char)c;

		charset_to_utf8(SPAN("windows-1252"), span_at(&byte, 1), &utf8);
	} else if (c != 0xad) { /* a soft hyphen is no part of the word */
		utf8_add(c, &utf8);
	}
	if (utf8.len)
		give(m, text_span(&utf8));
	return (size_t)end + 1;
}

/* Where a tag ends, quoted values minded. */
static size_t
tag_end(struct span s)
{
	char quote = '\0', before = '\0';

	for (size_t i = 1; i < s.len; i++) {
		char c = s.at[i];

		if (quote) {
			if (c == quote)
				quote = '\0';
		} else if (c == '>') {
			return i + 1;
		} else if ((c == '"' || c == '\'') && before == '=') {
			quote = c;
		}
		if (!is_blank(c))
			before = c;
	}
	return s.len;
}

static bool
is_one_of(struct span name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_is_nocase(name, list[i]))
			return true;
	return false;
}

/* The length of "<script ...> ... " up to its "</script". */
static size_t
mute_end(struct span s, size_t start, struct span name)
{
	while (start < s.len) {
		ptrdiff_t close = span_find_text(span_from(s, start), SPAN("</"));

		if (close < 0)
			return s.len;
		start += (size_t)close;
		if (span_equal_nocase(span_first(span_from(s, start + 2), name.len), name))
			return start;
		start += 2;
	}
	return s.len;
}

static size_t
take_tag(struct markup *m, struct span s)
{
	size_t      at = 1, start, end;
	struct span name;
	ptrdiff_t   colon;

	if (span_starts(s, "<!--")) {
		ptrdiff_t close = span_find_text(span_from(s, 4), SPAN("-->"));

		return close < 0 ? s.len : (size_t)close + 7;
	}
	if (s.len < 2 || !(ascii_alpha(s.at[1]) || strchr("/!?", s.at[1] ? s.at[1] : 'x')))
		return 0; /* "a < b" */
	at += s.at[1] == '/';
	start = at;
	while (at < s.len && !is_blank(s.at[at]) && s.at[at] != '>' && (s.at[at] != '/' || at == start))
		at++;
	name = span_cut(s, start, at);
	colon = span_find(name, ':');
	name = span_from(name, (size_t)(colon + 1));
	end = tag_end(s);
	if (is_one_of(name, breaks, COUNT(breaks)))
		m->line = true;
	else if (colon > 0 && span_is(name, "s")) /* text:s is a blank */
		m->blank = true;
	if (s.at[1] != '/' && is_one_of(name, mute, COUNT(mute)) && s.at[end - 1] == '>')
		end = mute_end(s, end, name);
	return end;
}

void
markup_text(struct span s, struct text *out)
{
	struct markup m = {.out = out};

	while (s.len) {
		size_t n = 0;

		if (is_blank(s.at[0])) {
			m.blank = true;
			n = 1;
		} else if (s.at[0] == '<') {
			n = take_tag(&m, s);
		} else if (s.at[0] == '&') {
			n = take_entity(&m, s);
		}
		if (n == 0) {
			for (n = 1; n < s.len && s.at[n] != '<' && s.at[n] != '&' && !is_blank(s.at[n]);)
				n++;
			give(&m, span_first(s, n));
		}
		s = span_from(s, n);
	}
}
