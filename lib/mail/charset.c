/* SPDX-License-Identifier: ISC */
/*
 * charset.c - character sets to UTF-8, by iconv(3) where it is not trivial
 */
#include "mail/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>

size_t
utf8_length(struct span s)
{
	unsigned char c = s.len ? (unsigned char)s.at[0] : 0xff, low = 0x80, high = 0xbf;
	size_t        len;

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		len = 2;
	else if ((c & 0xf0) == 0xe0)
		len = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		len = 4;
	else
		return 0;
	if (s.len < len)
		return 0;
	if (c == 0xe0)
		low = 0xa0;     /* overlong */
	else if (c == 0xed)
		high = 0x9f;    /* surrogates */
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;    /* above U+10FFFF */
	if ((unsigned char)s.at[1] < low || (unsigned char)s.at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (((unsigned char)s.at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
utf8_valid(struct span s)
{
	while (s.len) {
		size_t len = utf8_length(s);

		if (len == 0)
			return false;
		s = span_from(s, len);
	}
	return true;
}

bool
utf8_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c < ' ' || c == 127)
			return false;
		if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.at[i + 1] < 0xa0)
			return false;
	}
	return utf8_valid(s);
}

bool
span_is_ascii(struct span s)
{
	size_t i = 0;

	for (uint64_t eight; s.len - i >= sizeof eight; i += sizeof eight) {
		memcpy(&eight, s.at + i, sizeof eight);
		if (eight & 0x8080808080808080u)
			return false;
	}
	for (; i < s.len; i++)
		if ((unsigned char)s.at[i] > 127)
			return false;
	return true;
}

void
utf8_add(uint32_t c, struct text *out)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		text_add_byte(out, (char)c);
	} else if (c < 0x800) {
		text_add_byte(out, (char)(0xc0 | c >> 6));
		text_add_byte(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		text_add_byte(out, (char)(0xe0 | c >> 12));
		text_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		text_add_byte(out, (char)(0x80 | (c & 0x3f)));
	} else {
		text_add_byte(out, (char)(0xf0 | c >> 18));
		text_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		text_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		text_add_byte(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* Of windows-1252, 0x80 to 0x9f; 0 is not assigned. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

/* Most text is ASCII: what is at the front goes over at once. */
static struct span
take_ascii(struct span in, struct text *out)
{
	size_t len = 0;

	while (len < in.len && (unsigned char)in.at[len] < 0x80)
		len++;
	if (len)
		text_add(out, span_first(in, len));
	return span_from(in, len);
}

static void
from_utf8(struct span in, struct text *out)
{
	while ((in = take_ascii(in, out)).len) {
		size_t len = utf8_length(in);

		if (len)
			text_add(out, span_first(in, len));
		else
			utf8_add(0xfffd, out);
		in = span_from(in, len ? len : 1);
	}
}

static void
from_ascii(struct span in, struct text *out)
{
	while ((in = take_ascii(in, out)).len) {
		utf8_add(0xfffd, out);
		in = span_from(in, 1);
	}
}

static void
from_latin1(struct span in, struct text *out)
{
	while ((in = take_ascii(in, out)).len) {
		utf8_add((unsigned char)in.at[0], out);
		in = span_from(in, 1);
	}
}

static void
from_windows_1252(struct span in, struct text *out)
{
	while ((in = take_ascii(in, out)).len) {
		unsigned char c = (unsigned char)in.at[0];

		if (c < 0xa0)
			utf8_add(windows_1252[c - 0x80] ? windows_1252[c - 0x80] : 0xfffd, out);
		else
			utf8_add(c, out);
		in = span_from(in, 1);
	}
}

static const struct {
	const char *name;
	void      (*convert)(struct span, struct text *);
} builtin[] = {
	{"utf-8", from_utf8}, {"utf8", from_utf8}, {"us-ascii", from_ascii}, {"ascii", from_ascii},
	{"ansi_x3.4-1968", from_ascii}, {"iso-8859-1", from_latin1}, {"iso8859-1", from_latin1},
	{"latin1", from_latin1},
	{"windows-1252", from_windows_1252}, {"cp1252", from_windows_1252},
};

/* The charsets that mail is written in; each pair stays open, so that it can be opened again
 * later. */
static const char *const prepared[] = {
	"iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",
	"iso-8859-7",   "iso-8859-8",   "iso-8859-9",   "iso-8859-10",  "iso-8859-13",
	"iso-8859-14",  "iso-8859-15",  "iso-8859-16",  "windows-1250", "windows-1251",
	"windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257",
	"windows-1258", "windows-874",  "tis-620",      "koi8-r",       "koi8-u",
	"iso-2022-jp",  "iso-2022-kr",  "shift_jis",    "cp932",        "euc-jp",
	"euc-kr",       "cp949",        "gb2312",       "gbk",          "gb18030",
	"big5",         "big5-hkscs",   "hz-gb-2312",   "utf-7",        "utf-16",
	"utf-16le",     "utf-16be",     "utf-32",       "macintosh",    "cp437",
	"cp850",        "cp866",
};

void
charset_prepare(void)
{
	static iconv_t kept[COUNT(prepared)];               /* never closed, on purpose */

	for (size_t i = 0; i < COUNT(prepared); i++)
		if (!kept[i])
			kept[i] = iconv_open("UTF-8", prepared[i]);
}

static void
convert_by_iconv(iconv_t how, struct span in, struct text *out)
{
	char   buffer[1024], *to, *from = (char *)(uintptr_t)in.at;
	size_t left = in.len, room;

	while (left) {
		to = buffer;
		room = sizeof buffer;
		size_t done = iconv(how, &from, &left, &to, &room);
		int    error = errno;

		from_utf8(span_at(buffer, (size_t)(to - buffer)), out);
		if (done != (size_t)-1 || error == E2BIG)
			continue;
		utf8_add(0xfffd, out);      /* EILSEQ, or EINVAL: cut short at the end */
		if (error == EINVAL)
			break;
		from++;
		left--;
		iconv(how, NULL, NULL, NULL, NULL);
	}
	to = buffer;
	room = sizeof buffer;
	iconv(how, NULL, NULL, &to, &room);
	from_utf8(span_at(buffer, (size_t)(to - buffer)), out);
}

bool
charset_to_utf8(struct span charset, struct span in, struct text *out)
{
	char    name[64];
	iconv_t how;

	for (size_t i = 0; i < COUNT(builtin); i++) {
		if (span_is_nocase(charset, builtin[i].name)) {
			builtin[i].convert(in, out);
			return true;
		}
	}
	/* iconv reads "//TRANSLIT" and file names into a charset: let it see none of that. */
	for (size_t i = 0; i < charset.len; i++)
		if (!ascii_alpha(charset.at[i]) && !ascii_digit(charset.at[i]) &&
		    !strchr("-_.:+()", charset.at[i]))
			charset.len = 0;
	snprintf(name, sizeof name, "%.*s", SPAN_ARGS(charset));
	how = charset.len && charset.len < sizeof name ? iconv_open("UTF-8", name) : (iconv_t)-1;
	if (how == (iconv_t)-1) {
		from_ascii(in, out);
		return false;
	}
	convert_by_iconv(how, in, out);
	iconv_close(how);
	return true;
}
