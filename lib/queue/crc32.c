/* SPDX-License-Identifier: ISC */
/*
 * crc32.c - a CRC by nibbles: small, and fast enough for envelopes
 */
#include "queue/crc32.h"

uint32_t
crc32_add(uint32_t so_far, struct span s)
{
	static const uint32_t nibble[16] = {
	        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
	        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
	        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = ~so_far;

	for (size_t i = 0; i < s.len; i++) {
		c ^= (unsigned char)s.at[i];
		c = nibble[c & 15] ^ c >> 4;
		c = nibble[c & 15] ^ c >> 4;
	}
	return ~c;
}
