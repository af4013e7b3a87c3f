/* SPDX-License-Identifier: ISC */
/*
 * screen_score.c - DNS lists (RFC 5782), what their answers mean and weigh
 *
 * A filter is "127.0.0.2", or has "[2;4..8]" in place of any number.
 */
#include "screen.h"

/* The next of the four parts, without its dot; false: there is none, or it is malformed. */
static bool
next_part(struct span *rest, struct span *part)
{
	ptrdiff_t end;

	if (rest->len == 0)
		return false;
	if (rest->at[0] != '[') {
		span_split(rest, '.', part);
		return part->len > 0;
	}
	end = span_find(*rest, ']');
	if (end < 0)
		return false;
	*part = span_cut(*rest, 1, (size_t)end);
	*rest = span_from(*rest, (size_t)end + 1);
	if (rest->len && rest->at[0] != '.')
		return false;
	*rest = span_from(*rest, 1);
	return part->len > 0;
}

/* 1: the number is one of them, 0: not, -1: malformed */
static int
part_has(struct span part, uint64_t number)
{
	struct span choice;
	int         found = 0;

	while (span_next(&part, ";", &choice)) {
		ptrdiff_t dots = span_find_text(choice, SPAN(".."));
		uint64_t  from, to;

		if (!span_number(dots < 0 ? choice : span_first(choice, (size_t)dots), &from) ||
		    !span_number(dots < 0 ? choice : span_from(choice, (size_t)dots + 2), &to) || from > to || to > 255)
			return -1;
		found |= number >= from && number <= to;
	}
	return found;
}

bool
dnsbl_filter_valid(struct span filter)
{
	for (int i = 0; i < 4; i++) {
		struct span part;

		if (!next_part(&filter, &part) || part_has(part, 0) < 0)
			return false;
	}
	return filter.len == 0;
}

bool
dnsbl_filter_matches(struct span filter, struct span address)
{
	struct netaddr a;

	if (filter.len == 0)
		return true;
	if (!netaddr_parse(address, &a) || a.family != 4)
		return false;
	for (int i = 0; i < 4; i++) {
		struct span part;

		if (!next_part(&filter, &part) || part_has(part, a.bytes[i]) <= 0)
			return false;
	}
	return true;
}

/* zone[=filter][*weight] */
int
dnsbl_site_parse(struct span in, struct dnsbl_site *out, struct fault *why)
{
	struct dnsbl_site s = {.weight = 1, .filter = SPAN_NONE};
	ptrdiff_t         star = span_find_last(in, '*');
	struct span       rest = span_first(in, star < 0 ? in.len : (size_t)star), weight;
	uint64_t          n;

	if (star >= 0) {
		weight = span_from(in, (size_t)star + 1);
		if (!span_number(span_from(weight, weight.len && strchr("+-", weight.at[0]) ? 1 : 0), &n) || n > 10000)
			return fault_set(why, FAULT_INPUT, "bad DNSBL weight factor \"%.*s\" in \"%.*s\"", SPAN_ARGS(weight),
			                 SPAN_ARGS(in));
		s.weight = weight.at[0] == '-' ? -(int)n : (int)n;
	}
	if (span_split(&rest, '=', &s.zone))
		s.filter = rest;
	if (s.zone.len == 0 || s.zone.len > 180 || (star >= 0 && (size_t)star == 0))
		return fault_set(why, FAULT_INPUT, "bad DNSBL domain name in \"%.*s\"", SPAN_ARGS(in));
	if (s.filter.len && !dnsbl_filter_valid(s.filter))
		return fault_set(why, FAULT_INPUT, "bad DNSBL filter syntax in \"%.*s\"", SPAN_ARGS(in));
	*out = s;
	return 0;
}

int
dnsbl_score(const struct dnsbl *d, const struct span *addresses, size_t count)
{
	int score = 0;

	for (size_t i = 0; i < d->count; i++) {
		bool matches = false;

		for (size_t k = 0; k < count; k++)
			matches |= dnsbl_filter_matches(d->sites[i].filter, addresses[k]);
		if (matches)
			score += d->sites[i].weight;
	}
	return score;
}
