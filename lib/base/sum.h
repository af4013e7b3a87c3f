/* SPDX-License-Identifier: ISC */
/*
 * sum.h - a sum of bytes, against what a crash or a disk does to them
 *
 * About as fast as memory, where a CRC would cost more than what is read. Whatever is changed in one word of eight bytes alone changes
 * it; of anything else one in 2^64 passes. Not against malice. Kept in files: it stays as it is.
 */
#ifndef BASE_SUM_H
#define BASE_SUM_H

#include "base/span.h"

uint64_t sum_bytes(struct span);

static inline uint64_t
sum_mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
	return sum ^ sum >> 29;
}

#endif
