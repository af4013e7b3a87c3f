/* SPDX-License-Identifier: ISC */
/*
 * segment.c - asking a segment (segment.h)
 */
#include "search/segment.h"

#include "base/little_endian.h"
#include "base/sum.h"
#include "search/fuzzy.h"
#include "search/segment_private.h"

enum { PARTS_MOST = 16 };       /* of a string, that are asked for */

uint32_t
segment_number(struct span s, size_t at)
{
	return (uint32_t)little_endian_take(s.at + at, 4);
}

bool
segment_separates(char c)
{
	return !(ascii_alpha(c) || ascii_digit(c) || (unsigned char)c >= 0x80 || c == '@' || c == '.' || c == '-' || c == '_' || c == '+');
}

static struct span
cut_off(struct span *rest, size_t len)
{
	struct span piece = span_first(*rest, len);

	*rest = span_from(*rest, len);
	return piece;
}

uint32_t
segment_word_start(const struct search_segment *g, size_t word)
{
	return segment_number(g->table, word * 8);
}

static uint32_t
postings_start(const struct search_segment *g, size_t word)
{
	return segment_number(g->table, word * 8 + 4);
}

uint32_t
search_segment_uid(const struct search_segment *g, size_t i)
{
	return segment_number(g->messages, i * 8);
}

static uint32_t
name_end(const struct search_segment *g, size_t i)
{
	return segment_number(g->messages, i * 8 + 4) & ~SEGMENT_LOOK;
}

bool
segment_must_look(const struct search_segment *g, size_t i)
{
	return segment_number(g->messages, i * 8 + 4) & SEGMENT_LOOK;
}

struct span
search_segment_base(const struct search_segment *g, size_t i)
{
	return span_cut(g->names, i ? name_end(g, i - 1) : 0, name_end(g, i));
}

static bool
is_in_order(const struct search_segment *g)
{
	for (size_t i = 0; i < g->count; i++) {
		uint32_t uid = search_segment_uid(g, i);

		if (uid < g->first || uid > g->last || (i && (uid <= search_segment_uid(g, i - 1) || name_end(g, i) < name_end(g, i - 1))))
			return false;
	}
	for (size_t i = 0; i <= g->word_count; i++)
		if (i ? segment_word_start(g, i) <= segment_word_start(g, i - 1) || postings_start(g, i) < postings_start(g, i - 1)
			: segment_word_start(g, 0) != 1 || postings_start(g, 0) != 0)
			return false;
	return segment_word_start(g, g->word_count) == g->words.len && postings_start(g, g->word_count) == g->postings.len
		&& (g->count == 0 || name_end(g, g->count - 1) == g->names.len) && g->words.at[0] == '\n';
}

bool
search_segment_open(struct span bytes, struct search_segment *out)
{
	struct search_segment g = {.bytes = bytes};
	struct span           rest = span_from(bytes, SEGMENT_HEADER);
	uint64_t              names, words, postings;

	if (bytes.len < SEGMENT_HEADER || bytes.len > SEGMENT_BYTES_MOST || !span_starts(bytes, SEGMENT_MAGIC)
		|| sum_bytes(span_from(bytes, SEGMENT_SUMMED)) != little_endian_take(bytes.at + 8, 8))
		return false;
	g.validity = segment_number(bytes, 16);
	g.first = segment_number(bytes, 20);
	g.last = segment_number(bytes, 24);
	g.count = segment_number(bytes, 28);
	g.word_count = segment_number(bytes, 32);
	names = segment_number(bytes, 36);
	words = segment_number(bytes, 40);
	postings = segment_number(bytes, 44);
	if (g.count > SEGMENT_MESSAGES_MOST || words == 0
		|| (uint64_t)g.count * 8 + names + ((uint64_t)g.word_count + 1) * 8 + words + postings != rest.len)
		return false;
	g.messages = cut_off(&rest, g.count * 8);
	g.names = cut_off(&rest, names);
	g.table = cut_off(&rest, ((size_t)g.word_count + 1) * 8);
	g.words = cut_off(&rest, words);
	g.postings = rest;
	if (!is_in_order(&g))
		return false;
	*out = g;
	return true;
}

bool
segment_posting(struct span *rest, size_t *message, bool first, unsigned *zones)
{
	size_t   distance = 0;
	unsigned shift = 0;

	for (;;) {
		unsigned char b;

		if (rest->len < 2 || shift > 21)
			return false;
		b = (unsigned char)rest->at[0];
		*rest = span_from(*rest, 1);
		distance |= (size_t)(b & 0x7f) << shift;
		shift += 7;
		if (!(b & 0x80))
			break;
	}
	*message = first ? distance : *message + distance;
	*zones = (unsigned char)rest->at[0];
	*rest = span_from(*rest, 1);
	return true;
}

struct span
segment_postings(const struct search_segment *g, size_t word)
{
	return span_cut(g->postings, postings_start(g, word), postings_start(g, word + 1));
}

/* The word that the byte at `offset` is of: this one or a later one, in most cases not much later. */
static size_t
word_at(const struct search_segment *g, size_t offset, size_t low)
{
	size_t step = 1, high;

	while (low + step < g->word_count && segment_word_start(g, low + step) <= offset) {
		low += step;
		step *= 2;
	}
	high = low + step < g->word_count ? low + step : g->word_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (segment_word_start(g, middle) <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Of `wanted` messages, which had `round` of the parts, those that have a word of this form, too: how many. */
static size_t
mark(const struct search_segment *g, struct span pattern, unsigned zones, unsigned char round, size_t wanted, unsigned char *have)
{
	size_t from = 0, skip = span_starts(pattern, "\n"), word = 0, marked = 0;

	while (g->word_count && marked < wanted) {
		ptrdiff_t   hit = span_find_text(span_from(g->words, from), pattern);
		struct span postings;
		size_t      message = 0;
		unsigned    in;

		if (hit < 0)
			break;
		word = word_at(g, from + (size_t)hit + skip, word);
		postings = segment_postings(g, word);
		for (bool first = true; segment_posting(&postings, &message, first, &in); first = false)
			if (message < g->count && in & zones && have[message] == round) {
				have[message] = round + 1;
				marked++;
			}
		from += (size_t)hit + 1;
		if (from < segment_word_start(g, word + 1) - 1)
			from = segment_word_start(g, word + 1) - 1;
	}
	return marked;
}

void
search_segment_ask(const struct search_segment *g, struct span string, unsigned zones, unsigned char *verdicts)
{
	autotext struct text pattern = {0};
	unsigned char        rounds = 0;
	size_t               at = 0, have = g->count;
	bool                 word = true;

	memset(verdicts, 0, g->count);
	while (at < string.len && rounds < PARTS_MOST) {
		size_t end = at;

		while (end < string.len && !segment_separates(string.at[end]))
			end++;
		word &= at == 0 && end == string.len;
		if (end > at) {
			text_clear(&pattern);
			if (at > 0)
				text_add_byte(&pattern, '\n');
			text_add(&pattern, span_cut(string, at, end));
			if (end < string.len)
				text_add_byte(&pattern, '\n');
			have = mark(g, text_span(&pattern), zones, rounds++, have, verdicts);
		}
		at = end + 1;
	}
	for (size_t i = 0; i < g->count; i++)
		verdicts[i] = segment_must_look(g, i) ? SEARCH_LOOK : verdicts[i] < rounds ? SEARCH_NO : word ? SEARCH_YES : SEARCH_LOOK;
}

/* What the words of the string find in one word: in the messages that have it. */
static void
raise_levels(const struct search_segment *g, const struct fuzzy *f, size_t word, const unsigned char *found, unsigned asked, unsigned char *levels)
{
	struct span postings = segment_postings(g, word);
	size_t      message = 0;
	unsigned    zones;

	for (bool first = true; segment_posting(&postings, &message, first, &zones); first = false) {
		unsigned char *of = levels + message * FUZZY_WORDS_MOST;
		unsigned       in = zones & asked, weight = 0;

		if (message >= g->count || !in)
			continue;
		for (unsigned zone = 1; zone <= in; zone <<= 1)
			if (in & zone && fuzzy_weight(zone, asked) > weight)
				weight = fuzzy_weight(zone, asked);
		for (size_t i = 0; i < f->count; i++)
			if (found[i] * weight / 100 > of[i])
				of[i] = (unsigned char)(found[i] * weight / 100);
	}
}

void
search_segment_like(const struct search_segment *g, const struct fuzzy *f, unsigned zones, unsigned char *verdicts, unsigned char *scores)
{
	autofree unsigned char *levels = mem_array(g->count + 1, FUZZY_WORDS_MOST);

	for (size_t word = 0; word < g->word_count; word++) {
		unsigned char found[FUZZY_WORDS_MOST] = {0};

		fuzzy_look(f, span_cut(g->words, segment_word_start(g, word), segment_word_start(g, word + 1) - 1), 100, found);
		for (size_t i = 0; i < f->count; i++)
			if (found[i]) {
				raise_levels(g, f, word, found, zones, levels);
				break;
			}
	}
	for (size_t i = 0; i < g->count; i++) {
		scores[i] = (unsigned char)fuzzy_score(f, levels + i * FUZZY_WORDS_MOST);
		verdicts[i] = segment_must_look(g, i) ? SEARCH_LOOK : scores[i] ? SEARCH_YES : SEARCH_NO;
	}
}
