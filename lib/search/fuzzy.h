/* SPDX-License-Identifier: ISC */
/*
 * fuzzy.h - words that are alike: what FUZZY finds (RFC 6203), and how well
 *
 * A plain word is a run of letters, digits and bytes above 127.  A string is found where each of its plain words
 * is like a word of the same place, in any order.  How alike two words are:
 *
 *   FUZZY_SAME      100  the same
 *   FUZZY_BEGINS     80  the message's begins with the one that is looked for ("mess" finds "message")
 *   FUZZY_STEM       70  the one that is looked for is the message's with at most three bytes more, of four or more
 *                        ("messages" finds "message", "breaking" finds "break")
 *   FUZZY_WITHIN     60  the one that is looked for is somewhere within ("tal" finds "total"; also words of scripts
 *                        that put no blanks between them)
 *   FUZZY_ONE_EDIT   50  one letter is missing, too many, another, or two have changed places; words of four letters or more
 *
 * BEGINS and WITHIN want three bytes.  Where a key looks in more than one place, a word in the subject counts in full, elsewhere in the
 * header nine tenths, in bodies eight tenths.  A message's score is the mean of those of the words, 1 to 100.
 * No language is known here: so the same rule holds for all, and whoever scans and the index (segment.h) come to the same score.
 */
#ifndef SEARCH_FUZZY_H
#define SEARCH_FUZZY_H

#include "base/text.h"

enum { FUZZY_WORDS_MOST = 16, FUZZY_LETTERS_MOST = 64 };
enum { FUZZY_SAME = 100, FUZZY_BEGINS = 80, FUZZY_STEM = 70, FUZZY_WITHIN = 60, FUZZY_ONE_EDIT = 50 };

struct fuzzy_word {
	struct span bytes;                        /* borrowed */
	uint32_t    letters[FUZZY_LETTERS_MOST];
	size_t      letter_count;                 /* 0: too long for edits */
};

struct fuzzy {
	struct fuzzy_word word[FUZZY_WORDS_MOST];   /* of more the first */
	size_t            count;
};

/* Of a string in the form of message.h; false: it has no word. */
bool fuzzy_parse(struct span string, struct fuzzy *);

/* One of the above, or 0, of two plain words. */
unsigned fuzzy_level(const struct fuzzy_word *, struct span word);

/* Raises levels[i] to what the i-th word finds in the text, of which a percentage counts. */
void fuzzy_look(const struct fuzzy *, struct span text, unsigned weight, unsigned char *levels);
/* 0: a word was not found. */
unsigned fuzzy_score(const struct fuzzy *, const unsigned char *levels);

/* How much a word in `zone` counts where `asked` (zones of message.h) are looked at. */
unsigned fuzzy_weight(unsigned zone, unsigned asked);

#endif
