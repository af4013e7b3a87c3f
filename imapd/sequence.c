/* SPDX-License-Identifier: ISC */
/*
 * sequence.c - sets of numbers (RFC 3501, 9: sequence-set)
 */
#include "sequence.h"

#include <stdlib.h>

static bool
parse_number(struct span s, uint32_t *out)
{
	uint64_t n;

	if (span_is(s, "*")) {
		*out = SEQUENCE_STAR;
		return true;
	}
	if (!span_number(s, &n) || n == 0 || n > UINT32_MAX || s.at[0] == '0')
		return false;
	*out = n == SEQUENCE_STAR ? SEQUENCE_STAR - 1 : (uint32_t)n;
	return true;
}

bool
sequence_parse(struct arena *arena, struct span s, struct sequence *out)
{
	size_t commas = 0;

	for (size_t i = 0; i < s.len; i++)
		commas += s.at[i] == ',';
	if (s.len == 0 || span_ends(s, ","))
		return false;
	*out = (struct sequence){.ranges = arena_alloc(arena, (commas + 1) * sizeof *out->ranges)};
	while (s.len) {
		struct span            piece, first;
		struct sequence_range *r = &out->ranges[out->count++];

		span_split(&s, ',', &piece);
		if (span_split(&piece, ':', &first)) {
			if (!parse_number(first, &r->first) || !parse_number(piece, &r->last))
				return false;
		} else {
			if (!parse_number(first, &r->first))
				return false;
			r->last = r->first;
		}
	}
	return true;
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct sequence_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void
sequence_resolve(struct sequence *s, uint32_t star)
{
	size_t kept = 0;

	if (s->resolved)
		return;
	for (size_t i = 0; i < s->count; i++) {
		struct sequence_range r = s->ranges[i];
		uint32_t              a = r.first == SEQUENCE_STAR ? star : r.first;
		uint32_t              b = r.last == SEQUENCE_STAR ? star : r.last;

		s->ranges[i] = a < b ? (struct sequence_range){a, b} : (struct sequence_range){b, a};
	}
	qsort(s->ranges, s->count, sizeof *s->ranges, compare_ranges);
	for (size_t i = 0; i < s->count; i++) {
		struct sequence_range r = s->ranges[i];

		if (kept && r.first <= s->ranges[kept - 1].last) {
			if (r.last > s->ranges[kept - 1].last)
				s->ranges[kept - 1].last = r.last;
		} else {
			s->ranges[kept++] = r;
		}
	}
	s->count = kept;
	s->resolved = true;
}

bool
sequence_has(const struct sequence *s, uint32_t number)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->count && s->ranges[low].first <= number;
}

void
sequence_add(const uint32_t *numbers, size_t count, struct text *out)
{
	for (size_t i = 0; i < count;) {
		size_t last = i;

		while (last + 1 < count && numbers[last + 1] == numbers[last] + 1)
			last++;
		text_add_format(out, "%s%u", i ? "," : "", numbers[i]);
		if (last > i)
			text_add_format(out, ":%u", numbers[last]);
		i = last + 1;
	}
}

bool
sequence_partial(struct span range, int64_t *from, int64_t *to)
{
	struct span first;
	bool        negative = span_starts(range, "-");
	uint64_t    a, b;

	if (!span_split(&range, ':', &first) || span_starts(range, "-") != negative ||
	    !span_number(span_from(first, negative), &a) || !span_number(span_from(range, negative), &b) ||
	    a == 0 || b == 0 || a > UINT32_MAX || b > UINT32_MAX)
		return false;
	*from = negative ? -(int64_t) a : (int64_t) a;
	*to = negative ? -(int64_t) b : (int64_t) b;
	return true;
}

int
sequence_compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}
