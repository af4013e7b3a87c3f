/* SPDX-License-Identifier: ISC */
/* fuzz_markup.c - words of markup are valid UTF-8, no longer than it, without doubled blanks */
#include "fuzz.h"

#include "mail/charset.h"
#include "search/markup.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autotext struct text utf8 = {0}, out = {0};

	charset_to_utf8(SPAN("utf-8"), size ? span_at(data, size) : SPAN_NONE, &utf8);
	markup_text(text_span(&utf8), &out);
	assert(out.len <= utf8.len && utf8_valid(text_span(&out)));
	assert(span_find_text(text_span(&out), SPAN("  ")) < 0 && span_find_text(text_span(&out), SPAN("\n\n")) < 0);
	assert(!span_has(text_span(&out), '\r') && !span_has(text_span(&out), '\t'));
	return 0;
}
