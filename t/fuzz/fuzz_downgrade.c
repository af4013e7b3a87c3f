/* SPDX-License-Identifier: ISC */
/*
 * fuzz_downgrade.c - any field: what comes out is ASCII, a field by itself, not many times as long, and needs no second
 * time; any message: the cut does not show, and one that says it did not change was not
 */
#include "fuzz.h"

#include "mail/charset.h"
#include "mail/downgrade.h"
#include "mail/header.h"

static void
one_field(struct span field)
{
	autotext struct text out = {0}, again = {0};
	struct header_field  f;
	size_t               at = 0;

	if (!downgrade_field(field, &out))
		return;
	assert(out.len <= DOWNGRADE_TIMES * field.len + DOWNGRADE_MORE);
	assert(span_is_ascii(text_span(&out)));
	assert(header_next(text_span(&out), &at, &f) && f.name.len && at == out.len);
	text_cut(&out, out.len - 2);
	assert(!downgrade_field(text_span(&out), &again));
}

static bool
walk(struct span in, size_t step, struct text *out)
{
	bool                changed = false;
	struct mime_stream *s = downgrade_start(&changed);

	while (in.len) {
		mime_stream_feed(s, span_first(in, step), out);
		in = span_from(in, step);
	}
	mime_stream_end(s, out);
	mime_stream_free(s);
	return changed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autotext struct text one = {0}, two = {0}, three = {0};
	struct span          in = span_at(data, size);
	struct header_field  f;

	if (size == 0 || size > 60000)
		return 0;
	for (size_t at = 0; header_next(in, &at, &f);)
		one_field(span_trim(span_cut(in, f.start, f.end)));
	walk(in, size, &one);
	walk(in, 1 + data[0] % 9, &two);
	assert(span_equal(text_span(&one), text_span(&two)));
	assert(!walk(text_span(&one), one.len, &three));
	assert(span_equal(text_span(&one), text_span(&three)));
	return 0;
}
