/* SPDX-License-Identifier: ISC */
/*
 * fuzz_filename.c - Maildir file names and mailbox names
 *
 * What was formatted parses back to the same; what decodes encodes back.
 */
#include "../fuzz/fuzz.h"

#include "store/filename.h"
#include "store/mutf7.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span          in = span_at(data, size);
	struct file_name     first, second;
	autotext struct text name = {0}, utf8 = {0}, again = {0};

	file_name_parse(in, &first);
	file_name_format(&first, first.flags, first.keywords, &name);
	file_name_parse(text_span(&name), &second);
	assert(first.flags == second.flags && first.keywords == second.keywords);
	assert(span_equal(first.base, second.base));
	if (mutf7_decode(in, &utf8, NULL) == 0) {
		assert(mutf7_encode(text_span(&utf8), &again, NULL) == 0);
		assert(span_equal(text_span(&again), in));
	}
	return 0;
}
