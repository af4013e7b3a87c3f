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

bool span_is(struct span, const char *string);        /* the same bytes */
bool span_is_nocase(struct span, const char *string);
bool span_equal(struct span, struct span);
bool span_equal_nocase(struct span, struct span);
int  span_compare(struct span, struct span);          /* as memcmp, shorter first */
bool span_starts(struct span, const char *prefix);
bool span_starts_nocase(struct span, const char *prefix);
bool span_ends(struct span, const char *suffix);
bool span_ends_nocase(struct span, const char *suffix);
bool span_has(struct span, char byte);

/* Whole, by a pattern: * is any bytes, ? one byte. In steps bounded by the product of both lengths. */
bool span_matches(struct span, struct span pattern);
bool span_matches_nocase(struct span, struct span pattern);

/* Index of the first (last) such byte, or -1. */
ptrdiff_t span_find(struct span, char byte);
ptrdiff_t span_find_last(struct span, char byte);
ptrdiff_t span_find_any(struct span, const char *bytes);
ptrdiff_t span_find_text(struct span, struct span needle);

/* Cutting clamps: a range beyond the end is empty, never out of bounds. */
struct span span_from(struct span, size_t start);
struct span span_first(struct span, size_t len);
struct span span_cut(struct span, size_t start, size_t end);
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
