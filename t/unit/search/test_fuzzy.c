/* SPDX-License-Identifier: ISC */
/*
 * test_fuzzy.c - which words are alike, and how much (RFC 6203, 3: it is ours to say)
 */
#include "search/fuzzy.h"
#include "search/message.h"
#include "../unit.h"

static const struct {
	const char *wanted, *there;
	unsigned    level;
} rows[] = {
	{"MESSAGE", "MESSAGE", FUZZY_SAME}, {"A", "A", FUZZY_SAME},
	{"MESS", "MESSAGE", FUZZY_BEGINS}, {"IN", "INBOX", 0},                      /* three bytes */
	{"MESSAGES", "MESSAGE", FUZZY_STEM}, {"BREAKING", "BREAK", FUZZY_STEM}, {"BREAKINGS", "BREAK", 0}, {"CARS", "CAR", 0},
	{"TAL", "TOTAL", FUZZY_WITHIN}, {"AL", "TOTAL", 0},
	{"MESAGE", "MESSAGE", FUZZY_ONE_EDIT}, {"MESSSAGE", "MESSAGE", FUZZY_ONE_EDIT}, {"MASSAGE", "MESSAGE", FUZZY_ONE_EDIT},
	{"MESSGAE", "MESSAGE", FUZZY_ONE_EDIT}, {"EMSSAGE", "MESSAGE", FUZZY_ONE_EDIT}, {"MESSAEG", "MESSAGE", FUZZY_ONE_EDIT},
	{"MASSAGES", "MESSAGE", 0}, {"MESSEGA", "MESSAGE", 0},
	{"CAT", "CAR", 0},                                                             /* four letters */
	{"MULLER", "MU\xcc\x88LLER", FUZZY_ONE_EDIT}, {"MU\xcc\x88LLER", "MULLER", FUZZY_ONE_EDIT},  /* one letter, of two bytes */
	{"\xe6\xbc\xa2\xe5\xad\x97", "\xe6\x97\xa5\xe6\xbc\xa2\xe5\xad\x97\xe8\xaa\x9e", FUZZY_WITHIN},
	{"WORD", "", 0},
};

UNIT_TEST(pairs)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fuzzy f;
		unsigned     level;

		ck_assert(fuzzy_parse(span_of(rows[i].wanted), &f) && f.count == 1);
		level = fuzzy_level(&f.word[0], span_of(rows[i].there));
		ck_assert_msg(level == rows[i].level, "%s in %s: %u", rows[i].wanted, rows[i].there, level);
	}
}

static unsigned
score(const char *wanted, const char *text, unsigned weight)
{
	struct fuzzy  f;
	unsigned char levels[FUZZY_WORDS_MOST] = {0};

	ck_assert(fuzzy_parse(span_of(wanted), &f));
	fuzzy_look(&f, span_of(text), weight, levels);
	return fuzzy_score(&f, levels);
}

UNIT_TEST(texts)
{
	struct fuzzy f;

	ck_assert_uint_eq(score("IMAP BREAK", "BROKEN IMAP: BREAK", 100), 100);
	ck_assert_uint_eq(score("IMAP BREAK", "IMAPD, BREAKS!", 100), 80);
	ck_assert_uint_eq(score("IMAP BREAK", "IMAP ALONE", 100), 0);
	ck_assert_uint_eq(score("ALICE", "FROM: ALICE@EXAMPLE.NET", 100), 100);
	ck_assert_uint_eq(score("EXAMPLE.NET", "ALICE@EXAMPLE.ORG", 100), 0);
	ck_assert_uint_eq(score("IMAP BRAEK", "IMAP BREAK", 80), 60);
	ck_assert(!fuzzy_parse(SPAN(" .-:"), &f));
	ck_assert_uint_eq(fuzzy_weight(ZONE_BODY, ZONE_BODY), 100);
	ck_assert_uint_eq(fuzzy_weight(ZONE_BODY, ZONE_TEXT), 80);
	ck_assert_uint_eq(fuzzy_weight(ZONE_FROM, ZONE_TEXT), 90);
	ck_assert_uint_eq(fuzzy_weight(ZONE_SUBJECT, ZONE_TEXT), 100);
}

UNIT_TEST(long_ones)
{
	autotext struct text long_word = {0};
	struct fuzzy         f;

	for (int i = 0; i < 100000; i++)
		text_add_byte(&long_word, (char)('A' + i % 26));
	ck_assert(fuzzy_parse(text_span(&long_word), &f) && f.word[0].letter_count == 0);
	ck_assert_uint_eq(fuzzy_level(&f.word[0], text_span(&long_word)), FUZZY_SAME);
	text_clear(&long_word);
	for (int i = 0; i < 1000; i++)
		text_add_string(&long_word, "WORD ");
	ck_assert(fuzzy_parse(text_span(&long_word), &f) && f.count == FUZZY_WORDS_MOST);
}

UNIT_MAIN("search/fuzzy", pairs, texts, long_ones)
