/* SPDX-License-Identifier: ISC */
/*
 * fuzz_managesieve.c - any line of a ManageSieve client; what is told in quotes is read back the same
 */
#include "fuzz.h"

#include "manage_words.h"
#include "mail/charset.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    told = {0};
	struct manage_command   c = {.count = 0}, again = {.count = 0};
	struct span             in = span_at(data, size);
	struct fault            why = {0};
	int64_t                 literal;

	if (manage_words(arena, in, &c, &literal, &why) == 0)
		assert(c.count <= MANAGE_WORDS_MAX && literal >= -1 && literal <= INT32_MAX);
	else
		assert(fault_text(&why)[0]);
	manage_add_string(in, &told);
	if (told.at[0] == '"' && utf8_valid(in)) {
		assert(manage_words(arena, text_span(&told), &again, &literal, &why) == 0);
		assert(again.count == 1 && again.words[0].kind == MANAGE_STRING && span_equal(again.words[0].text, in));
	}
	return 0;
}
