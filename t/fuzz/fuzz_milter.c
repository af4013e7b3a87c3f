/* SPDX-License-Identifier: ISC */
/*
 * fuzz_milter.c - what a milter may send: refused, or within bounds; its texts make no second SMTP reply
 */
#include "fuzz.h"
#include "milter/packet.h"

static void
check_text(struct span raw)
{
	autotext struct text text = {0};
	struct span          rest, line;
	bool                 more = true;

	if (milter_reply_text(raw, raw.len & 1, &text, NULL) < 0)
		return;
	rest = text_span(&text);
	while (more) {
		more = span_split(&rest, '\n', &line);
		assert(line.len >= 4 && (line.at[0] == '4' || line.at[0] == '5') && line.at[3] == (more ? '-' : ' '));
		assert(!more || line.at[line.len - 1] == '\r');
		for (size_t i = 0; i < line.len - more; i++)
			assert((unsigned char)line.at[i] >= 32 && line.at[i] != 127);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span         packet = span_at(data, size), names;
	struct milter_reply r;
	uint32_t            stage;

	check_text(packet);
	if (milter_reply_parse(packet, &r, NULL) < 0)
		return 0;
	assert(r.first.len + r.second.len < size && *milter_reply_name(r.code));
	assert(r.code == REPLY_BODY || r.code == REPLY_OPTIONS || (!span_has(r.first, '\0') && !span_has(r.second, '\0')));
	check_text(r.first);
	while (r.code == REPLY_OPTIONS && milter_macros_next(&r.first, &stage, &names, NULL) > 0)
		assert(names.len < size);
	return 0;
}
