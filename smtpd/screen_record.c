/* SPDX-License-Identifier: ISC */
/*
 * screen_record.c - what a client has passed, and until when
 */
#include "screen.h"

bool
screen_record_parse(struct span in, struct screen_record *out)
{
	struct screen_record r = {0};

	for (int i = 0; i < SCREEN_TESTS; i++) {
		struct span one;
		uint64_t    n;

		if (span_split(&in, ';', &one) != (i + 1 < SCREEN_TESTS) || !span_number(one, &n) || n > INT64_MAX)
			return false;
		r.until[i] = (int64_t)n;
	}
	*out = r;
	return true;
}

void
screen_record_print(const struct screen_record *r, struct text *out)
{
	for (int i = 0; i < SCREEN_TESTS; i++)
		text_add_format(out, "%s%lld", i ? ";" : "", (long long)r->until[i]);
}

unsigned
screen_record_due(const struct screen_record *r, unsigned enabled, int64_t now)
{
	unsigned due = 0;

	for (int i = 0; i < SCREEN_TESTS; i++)
		if ((enabled & 1u << i) && now > r->until[i])
			due |= 1u << i;
	return due;
}
