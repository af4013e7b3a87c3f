/* SPDX-License-Identifier: ISC */
/*
 * fuzzy.c - words that are alike
 */
#include "search/fuzzy.h"

#include "search/message.h"

enum { BYTES_LEAST = 3, STEM_LEAST = 4, STEM_MORE = 3, LETTERS_LEAST = 4 };

static bool
is_plain(unsigned char c)
{
	return c > 127 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
next_word(struct span *rest, struct span *word)
{
	size_t from = 0, end;

	while (from < rest->len && !is_plain((unsigned char)rest->at[from]))
		from++;
	for (end = from; end < rest->len && is_plain((unsigned char)rest->at[end]);)
		end++;
	*word = span_cut(*rest, from, end);
	*rest = span_from(*rest, end);
	return word->len > 0;
}

/* Letters of UTF-8; what is none is a letter for itself. 0: more than there is room for. */
static size_t
letters_of(struct span s, uint32_t *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; n++) {
		uint32_t letter = (unsigned char)s.at[i++];

		while (i < s.len && ((unsigned char)s.at[i] & 0xc0) == 0x80 && letter < 1u << 24)
			letter = letter << 8 | (unsigned char)s.at[i++];
		if (n == room)
			return 0;
		out[n] = letter;
	}
	return n;
}

bool
fuzzy_parse(struct span string, struct fuzzy *out)
{
	struct span word;

	out->count = 0;
	while (out->count < FUZZY_WORDS_MOST && next_word(&string, &word)) {
		struct fuzzy_word *w = &out->word[out->count++];

		w->bytes = word;
		w->letter_count = letters_of(word, w->letters, COUNT(w->letters));
	}
	return out->count > 0;
}

static bool
equal(const uint32_t *a, const uint32_t *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* From their first difference on: one letter more, less, another, or two that changed places. They are not the same. */
static bool
is_one_edit(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
	size_t at = 0;

	while (at < n && at < m && a[at] == b[at])
		at++;
	a += at, b += at, n -= at, m -= at;
	if (n == m + 1)
		return equal(a + 1, b, m);
	if (m == n + 1)
		return equal(a, b + 1, n);
	return n == m && n > 0 && (equal(a + 1, b + 1, n - 1) || (n > 1 && a[0] == b[1] && a[1] == b[0] && equal(a + 2, b + 2, n - 2)));
}

static bool
is_like(const struct fuzzy_word *w, struct span word)
{
	uint32_t letters[FUZZY_LETTERS_MOST + 1];
	size_t   n;

	if (w->letter_count < LETTERS_LEAST || word.len + 4 < w->bytes.len || word.len > w->bytes.len + 4)
		return false; /* a letter has at most four bytes */
	n = letters_of(word, letters, COUNT(letters));
	return n >= LETTERS_LEAST && is_one_edit(w->letters, w->letter_count, letters, n);
}

static bool
begins(struct span s, struct span with)
{
	return s.len >= with.len && memcmp(s.at, with.at, with.len) == 0;
}

unsigned
fuzzy_level(const struct fuzzy_word *w, struct span word)
{
	struct span wanted = w->bytes;

	if (span_equal(word, wanted))
		return FUZZY_SAME;
	if (wanted.len >= BYTES_LEAST && begins(word, wanted))
		return FUZZY_BEGINS;
	if (word.len >= STEM_LEAST && word.len + STEM_MORE >= wanted.len && begins(wanted, word))
		return FUZZY_STEM;
	if (wanted.len >= BYTES_LEAST && word.len > wanted.len && span_find_text(word, wanted) >= 0)
		return FUZZY_WITHIN;
	return is_like(w, word) ? FUZZY_ONE_EDIT : 0;
}

void
fuzzy_look(const struct fuzzy *f, struct span text, unsigned weight, unsigned char *levels)
{
	struct span word;

	while (next_word(&text, &word))
		for (size_t i = 0; i < f->count; i++) {
			unsigned level;

			if (levels[i] >= weight)
				continue;
			level = fuzzy_level(&f->word[i], word) * weight / 100;
			if (level > levels[i])
				levels[i] = (unsigned char)level;
		}
}

unsigned
fuzzy_score(const struct fuzzy *f, const unsigned char *levels)
{
	unsigned sum = 0;

	for (size_t i = 0; i < f->count; i++) {
		if (!levels[i])
			return 0;
		sum += levels[i];
	}
	return sum / (unsigned)f->count;
}

unsigned
fuzzy_weight(unsigned zone, unsigned asked)
{
	if ((asked & (asked - 1)) == 0 || zone & ZONE_SUBJECT)
		return 100;
	return zone & ZONE_FIELDS ? 90 : 80;
}
