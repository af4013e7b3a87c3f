/* SPDX-License-Identifier: ISC */
/*
 * sum.c - a sum of bytes, against what a crash or a disk does to them
 */
#include "base/sum.h"

#include "base/little_endian.h"

enum { WORD = 8 };

/* Four at once, since a multiplication is waited for longer than it takes. */
uint64_t
sum_bytes(struct span s)
{
	uint64_t a = 1, b = 2, c = 3, d = 4;
	size_t   i = 0;

	for (; i + 4 * WORD <= s.len; i += 4 * WORD) {
		a = sum_mix(a, little_endian_take(s.at + i, WORD));
		b = sum_mix(b, little_endian_take(s.at + i + WORD, WORD));
		c = sum_mix(c, little_endian_take(s.at + i + 2 * WORD, WORD));
		d = sum_mix(d, little_endian_take(s.at + i + 3 * WORD, WORD));
	}
	for (; i + WORD <= s.len; i += WORD)
		a = sum_mix(a, little_endian_take(s.at + i, WORD));
	if (i < s.len)
		b = sum_mix(b, little_endian_take(s.at + i, (int)(s.len - i)));
	return sum_mix(sum_mix(sum_mix(sum_mix(s.len, a), b), c), d);
}
