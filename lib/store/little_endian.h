/* SPDX-License-Identifier: ISC */
/*
 * little_endian.h - numbers in the records of the index: of 1 to 8 bytes, the lowest first
 */
#ifndef STORE_LITTLE_ENDIAN_H
#define STORE_LITTLE_ENDIAN_H

#include <stdint.h>

#include "base/text.h"

static inline uint64_t
little_endian_take(const char *at, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n |= (uint64_t)(unsigned char)at[i] << 8 * i;
	return n;
}

static inline void
little_endian_put(char *at, uint64_t n, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (char)(n >> 8 * i & 0xff);
}

static inline void
little_endian_add(uint64_t n, int bytes, struct text *out)
{
	char at[8];

	little_endian_put(at, n, bytes);
	text_add(out, span_at(at, (size_t)bytes));
}

#endif
