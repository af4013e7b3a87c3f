/* SPDX-License-Identifier: ISC */
/*
 * fuzz_header.c - header fields tile the header; what the writer takes is one field again; dates
 */
#include "fuzz.h"

#include "mail/date.h"
#include "mail/header.h"
#include "mail/message_id.h"

static void
try_walk(struct span in)
{
	struct header_field f;
	size_t              at = 0, before = 0, end;

	while (header_next(in, &at, &f)) {
		assert(f.start == before && f.end == at && at > before && at <= in.len);
		assert(f.name.len == 0 || header_line_is_field(span_cut(in, f.start, f.end)));
		before = at;
	}
	assert(at >= before && at - before <= 2 && at <= in.len);
	assert(header_body_offset(in, &end) == at && end == before);
}

static void
try_write(struct span value)
{
	autotext struct text one = {0}, folded = {0}, raw = {0};
	struct header_field  f;
	size_t               at = 0;

	if (header_add(&one, "X-Test", value, NULL) == 0) {
		assert(header_next(text_span(&one), &at, &f) && at == one.len &&
		       span_equal(f.value, span_trim(value)));
		assert(header_add_folded(&folded, "X-Test", value, NULL) == 0);
		at = 0;
		assert(header_next(text_span(&folded), &at, &f) && at == folded.len &&
		       span_is(f.name, "X-Test"));
	} else {
		assert(one.len == 0);
	}
	at = 0;
	if (header_add_raw(&raw, "X-Test", value, NULL) == 0)
		assert(header_next(text_span(&raw), &at, &f) && at == raw.len);
	else
		assert(raw.len == 0);
	header_quote_phrase(value, &raw);
}

static void
try_date(struct span in)
{
	autotext struct text mail = {0}, imap = {0};
	struct date d, again;
	int64_t     day;

	if (date_parse_imap_day(in, &day))
		assert(in.len <= 13);
	if (date_parse_imap(in, &d)) {
		date_add_imap(d, &imap);
		assert(date_parse_imap(text_span(&imap), &again) && again.seconds == d.seconds &&
		       again.zone == d.zone);
	}
	if (!date_parse(in, &d))
		return;
	date_add(d, &mail);
	assert(date_parse(text_span(&mail), &again) && again.seconds == d.seconds &&
	       again.zone == d.zone);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = size ? span_at(data, size) : SPAN_NONE, id = message_id_find(in);

	try_walk(in);
	try_write(in);
	try_date(in);
	assert(id.len <= in.len);
	return 0;
}
