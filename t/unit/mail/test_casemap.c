/* SPDX-License-Identifier: ISC */
/*
 * test_casemap.c - i;unicode-casemap (RFC 5051, 2)
 */
#include "mail/casemap.h"
#include "../unit.h"
#include "mail/charset.h"

static const struct { const char *in, *out; } rows[] = {
	{"", ""}, {"Hello, World 42!", "HELLO, WORLD 42!"},
	{"stra\xc3\x9f""e", "STRA\xc3\x9f""E"},                     /* sharp s has no simple titlecase */
	{"\xc3\xa9t\xc3\xa9", "E\xcc\x81TE\xcc\x81"},               /* é: titlecase, then decomposed */
	{"\xc3\x89T\xc3\x89", "E\xcc\x81TE\xcc\x81"},
	{"e\xcc\x81te\xcc\x81", "E\xcc\x81TE\xcc\x81"},             /* written decomposed */
	{"\xce\xb1\xcf\x82\xcf\x83", "\xce\x91\xce\xa3\xce\xa3"},   /* both small sigmas */
	{"\xd0\xb9", "\xd0\x98\xcc\x86"},                           /* short i */
	{"\xc7\x86", "Dz\xcc\x8c"},                              /* small dz with caron: titlecase is U+01C5 */
	{"\xef\xac\x81", "fi"},                                     /* ligature: decomposed behind the titlecase, so small */
	{"\xef\xbc\xa1\xef\xbd\x81", "AA"},                         /* full-width */
	{"\xea\xb0\x80\xed\x9e\xa3", "\xe1\x84\x80\xe1\x85\xa1\xe1\x84\x92\xe1\x85\xb5\xe1\x87\x82"}, /* Hangul */
	{"\xe1\x84\x80", "\xe1\x84\x80"},
	{"\xf0\x9d\x94\xb8\xf0\x9f\x98\x80", "A\xf0\x9f\x98\x80"},  /* beyond the BMP */
	{"a\xff\xc3", "A\xef\xbf\xbd\xef\xbf\xbd"},                 /* not UTF-8 */
};

UNIT_TEST(rows_of_rfc_5051)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};

		casemap_add(span_of(rows[i].in), &out);
		ck_assert_msg(span_is(text_span(&out), rows[i].out), "row %zu: %s", i, text_string(&out));
	}
}

/* Every character: valid UTF-8 comes out, and folding what is folded may change case but never decompose further. */
UNIT_TEST(all_characters)
{
	for (uint32_t c = 1; c < 0x110000; c++) {
		autotext struct text in = {0}, out = {0}, again = {0}, third = {0};

		if (c >= 0xd800 && c < 0xe000)
			continue;
		utf8_add(c, &in);
		casemap_add(text_span(&in), &out);
		ck_assert_msg(out.len && utf8_valid(text_span(&out)), "U+%04X", c);
		casemap_add(text_span(&out), &again);
		casemap_add(text_span(&again), &third);
		ck_assert_msg(span_equal(text_span(&again), text_span(&third)), "U+%04X", c);
	}
}
END_TEST

UNIT_MAIN("mail/casemap", rows_of_rfc_5051, all_characters)
