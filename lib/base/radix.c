/* SPDX-License-Identifier: ISC */
/*
 * radix.c - things in the order of a number, without comparing any two
 */
#include "base/radix.h"

#include <string.h>

enum { FEW = 48 };

static void
insert_each(struct radix *at, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct radix one = at[i];
		size_t       to = i;

		for (; to > 0 && at[to - 1].number > one.number; to--)
			at[to] = at[to - 1];
		at[to] = one;
	}
}

static void
move_by_byte(const struct radix *from, struct radix *to, size_t count, int shift)
{
	size_t places[256] = {0}, start = 0;

	for (size_t i = 0; i < count; i++)
		places[from[i].number >> shift & 255]++;
	for (int v = 0; v < 256; v++) {
		size_t n = places[v];

		places[v] = start;
		start += n;
	}
	for (size_t i = 0; i < count; i++)
		to[places[from[i].number >> shift & 255]++] = from[i];
}

void
radix_sort(struct radix *at, struct radix *spare, size_t count)
{
	struct radix *from = at, *to = spare;
	uint64_t      differ = 0;

	if (count <= FEW) {
		insert_each(at, count);
		return;
	}
	for (size_t i = 1; i < count; i++)
		differ |= at[i].number ^ at[0].number;
	for (int shift = 0; shift < 64; shift += 8) {
		struct radix *other = from;

		if (!(differ >> shift & 255))
			continue;
		move_by_byte(from, to, count, shift);
		from = to;
		to = other;
	}
	if (from != at)
		memcpy(at, from, count * sizeof *at);
}
