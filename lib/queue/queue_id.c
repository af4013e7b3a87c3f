/* SPDX-License-Identifier: ISC */
/*
 * queue_id.c - writing and reading queue ids
 */
#include "queue/queue_id.h"

#include <assert.h>

static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

enum { TIME_BASE = 52, COUNTER_BASE = 51, SECOND_DIGITS = 6, MICRO_DIGITS = 4, DIGITS_MAX = 13 };

static size_t
put_number(uint64_t value, unsigned base, size_t least, char *to)
{
	char   reversed[DIGITS_MAX];
	size_t n = 0;

	assert(base > 1);
	while (n < DIGITS_MAX && (value || n < least)) {
		/* cppcheck-suppress zerodivcond ; value is divided, base is not zero */
		reversed[n++] = digits[value % base];
		value /= base;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = reversed[n - 1 - i];
	return n;
}

void
queue_id_make(int64_t time_us, uint64_t counter, struct queue_id *id)
{
	uint64_t us = time_us > 0 ? (uint64_t)time_us : 0;
	size_t   at = put_number(us / 1000000, TIME_BASE, SECOND_DIGITS, id->text);

	at += put_number(us % 1000000, TIME_BASE, MICRO_DIGITS, id->text + at);
	id->text[at++] = 'z';
	at += put_number(counter, COUNTER_BASE, 1, id->text + at);
	assert(at < QUEUE_ID_SIZE);
	id->text[at] = '\0';
}

static bool
get_number(struct span s, unsigned base, uint64_t *value)
{
	uint64_t n = 0;

	if (s.len == 0 || s.len > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char *d = s.at[i] ? strchr(digits, s.at[i]) : NULL;

		if (!d || (unsigned)(d - digits) >= base || n > UINT64_MAX / base)
			return false;
		n = n * base + (unsigned)(d - digits);
		if (n > INT64_MAX)
			return false;
	}
	*value = n;
	return true;
}

bool
queue_id_parse(struct span id, int64_t *time_us, uint64_t *counter)
{
	ptrdiff_t split = span_find_last(id, 'z');
	uint64_t  seconds, micros, number;

	if (split < SECOND_DIGITS + MICRO_DIGITS || id.len >= QUEUE_ID_SIZE)
		return false;
	if (!get_number(span_first(id, (size_t)split - MICRO_DIGITS), TIME_BASE, &seconds) ||
	    !get_number(span_cut(id, (size_t)split - MICRO_DIGITS, (size_t)split), TIME_BASE,
	                &micros) ||
	    !get_number(span_from(id, (size_t)split + 1), COUNTER_BASE, &number))
		return false;
	if (micros >= 1000000 || seconds > INT64_MAX / 1000000 - 1)
		return false;
	if (time_us)
		*time_us = (int64_t)(seconds * 1000000 + micros);
	if (counter)
		*counter = number;
	return true;
}

bool
queue_id_valid(struct span id)
{
	if (id.len < 6 || id.len >= QUEUE_ID_SIZE)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_digit(id.at[i]) && !ascii_alpha(id.at[i]))
			return false;
	return true;
}
