/* SPDX-License-Identifier: ISC */
/*
 * fuzz_encoding.c - encoded words, quoted-printable, charsets: valid UTF-8 comes out, round trips hold
 */
#include "fuzz.h"

#include "mail/charset.h"
#include "mail/encoded_word.h"
#include "mail/quoted_printable.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const charsets[] = {"utf-8",        "us-ascii",    "iso-8859-1",
	                                       "windows-1252", "iso-2022-jp", "utf-7",
	                                       "utf-16",       "koi8-r"};
	struct span          in = size ? span_at(data, size) : SPAN_NONE;
	autotext struct text out = {0}, back = {0};

	encoded_word_decode(in, &out);
	assert(utf8_valid(text_span(&out)));
	if (utf8_valid(in)) {
		text_clear(&out);
		encoded_word_encode(in, &out);
		assert(span_is_ascii(text_span(&out)));
		encoded_word_decode(text_span(&out), &back);
		assert(span_equal(text_span(&back), in));
	}
	text_clear(&out);
	text_clear(&back);
	quoted_printable_decode(in, &out);
	assert(out.len <= in.len);
	text_clear(&out);
	quoted_printable_encode(in, &out);
	quoted_printable_decode(text_span(&out), &back);
	if (!span_has(in, '\n'))
		assert(span_equal(text_span(&back), in));
	for (size_t i = 0; i < COUNT(charsets); i++) {
		text_clear(&out);
		assert(charset_to_utf8(span_of(charsets[i]), in, &out));
		assert(utf8_valid(text_span(&out)));
	}
	text_clear(&out);
	(void)charset_to_utf8(span_first(in, 20), in, &out);
	assert(utf8_valid(text_span(&out)));
	return 0;
}
