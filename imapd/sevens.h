/* SPDX-License-Identifier: ISC */
/*
 * sevens.h - numbers in as few bytes as they need: seven bits each, the low ones first; 0x80: more follow.  Pure.
 */
#ifndef IMAPD_SEVENS_H
#define IMAPD_SEVENS_H

#include "base/text.h"

static inline void
sevens_put(uint64_t n, struct text *out)
{
	for (; n >= 0x80; n >>= 7)
		text_add_byte(out, (char)(n | 0x80));
	text_add_byte(out, (char)n);
}

/* Off the front; false: there is none. */
static inline bool
sevens_take(struct span *in, uint64_t *n)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && in->len; shift += 7) {
		unsigned char c = (unsigned char)*in->at;

		*in = span_from(*in, 1);
		value |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*n = value;
			return true;
		}
	}
	return false;
}

#endif
