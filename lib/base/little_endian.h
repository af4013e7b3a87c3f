/* SPDX-License-Identifier: ISC */
/*
 * little_endian.h - numbers in the records of caches: of 1 to 8 bytes, the lowest first
 */
#ifndef BASE_LITTLE_ENDIAN_H
#define BASE_LITTLE_ENDIAN_H

#include <stdint.h>
#include <string.h>

#include "base/text.h"

/* Written out, which compilers see through where `bytes` is known. */
static inline uint64_t
little_endian_take(const char *at, int bytes)
{
	unsigned char b[8] = {0};

	memcpy(b, at, (size_t)bytes);
	return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 | (uint64_t)b[4] << 32
		| (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 | (uint64_t)b[7] << 56;
}

static inline void
little_endian_put(char *at, uint64_t n, int bytes)
{
	const unsigned char b[8] = {n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255, n >> 32 & 255, n >> 40 & 255,
		n >> 48 & 255, n >> 56 & 255};

	memcpy(at, b, (size_t)bytes);
}

static inline void
little_endian_add(uint64_t n, int bytes, struct text *out)
{
	char at[8];

	little_endian_put(at, n, bytes);
	text_add(out, span_at(at, (size_t)bytes));
}

#endif
