/* SPDX-License-Identifier: ISC */
/*
 * segment.h - which words stand in which messages: an immutable piece of an index, as bytes
 *
 * A word is a run of letters, digits, "@.-_+" and bytes above 127 in a piece of a message (message.h); everything else
 * separates.  The words of a segment lie one behind the other, each between two line ends, with the messages that
 * have it and the zones where.  So a string without separators is in a message exactly when it is within one of the
 * message's words, and that is found by one memmem over all words: no message need be read.  Of a string with separators the
 * parts between them must be words (the first the end of one, the last the beginning of one): messages that lack one are
 * ruled out, the others must be looked at.
 *
 * A word that is like another (fuzzy.h) is found by a look at each word of the segment; that is sure, too.
 *
 *   bytes     what (numbers are little-endian, of 32 bits)
 *   48        "PSTSRCH2", the sum (base/sum.h, 64 bits) of what follows it, UIDVALIDITY, first and last UID looked at, messages, words, bytes of names,
 *             of words, of postings
 *   8 each    a message: UID; where its base name ends, the top bit: it must always be looked at
 *             names
 *   8 each    words and one more: where it begins, where its postings begin
 *             words: "\nHELLO\nWORLD\n"
 *             postings: of each word the messages, as distances (7 bits a byte, the last without its top bit) and zones
 *
 * Reading is total: a segment that is not right from end to end is none.
 */
#ifndef SEARCH_SEGMENT_H
#define SEARCH_SEGMENT_H

#include "base/text.h"

enum {
	SEGMENT_MESSAGES_MOST = 65535,
	SEGMENT_WORDS_OF_ONE = 4 << 20   /* bytes of new words that a message may bring; one with more is always looked at */
};

struct search_segment {
	struct span bytes, messages, names, table, words, postings;
	uint32_t    validity, first, last, count, word_count;
};

/* False: it is none. */
bool search_segment_open(struct span bytes, struct search_segment *);
uint32_t search_segment_uid(const struct search_segment *, size_t message);
struct span search_segment_base(const struct search_segment *, size_t message);

enum search_verdict { SEARCH_NO, SEARCH_YES, SEARCH_LOOK };

/* Is the string (folded, not empty) in a piece of those zones?  One verdict for each message. */
void search_segment_ask(const struct search_segment *, struct span string, unsigned zones, unsigned char *verdicts);

/* The same for words that are like those of the string (fuzzy.h); scores of those that are SEARCH_YES. */
struct fuzzy;
void search_segment_like(const struct search_segment *, const struct fuzzy *, unsigned zones, unsigned char *verdicts, unsigned char *scores);

/* ---- making one ---- */

struct search_builder;
struct search_piece;

struct search_builder *search_builder_new(void);
void search_builder_free(struct search_builder *);               /* NULL is fine */
/* The next message, of a higher UID than those before. */
void search_builder_message(struct search_builder *, uint32_t uid, struct span base);
void search_builder_piece(struct search_builder *, const struct search_piece *);
/* All of a segment whose UIDs are higher; messages that `keeps` denies are left out. */
void search_builder_segment(struct search_builder *, const struct search_segment *,
	bool (*keeps)(void *context, uint32_t uid, struct span base), void *context);
size_t search_builder_count(const struct search_builder *);      /* messages */
size_t search_builder_size(const struct search_builder *);       /* bytes that it will have, about */
void search_builder_write(const struct search_builder *, uint32_t validity, uint32_t first, uint32_t last, struct text *out);

#endif
