/* SPDX-License-Identifier: ISC */
/* test_words.c - LANG (RFC 6856, 3), CAPA's lines of that RFC, and the file of what was looked at */
#include "../unit.h"

#include <string.h>
#include <zlib.h>

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
	const char *runs;
	bool        good;
} files[] = {
	{"",                        true},
	{"1 2 o\n3 3 s 100\n4 4294967295 e+\n", true},
	{"3 3 s+ 18446744073709551615\n", true},
	{"1 2 o 5\n3 3 s 100\n", true},       /* names without W= */
	{"1 1 e+ 5\n3 3 s 100\n", true},
	{"1 2 o\n3 3 s 100",        false},       /* cut */
	{"1 2 o\n\n3 3 s 100\n",   false},
	{"1 2 o\n2 3 o\n",         false},       /* UIDs ascend */
	{"0 2 o\n",                false},
	{"2 1 o\n",                false},
	{"1 2 o 0\n",              false},
	{"1 2 o 5 5\n",            false},
	{"3 3 s\n",                false},
	{"3 3 x\n",                false},
	{"3 3 o-\n",               false},
	{"3 3 o++\n",              false},
	{"3 3\n",                  false},
	{"3\n",                    false},
	{"1 4294967296 o\n",       false},
};

static void
file_of(unsigned long validity, const char *runs, struct text *out)
{
	text_add_format(out, "e %lu %lu\n%s", validity, (unsigned long)crc32(0, (const Bytef *)runs, (uInt)strlen(runs)), runs);
}

UNIT_TEST(looked_at)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		struct surrogates    s;
		autotext struct text bytes = {0}, out = {0};
		const struct looked *third;

		file_of(7, files[i].runs, &bytes);
		ck_assert_msg(surrogates_parse(text_span(&bytes), 7, &s) == files[i].good, "%s", files[i].runs);
		if (files[i].good) {
			surrogates_print(&s, 7, &out);
			ck_span(text_span(&out), text_string(&bytes));
		} else {
			ck_assert_uint_eq(s.count, 0);
		}
		third = surrogates_find(&s, 3);
		ck_assert(!third == !s.count && (!third || (third->form == FORM_SURROGATE && third->size >= 100)));
		surrogates_free(&s);
	}
}
END_TEST

/* A file that was cut at a line end, changed, of another UIDVALIDITY, or of an older kind is none. */
UNIT_TEST(looked_at_wholly)
{
	static const char *const others[] = {"", "a 7 9\n", "a 7 9\n3 100\n", "b 7 0\n", "c 7 0\n", "d 7 0\n", "e 7\n", "e 7 0 0\n", "e 7 1\n", "e 7 4294967296\n", "f 7 0\n"};
	autotext struct text bytes = {0}, foreign = {0};
	struct surrogates    s;

	file_of(7, "1 2 o\n3 3 s 100\n", &bytes);
	file_of(8, "1 2 o\n", &foreign);
	for (size_t i = 0; i < bytes.len; i++) {
		ck_assert_msg(!surrogates_parse(span_first(text_span(&bytes), i), 7, &s), "cut to %zu", i);
		bytes.at[i] ^= 1;
		ck_assert_msg(!surrogates_parse(text_span(&bytes), 7, &s), "changed at %zu", i);
		bytes.at[i] ^= 1;
	}
	ck_assert(!surrogates_parse(text_span(&foreign), 7, &s));
	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_msg(!surrogates_parse(span_of(others[i]), 7, &s) && !s.count, "%s", others[i]);
}
END_TEST

/* What was not added is not known, though others are on both sides of it. */
UNIT_TEST(looked_at_one_by_one)
{
	static const struct looked own = {.form = FORM_OWN}, open = {.form = FORM_OWN, .open = true}, surrogate = {FORM_SURROGATE, false, 9};
	struct surrogates          s = {0};

	surrogates_add(&s, 1, &own);
	surrogates_add(&s, 2, &own);
	surrogates_add(&s, 4, &own);
	surrogates_add(&s, 5, &open);
	surrogates_add(&s, 6, &surrogate);
	ck_assert_uint_eq(s.count, 4);
	ck_assert(surrogates_find(&s, 2) && !surrogates_find(&s, 3) && surrogates_find(&s, 4) && !surrogates_find(&s, 7));
	ck_assert(surrogates_find(&s, 5)->open && !surrogates_find(&s, 4)->open);
	ck_assert_uint_eq(surrogates_find(&s, 6)->size, 9);
	surrogates_free(&s);
}
END_TEST

UNIT_MAIN("pop3d/words", languages, capabilities, looked_at, looked_at_wholly, looked_at_one_by_one)
