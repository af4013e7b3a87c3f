/* SPDX-License-Identifier: ISC */
/*
 * fuzz_segment.c - any bytes are a segment or none; messages made of the input are found by exactly their strings
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/little_endian.h"
#include "base/sum.h"
#include "mail/charset.h"
#include "search/fuzzy.h"
#include "search/message.h"
#include "search/segment.h"

static bool
keep_odd(void *context, uint32_t uid, struct span base)
{
	(void)context;
	(void)base;
	return uid & 1;
}

/* Hostile bytes under a right checksum. */
static void
try_bytes(struct span in)
{
	autotext struct text   bytes = {0};
	struct search_segment  g;
	unsigned char         *verdicts, *scores;
	struct search_builder *b;
	struct fuzzy           fuzzy;

	text_add(&bytes, in);
	if (bytes.len >= 48) {
		memcpy(bytes.at, "PSTSRCH2", 8);
		little_endian_put(bytes.at + 8, sum_bytes(span_from(text_span(&bytes), 16)), 8);
	}
	if (!search_segment_open(text_span(&bytes), &g))
		return;
	verdicts = mem_alloc(g.count + 1);
	scores = mem_alloc(g.count + 1);
	search_segment_ask(&g, SPAN("A"), ZONE_TEXT, verdicts);
	search_segment_ask(&g, SPAN("B C"), ZONE_BODY, verdicts);
	search_segment_ask(&g, SPAN(" "), ZONE_BODY, verdicts);
	if (fuzzy_parse(SPAN("A BCDE"), &fuzzy))
		search_segment_like(&g, &fuzzy, ZONE_TEXT, verdicts, scores);
	b = search_builder_new();
	search_builder_segment(b, &g, keep_odd, NULL);
	search_builder_free(b);
	free(scores);
	free(verdicts);
}

/* The index and a look into the text come to the same score. */
static void
try_alike(const struct search_segment *g, const struct span *line, size_t count)
{
	struct fuzzy  f;
	unsigned char verdicts[64], scores[64];

	if (!count || !fuzzy_parse(span_first(line[0], 60), &f))
		return;
	search_segment_like(g, &f, ZONE_TEXT, verdicts, scores);
	for (size_t i = 0; i < count; i++) {
		unsigned char levels[FUZZY_WORDS_MOST] = {0};

		fuzzy_look(&f, line[i], fuzzy_weight(i & 1 ? ZONE_BODY : ZONE_SUBJECT, ZONE_TEXT), levels);
		assert(verdicts[i] == SEARCH_LOOK || scores[i] == fuzzy_score(&f, levels));
		assert((verdicts[i] == SEARCH_YES) == (scores[i] > 0) || verdicts[i] == SEARCH_LOOK);
	}
}

/* Lines of the input are messages; pieces of the first one are asked for in all. */
static void
try_messages(struct span in)
{
	struct search_builder *b = search_builder_new();
	autotext struct text   bytes = {0};
	struct search_segment  g;
	struct span            line[64], rest = in;
	unsigned char          verdicts[64];
	size_t                 count = 0;

	while (count < COUNT(line) && rest.len) {
		struct search_piece piece;

		span_split(&rest, '\n', &line[count]);
		piece = (struct search_piece){.zone = count & 1 ? ZONE_BODY : ZONE_SUBJECT, .text = line[count]};
		search_builder_message(b, (uint32_t)count + 7, SPAN("base"));
		search_builder_piece(b, &piece);
		count++;
	}
	search_builder_write(b, 5, 1, 100, &bytes);
	assert(search_segment_open(text_span(&bytes), &g) && g.count == count && g.validity == 5);
	try_alike(&g, line, count);
	for (size_t from = 0; count && from < line[0].len && from < 40; from++)
		for (size_t len = 1; len < 12 && from + len <= line[0].len; len++) {
			struct span string = span_cut(line[0], from, from + len);

			search_segment_ask(&g, string, ZONE_BODY, verdicts);
			for (size_t i = 0; i < count; i++) {
				bool there = i & 1 && span_find_text(line[i], string) >= 0;

				assert(there ? verdicts[i] != SEARCH_NO : verdicts[i] != SEARCH_YES);
			}
		}
	search_builder_free(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = size ? span_at(data, size) : SPAN_NONE;

	try_bytes(in);
	try_messages(in);
	return 0;
}
