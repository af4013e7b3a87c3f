/* SPDX-License-Identifier: ISC */
/*
 * sequence.h - sets of numbers: "1,3:5,7:*" (RFC 3501, 9: sequence-set)
 *
 * '*' is SEQUENCE_STAR until it is resolved.
 */
#ifndef IMAPD_SEQUENCE_H
#define IMAPD_SEQUENCE_H

#include "base/arena.h"
#include "base/text.h"

#define SEQUENCE_STAR UINT32_MAX

struct sequence_range { uint32_t first, last; };   /* in any order */

struct sequence {
	struct sequence_range *ranges;
	size_t                 count;
	bool                   resolved;                   /* ascending, apart, without '*' */
};

bool sequence_parse(struct arena *, struct span, struct sequence *);

/* Says what '*' is, and sorts and joins the ranges: however a client writes a
 * set, using it costs no more than what it holds. */
void sequence_resolve(struct sequence *, uint32_t star);

/* Is the number in it?  It is resolved. */
bool sequence_has(const struct sequence *, uint32_t number);

/* "1:100", or "-1:-100" from the end (RFC 9394, 3.1): both ends of one sign, none 0. */
bool sequence_partial(struct span, int64_t *from, int64_t *to);

/* For qsort() of uint32_t */
int sequence_compare(const void *, const void *);

/* Ascending numbers, shortest form: "1:3,7" (for COPYUID and SEARCH). */
void sequence_add(const uint32_t *numbers, size_t count, struct text *out);

#endif
