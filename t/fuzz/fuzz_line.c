/* SPDX-License-Identifier: ISC */
/*
 * fuzz_line.c - line ends: the same for every cut; nothing bare goes out; what is sent is received
 */
#include "fuzz.h"

#include "mail/line.h"

/* No CR without LF, no LF without CR, no line longer than limit. */
static void
assert_clean(struct span s, size_t limit)
{
	size_t column = 0;

	for (size_t i = 0; i < s.len; i++, column++) {
		if (s.at[i] == '\r')
			assert(i + 1 < s.len && s.at[i + 1] == '\n');
		if (s.at[i] == '\n') {
			assert(i > 0 && s.at[i - 1] == '\r');
			assert(limit == 0 || column <= limit + 2);       /* a stuffed dot does not count */
			column = (size_t)-1;
		}
	}
}

static size_t
decode(struct span in, size_t cut, struct line_decoder *d, struct text *out)
{
	size_t used;

	line_decoder_start(d, BARE_NEWLINE_NORMALIZE);
	used = line_decode(d, span_first(in, cut), out);
	return d->over ? used : used + line_decode(d, span_from(in, cut), out);
}

static void
encode(struct span in, size_t cut, size_t limit, struct text *out)
{
	struct line_encoder e;

	line_encoder_start(&e, true, limit);
	line_encode(&e, span_first(in, cut), out);
	line_encode(&e, span_from(in, cut), out);
	line_encode_end(&e, out);
}

static void
to_unix(struct span in, size_t cut, struct text *out)
{
	struct line_unix u;

	line_unix_start(&u, true);
	line_unix_feed(&u, span_first(in, cut), out);
	line_unix_feed(&u, span_from(in, cut), out);
	line_unix_end(&u, true, out);
}

static void
try_smuggling(struct span in, size_t used, bool over)
{
	ptrdiff_t end = span_find_text(in, SPAN("\r\n.\r\n"));

	if (span_starts(in, ".\r\n"))       /* the command's own line end stands before */
		assert(over && used == 3);
	else if (end < 0)
		assert(!over);
	else
		assert(over && used == (size_t)end + 5);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span          in = size ? span_at(data + 1, size - 1) : SPAN_NONE;
	size_t               cut = size ? data[0] : 0, limit = cut % 3 ? 0 : 2 + cut % 50;
	autotext struct text whole = {0}, parts = {0}, back = {0};
	struct line_decoder  d, again;
	size_t               used = decode(in, in.len, &d, &whole);

	try_smuggling(in, used, d.over);
	assert(decode(in, cut, &again, &parts) == used && again.over == d.over &&
	       again.bare_lf == d.bare_lf);
	assert(span_equal(text_span(&whole), text_span(&parts)) && d.bytes == whole.len);
	if (d.over)
		assert_clean(text_span(&whole), 0);

	text_clear(&whole);
	text_clear(&parts);
	encode(in, in.len, limit, &whole);
	encode(in, cut, limit, &parts);
	assert(span_equal(text_span(&whole), text_span(&parts)));
	assert_clean(text_span(&whole), limit);
	assert(decode(text_span(&whole), whole.len, &d, &back) == whole.len && d.over &&
	       d.bare_lf + d.bare_cr == 0);
	text_clear(&parts);
	encode(text_span(&back), back.len, limit, &parts);
	assert(span_equal(text_span(&whole), text_span(&parts)));

	text_clear(&whole);
	text_clear(&parts);
	to_unix(in, in.len, &whole);
	to_unix(in, cut, &parts);
	assert(span_equal(text_span(&whole), text_span(&parts)));
	assert(span_find_text(text_span(&whole), SPAN("\r\n")) < 0 ||
	       span_find_text(in, SPAN("\r\r\n")) >= 0 || span_ends(in, "\r"));
	assert(!span_starts(text_span(&whole), "From ") &&
	       span_find_text(text_span(&whole), SPAN("\nFrom ")) < 0);
	assert(line_crlf_size(in) <= 2 * in.len);
	return 0;
}
