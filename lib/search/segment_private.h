/* SPDX-License-Identifier: ISC */
/*
 * segment_private.h - shared by segment.c and builder.c alone
 */
#ifndef SEARCH_SEGMENT_PRIVATE_H
#define SEARCH_SEGMENT_PRIVATE_H

#include "search/segment.h"

#define SEGMENT_MAGIC "PSTSRCH2"         /* another number when other pieces are taken of a message */
#define SEGMENT_LOOK  0x80000000u

enum { SEGMENT_SUMMED = 16, SEGMENT_HEADER = 48, SEGMENT_BYTES_MOST = 1 << 30 };

uint32_t segment_number(struct span, size_t at);
bool     segment_separates(char);
bool     segment_must_look(const struct search_segment *, size_t message);
uint32_t segment_word_start(const struct search_segment *, size_t word);

/* The postings of a word, and the next of them; false: no more, or damaged. */
struct span segment_postings(const struct search_segment *, size_t word);
bool segment_posting(struct span *rest, size_t *message, bool first, unsigned *zones);

#endif
