/* SPDX-License-Identifier: ISC */
/*
 * sequence.c - sets of numbers (RFC 3501, 9: sequence-set)
 */
#include "sequence.h"

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
	*out = (struct sequence){arena_alloc(arena, (commas + 1) * sizeof *out->ranges), 0};
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

bool
sequence_has(const struct sequence *s, uint32_t number, uint32_t star)
{
	for (size_t i = 0; i < s->count; i++) {
		uint32_t a = s->ranges[i].first, b = s->ranges[i].last;

		if (a == SEQUENCE_STAR)
			a = star;
		if (b == SEQUENCE_STAR)
			b = star;
		if (a > b ? number >= b && number <= a : number >= a && number <= b)
			return true;
	}
	return false;
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
