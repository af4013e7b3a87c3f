/* SPDX-License-Identifier: ISC */
/*
 * span.h - borrowed bytes
 *
 * A span is an address and a length; it owns nothing and may hold NUL.  It is
 * good for as long as whatever it was cut from.  Network bytes are spans;
 * C strings are used only toward the system.
 *
 * Comparison that ignores case does so for ASCII alone, whatever the locale
 * (RFC 5321, 2.4: commands and domains are ASCII).
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *at;
	size_t      len;
};

#define SPAN_NONE      ((struct span){"", 0})
#define SPAN(literal)  ((struct span){"" literal, sizeof literal - 1})
#define SPAN_ARGS(s)   (int)(s).len, (s).at      /* for "%.*s" */

static inline struct span
span_of(const char *string)
{
	return (struct span){string, string ? strlen(string) : 0};
}

static inline struct span
span_at(const void *at, size_t len)
{
	return (struct span){at, len};
}

bool span_equal_nocase(struct span, struct span);
int  span_compare(struct span, struct span);          /* as memcmp, shorter first */
bool span_has(struct span, char byte);

/* Mostly the length says no, and of a literal it is known when it is compiled: these are written out. */
static inline bool
span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool
span_is(struct span s, const char *string)            /* the same bytes */
{
	return span_equal(s, span_of(string));
}

static inline bool
span_is_nocase(struct span s, const char *string)
{
	struct span other = span_of(string);

	return s.len == other.len && span_equal_nocase(s, other);
}

static inline bool
span_starts(struct span s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && span_is((struct span){s.at, len}, prefix);
}

static inline bool
span_starts_nocase(struct span s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && span_is_nocase((struct span){s.at, len}, prefix);
}

static inline bool
span_ends(struct span s, const char *suffix)
{
	size_t len = strlen(suffix);

	return s.len >= len && (len == 0 || memcmp(s.at + (s.len - len), suffix, len) == 0);
}

static inline bool
span_ends_nocase(struct span s, const char *suffix)
{
	size_t len = strlen(suffix);

	return s.len >= len && (len == 0 || span_is_nocase((struct span){s.at + (s.len - len), len}, suffix));
}

/* Whole, by a pattern: * is any bytes, ? one byte. In steps bounded by the product of both lengths. */
bool span_matches(struct span, struct span pattern);
bool span_matches_nocase(struct span, struct span pattern);

/* Index of the first (last) such byte, or -1. */
ptrdiff_t span_find(struct span, char byte);
ptrdiff_t span_find_last(struct span, char byte);
ptrdiff_t span_find_any(struct span, const char *bytes);
ptrdiff_t span_find_text(struct span, struct span needle);

/* Cutting clamps: a range beyond the end is empty, never out of bounds. */
static inline struct span
span_from(struct span s, size_t start)
{
	if (start > s.len)
		start = s.len;
	return start ? (struct span){s.at + start, s.len - start} : s;      /* NULL + 0 is undefined */
}

static inline struct span
span_first(struct span s, size_t len)
{
	return (struct span){s.at, len < s.len ? len : s.len};
}

static inline struct span
span_cut(struct span s, size_t start, size_t end)
{
	return span_from(span_first(s, end), start);
}

struct span span_trim(struct span);                   /* blanks: SP HT CR LF */

/*
 * Takes the next piece up to any byte of `separators` off the front of *rest
 * and reports whether there was one.  Runs of separators count as one and
 * empty pieces are skipped: "a, b" by ", " gives a and b.
 */
bool span_next(struct span *rest, const char *separators, struct span *piece);

/* Takes up to and including the byte off the front: true when it was there,
 * else the piece is all that was left and false.  Empty pieces count. */
bool span_split(struct span *rest, char byte, struct span *piece);

/* Decimal without sign or blanks; false on anything else or overflow. */
bool span_number(struct span, uint64_t *value);

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool
ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
