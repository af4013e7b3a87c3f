/* SPDX-License-Identifier: ISC */
/* test_words.c - LANG (RFC 6856, 3), CAPA's lines of that RFC, and the file of what was looked at */
#include "../unit.h"

#include "language.h"
#include "surrogate.h"

static const struct {
	const char *range, *answer;
} ranges[] = {
	{"",            "+OK Language listing follows:\r\nen English\r\ni-default English\r\n."},
	{"*",           "+OK en All texts are in English."},
	{"en",          "+OK en All texts are in English."},
	{"EN-gb",       "+OK en All texts are in English."},
	{"en-a-bbb",    "+OK en All texts are in English."},
	{"I-Default",   "+OK i-default All texts are in English."},
	{"i",           "-ERR There are no texts in that language."},
	{"de",          "-ERR There are no texts in that language."},
	{"english",     "-ERR There are no texts in that language."},
	{"*-en",        "-ERR That is no language range."},
	{"en-",         "-ERR That is no language range."},
	{"-en",         "-ERR That is no language range."},
	{"en--gb",      "-ERR That is no language range."},
	{"e1",          "-ERR That is no language range."},
	{"en-123456789", "-ERR That is no language range."},
	{"en gb",       "-ERR That is no language range."},
	{"\xc3\xa9",    "-ERR That is no language range."},
};

UNIT_TEST(languages)
{
	for (size_t i = 0; i < COUNT(ranges); i++) {
		autotext struct text out = {0};

		language_answer(span_of(ranges[i].range), &out);
		ck_assert_msg(span_is(text_span(&out), ranges[i].answer), "%s: %s", ranges[i].range, text_string(&out));
	}
}
END_TEST

UNIT_TEST(capabilities)
{
	static const struct { struct utf8_config c; const char *lines; } rows[] = {
		{{true, ""},               "LANG\r\nUTF8 USER"},
		{{true, "abc"},            "LANG\r\nUTF8"},
		{{true, "abc\xc3\xa4"},    "LANG\r\nUTF8 USER"},
		{{false, ""},              "LANG"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};

		language_capabilities(&rows[i].c, &out);
		ck_span(text_span(&out), rows[i].lines);
	}
}
END_TEST

static const struct {
	const char *bytes;
	bool        good;
} files[] = {
	{"a 7 0\n",                 true},
	{"a 7 9\n3 100\n9 18446744073709551615\n", true},
	{"a 8 9\n",                 false},       /* another UIDVALIDITY */
	{"b 7 9\n",                 false},       /* surrogates of another kind */
	{"a 7 9\n3 100",            false},       /* cut */
	{"a 7 9\n3 100\n3 100\n",   false},
	{"a 7 9\n10 100\n",         false},
	{"a 7 9\n3\n",              false},
	{"a 7 4294967296\n",        false},
	{"a 7\n",                   false},
	{"",                        false},
};

UNIT_TEST(looked_at)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		struct surrogates    s;
		autotext struct text out = {0};

		ck_assert_msg(surrogates_parse(span_of(files[i].bytes), 7, &s) == files[i].good, "%s", files[i].bytes);
		if (files[i].good) {
			surrogates_print(&s, 7, &out);
			ck_span(text_span(&out), files[i].bytes);
		} else {
			ck_assert_uint_eq(s.looked_to + s.count, 0);
		}
		ck_assert_ptr_null(surrogates_find(&s, 4));
		if (s.count)
			ck_assert_uint_eq(surrogates_find(&s, 3)->size, 100);
		surrogates_free(&s);
	}
}
END_TEST

UNIT_MAIN("pop3d/words", languages, capabilities, looked_at)
