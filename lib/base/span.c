/* SPDX-License-Identifier: ISC */
/*
 * span.c - comparing, searching and cutting borrowed bytes
 */
#include "base/span.h"

static int
compare_lower(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char x = (unsigned char)ascii_lower(a[i]);
		unsigned char y = (unsigned char)ascii_lower(b[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

bool
span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && compare_lower(a.at, b.at, a.len) == 0;
}

int
span_compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int    order = len ? memcmp(a.at, b.at, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool
same_byte(char a, char b)
{
	return a == b;
}

static bool
same_letter(char a, char b)
{
	return ascii_lower(a) == ascii_lower(b);
}

/* Only the last * is gone back to: what an earlier one could take besides, this one can take as well. */
static bool
matches(struct span s, struct span pattern, bool (*same)(char, char))
{
	size_t p = 0, i = 0, star = SIZE_MAX, from = 0;

	while (i < s.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			from = i;
		} else if (p < pattern.len && (pattern.at[p] == '?' || same(pattern.at[p], s.at[i]))) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}

bool
span_matches(struct span s, struct span pattern)
{
	return matches(s, pattern, same_byte);
}

bool
span_matches_nocase(struct span s, struct span pattern)
{
	return matches(s, pattern, same_letter);
}

bool
span_has(struct span s, char byte)
{
	return span_find(s, byte) >= 0;
}

ptrdiff_t
span_find(struct span s, char byte)
{
	const char *hit = s.len ? memchr(s.at, byte, s.len) : NULL;

	return hit ? hit - s.at : -1;
}

ptrdiff_t
span_find_last(struct span s, char byte)
{
	for (size_t i = s.len; i > 0; i--)
		if (s.at[i - 1] == byte)
			return (ptrdiff_t)i - 1;
	return -1;
}

struct byte_set { uint64_t bits[4]; };

static struct byte_set
set_of(const char *bytes)
{
	struct byte_set set = {{0}};

	for (const char *b = bytes; *b; b++)
		set.bits[(unsigned char)*b >> 6] |= (uint64_t)1 << (*b & 63);
	return set;
}

static bool
set_has(const struct byte_set *set, char c)
{
	return set->bits[(unsigned char)c >> 6] >> (c & 63) & 1;
}

ptrdiff_t
span_find_any(struct span s, const char *bytes)
{
	struct byte_set set = set_of(bytes);

	for (size_t i = 0; i < s.len; i++)
		if (set_has(&set, s.at[i]))
			return (ptrdiff_t)i;
	return -1;
}

ptrdiff_t
span_find_text(struct span s, struct span needle)
{
	const char *hit;

	if (needle.len == 0)
		return 0;
	hit = s.len ? memmem(s.at, s.len, needle.at, needle.len) : NULL;
	return hit ? hit - s.at : -1;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

bool
span_next(struct span *rest, const char *separators, struct span *piece)
{
	struct byte_set set = set_of(separators);
	size_t          start = 0, end;

	while (start < rest->len && set_has(&set, rest->at[start]))
		start++;
	for (end = start; end < rest->len; end++)
		if (set_has(&set, rest->at[end]))
			break;
	*piece = span_cut(*rest, start, end);
	*rest = span_from(*rest, end);
	return piece->len > 0;
}

bool
span_split(struct span *rest, char byte, struct span *piece)
{
	ptrdiff_t where = span_find(*rest, byte);

	if (where < 0) {
		*piece = *rest;
		*rest = span_from(*rest, rest->len);
		return false;
	}
	*piece = span_first(*rest, (size_t)where);
	*rest = span_from(*rest, (size_t)where + 1);
	return true;
}

bool
span_number(struct span s, uint64_t *value)
{
	uint64_t sum = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_digit(s.at[i]))
			return false;
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(s.at[i] - '0'), &sum))
			return false;
	}
	*value = sum;
	return true;
}
