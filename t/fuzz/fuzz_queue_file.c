/* SPDX-License-Identifier: ISC */
/*
 * fuzz_queue_file.c - any bytes, as a queue file: refused, or read within its bounds
 *
 * A mutation hardly ever has the right sums, so the sums are made right first:
 * only then the parsers behind them see anything.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "queue/crc32.h"
#include "queue/queue_private.h"

static const char id[] = "4gHb2X1Qzkz3D9f";

static void
walk(struct queue_file *f, int64_t size)
{
	autoarena struct arena      *arena = arena_new();
	const struct queue_envelope *e = queue_file_envelope(f);
	struct queue_rcpt            r;
	struct queue_event           event;
	int64_t                      at, count = 0;

	for (size_t i = 0; i < e->content.n_pieces; i++)
		assert(e->content.pieces[i].at + e->content.pieces[i].len <= size);
	for (at = queue_file_rcpt_first(f); queue_file_rcpt(f, at, arena, &r, NULL) == 1;
	     at = r.next)
		count++;
	assert(count == queue_file_rcpt_count(f));
	for (at = 0; queue_journal_next(f, &at, arena, &event, NULL) == 1;)
		assert(at <= size);
}

/* data: four bytes say where the areas begin, the rest are the bytes behind the head. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct queue_head  h = {.created_us = 1};
	struct queue_file *f;
	char               block[QUEUE_CONTENT_AT];
	int                fd;
	int64_t            rest = (int64_t)size - 4;

	if (size < 4 || (fd = memfd_create("fuzz", MFD_CLOEXEC)) < 0)
		return 0;
	memcpy(h.id, id, sizeof id);
	h.envelope_at = QUEUE_CONTENT_AT + (data[0] <= rest ? data[0] : 0);
	h.content_length = h.envelope_at - QUEUE_CONTENT_AT;
	h.rcpts_at = h.envelope_at + data[1];
	h.journal_at = h.rcpts_at + data[2];
	h.rcpt_count = data[3];
	if (h.journal_at <= QUEUE_CONTENT_AT + rest) {
		autotext struct text envelope = {0};
		struct queue_rcpt    r;

		text_add(&envelope, span_at(data + 4 + h.envelope_at - QUEUE_CONTENT_AT,
		                            (size_t)(h.journal_at - h.envelope_at)));
		for (size_t at = (size_t)(h.rcpts_at - h.envelope_at); at < envelope.len;) {
			ptrdiff_t len = queue_rcpt_parse(span_from(text_span(&envelope), at), &r);

			if (len < 0)
				break;
			envelope.at[at] = RCPT_TODO;
			at += (size_t)len;
		}
		h.envelope_sum = crc32_add(crc32_add(0, span_of(id)), text_span(&envelope));
	}
	queue_head_print(&h, block);
	assert(file_write_at(fd, span_at(block, sizeof block), 0, NULL) == 0);
	assert(file_write_at(fd, span_at(data + 4, (size_t)rest), QUEUE_CONTENT_AT, NULL) == 0);
	if (queue_file_read(fd, id, &f, NULL) == 0) {
		walk(f, QUEUE_CONTENT_AT + rest);
		queue_file_close(f);
	} else
		close(fd);
	/* and as a head block by itself */
	if (size >= QUEUE_CONTENT_AT)
		queue_head_parse((const char *)data, &h, NULL);
	return 0;
}
