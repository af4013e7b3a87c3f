/* SPDX-License-Identifier: ISC */
/*
 * fuzz_mime_stream.c - any message, in any cut: without a rule it is what it was; converted once it
 * needs no second conversion; and the cut does not show
 */
#include "fuzz.h"

#include "mail/mime_stream.h"

static void
walk(struct mime_stream *s, struct span in, size_t step, struct text *out)
{
	while (in.len) {
		mime_stream_feed(s, span_first(in, step), out);
		in = span_from(in, step);
	}
	mime_stream_end(s, out);
	mime_stream_free(s);
}

static void
normal(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] == '\r' && i + 1 < in.len && in.at[i + 1] == '\n')
			continue;
		if (in.at[i] == '\n')
			text_add_byte(out, '\r');
		text_add_byte(out, in.at[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_stream_settings set = {.nesting_limit = 5};
	struct mime_survey          v = {0}, again = {0};
	autotext struct text        plain = {0}, want = {0}, one = {0}, two = {0};
	struct span                 in = span_at(data, size);

	if (size == 0 || size > 60000)
		return 0;
	walk(mime_stream_start(&set), in, size, &plain);
	normal(in, &want);
	if (plain.len == want.len + 2) /* a header that ends with the message gets its line end */
		text_add(&want, SPAN("\r\n"));
	assert(span_equal(text_span(&plain), text_span(&want)));
	walk(mime_stream_survey(&set, &v), in, 7, NULL);
	set.convert = &v;
	walk(mime_stream_start(&set), in, size, &one);
	walk(mime_stream_start(&set), in, 1 + data[0] % 9, &two);
	assert(span_equal(text_span(&one), text_span(&two)));
	set.convert = NULL;
	walk(mime_stream_survey(&set, &again), text_span(&one), size, NULL);
	assert(!again.eight_bit);
	if (!v.eight_bit)
		assert(span_equal(text_span(&one), text_span(&plain)));
	mime_survey_free(&v);
	mime_survey_free(&again);
	return 0;
}
