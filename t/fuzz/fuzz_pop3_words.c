/* SPDX-License-Identifier: ISC */
/*
 * fuzz_pop3_words.c - LANG says nothing that it was told, in one line or its listing; what was read of postern.pop3
 * is written the same
 */
#include "fuzz.h"

#include <zlib.h>

#include "language.h"
#include "mail/charset.h"
#include "surrogate.h"

static void
try_file(struct span in)
{
	autotext struct text out = {0};
	struct surrogates    s, again;

	if (!surrogates_parse(in, 7, &s)) {
		assert(!s.count);
		return;
	}
	surrogates_print(&s, 7, &out);
	assert(surrogates_parse(text_span(&out), 7, &again));
	assert(again.count == s.count);
	for (size_t i = 0; i < s.count; i++) {
		const struct looked *a = surrogates_find(&s, again.runs[i].first), *b = surrogates_find(&again, s.runs[i].last);

		assert(a == &s.runs[i].found && b == &again.runs[i].found);
		assert(a->form == b->form && a->open == b->open && a->size == b->size);
	}
	surrogates_free(&s);
	surrogates_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autotext struct text answer = {0}, file = {0};
	struct span          in = span_at(data, size);

	language_answer(in, &answer);
	assert(span_starts(text_span(&answer), "+OK ") || span_starts(text_span(&answer), "-ERR "));
	assert(span_is_ascii(text_span(&answer)) && (!size || !span_has(text_span(&answer), '\n')));
	try_file(in);
	/* Hostile runs under a right sum. */
	text_add_format(&file, "e 7 %lu\n", (unsigned long)crc32(0, data, (uInt)size));
	text_add(&file, in);
	try_file(text_span(&file));
	return 0;
}
