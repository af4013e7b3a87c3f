/* SPDX-License-Identifier: ISC */
/*
 * fuzz_postfix_queue.c - any bytes, as a queue file of Postfix and as one of its logs
 *
 * What is taken has a content of the size that was told, and no more recipients than records.
 */
#include "fuzz.h"
#include "queue/postfix_queue.h"

static void
as_log(struct span in)
{
	struct postfix_reason r;

	while (postfix_reason_next(&in, &r)) {
		autotext struct text  once = {0};
		struct postfix_reason again;
		struct span           rest;

		assert(r.recipient.len > 0 && r.at >= 0 && r.notify >= 0 && r.notify < 16);
		postfix_reason_print(&r, &once);
		rest = text_span(&once);
		assert(postfix_reason_next(&rest, &again) && again.at == r.at && again.reason.len == r.reason.len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span             in = span_at(data, size), part;
	autoarena struct arena *arena = arena_new();
	struct postfix_message  m;
	struct postfix_content  c = {0};
	int64_t                 total = 0;
	bool                    ends;
	int                     got;

	as_log(in);
	if (postfix_message_parse(in, arena, &m, NULL) < 0)
		return 0;
	assert(m.n_rcpts > 0 && m.n_rcpts <= size && m.content_at > 0 && m.content_size <= (int64_t)size);
	for (size_t i = 0; i < m.n_rcpts; i++)
		assert(m.rcpts[i].address.len > 0 && m.rcpts[i].at < (int64_t)size && m.rcpts[i].notify < 16);
	c.at = m.content_at;
	while ((got = postfix_content_next(in, &c, &part, &ends, NULL)) == 1)
		total += (int64_t)part.len + ends;
	assert(got == 0 && total == m.content_size);
	return 0;
}
