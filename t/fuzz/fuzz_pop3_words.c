/* SPDX-License-Identifier: ISC */
/*
 * fuzz_pop3_words.c - LANG says nothing that it was told, in one line or its listing; what was read of postern.pop3
 * is written the same
 */
#include "fuzz.h"

#include "language.h"
#include "mail/charset.h"
#include "surrogate.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autotext struct text answer = {0}, out = {0};
	struct span          in = span_at(data, size);
	struct surrogates    s, again;

	language_answer(in, &answer);
	assert(span_starts(text_span(&answer), "+OK ") || span_starts(text_span(&answer), "-ERR "));
	assert(span_is_ascii(text_span(&answer)) && (!size || !span_has(text_span(&answer), '\n')));
	if (!surrogates_parse(in, 7, &s)) {
		assert(!s.count && !s.looked_to);
		return 0;
	}
	surrogates_print(&s, 7, &out);
	assert(surrogates_parse(text_span(&out), 7, &again));
	assert(again.count == s.count && again.looked_to == s.looked_to);
	for (size_t i = 0; i < s.count; i++)
		assert(surrogates_find(&s, again.sizes[i].uid)->size == again.sizes[i].size);
	surrogates_free(&s);
	surrogates_free(&again);
	return 0;
}
