/* SPDX-License-Identifier: ISC */
/*
 * fuzz_table.c - texts of tables: postmap, aliases, and pattern rules
 */
#include "table/pattern.h"
#include "table/source.h"

#include "fuzz.h"

static int
pair(void *context, int line, struct span key, struct span value, struct fault *why)
{
	(void)context, (void)why;
	assert(line > 0 && key.len > 0 && value.len > 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source_reader reader = {.pair = pair};
	struct span          in = span_at(data, size);
	bool                 posix = size & 1;
	struct rules         r = {.free_pattern = pattern_free};
	autotext struct text out = {0};

	source_read(in, SOURCE_POSTMAP, &reader, NULL);
	source_read(in, SOURCE_ALIASES, &reader, NULL);
	rules_parse_text(NULL, in, &r, pattern_parse, &posix, NULL);
	for (size_t i = 0; i < r.count; i++)
		assert(!r.rule[i].is_if || (r.rule[i].skip > i && r.rule[i].skip <= r.count));
	pattern_find(&r, span_first(in, 200), &out, NULL);
	rules_free(&r);
	return 0;
}
