/* SPDX-License-Identifier: ISC */
/*
 * queue_journal.c - the append-only end of a queue file
 *
 * A record is 'J', length (4, big-endian), sum (4), payload; the sum begins
 * with the queue id.  The first record that is not whole is the end: what a
 * power cut tore is cut off before the next one is added.
 */
#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "queue/crc32.h"
#include "queue/queue_file_private.h"

enum { RECORD_HEAD = 9, PAYLOAD_MAX = 16384 };

static void
put_number(char *to, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(n >> (24 - 8 * i));
}

static uint32_t
get_number(const char *from)
{
	const unsigned char *n = (const unsigned char *)from;

	return (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
}

static uint32_t
payload_sum(const struct queue_file *f, struct span payload)
{
	return crc32_add(crc32_add(0, span_of(f->head.id)), payload);
}

/* Up to `len` bytes; fewer at the end of the file. */
static int
read_some(int fd, char *to, size_t len, int64_t at, size_t *got, struct fault *why)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(fd, to + *got, len - *got, at + (int64_t)*got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "read journal");
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

/* 1: a whole record, its payload in the arena; 0: no record. */
static int
read_record(struct queue_file *f, int64_t at, struct arena *arena, struct span *payload,
            struct fault *why)
{
	char     head[RECORD_HEAD], *bytes;
	size_t   got, len;

	if (read_some(f->fd, head, sizeof head, at, &got, why) < 0)
		return -1;
	len = get_number(head + 1);
	if (got < sizeof head || head[0] != 'J' || len == 0 || len > PAYLOAD_MAX)
		return 0;
	bytes = arena_alloc(arena, len);
	if (read_some(f->fd, bytes, len, at + RECORD_HEAD, &got, why) < 0)
		return -1;
	*payload = span_at(bytes, len);
	return got == len && payload_sum(f, *payload) == get_number(head + 5);
}

int
queue_journal_next(struct queue_file *f, int64_t *at, struct arena *arena, struct queue_event *e,
                   struct fault *why)
{
	assert(f->magic == FILE_MAGIC);
	if (*at < f->head.journal_at)
		*at = f->head.journal_at;
	for (;;) {
		struct span payload;
		int         got = read_record(f, *at, arena, &payload, why);

		if (got <= 0)
			return got;
		*at += RECORD_HEAD + (int64_t)payload.len;
		if (queue_event_parse(payload, e))
			return 1; /* a kind that we do not know is passed over */
	}
}

static int
find_end(struct queue_file *f, struct fault *why)
{
	int64_t     at = f->head.journal_at;
	struct stat st;

	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct span             payload;
		int                     got = read_record(f, at, arena, &payload, why);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		at += RECORD_HEAD + (int64_t)payload.len;
	}
	if (fstat(f->fd, &st) < 0)
		return fault_errno(why, "stat journal");
	if (st.st_size > at && ftruncate(f->fd, at) < 0)
		return fault_errno(why, "cut journal");
	f->journal_end = at;
	return 0;
}

int
queue_journal_add(struct queue_file *f, const struct queue_event *e, struct fault *why)
{
	autotext struct text record = {0};
	struct span          payload;

	assert(f->magic == FILE_MAGIC && f->writable);
	if (f->journal_end < 0 && find_end(f, why) < 0)
		return -1;
	text_add(&record, SPAN("J\0\0\0\0\0\0\0\0"));
	queue_event_print(e, &record);
	payload = span_from(text_span(&record), RECORD_HEAD);
	assert(payload.len <= PAYLOAD_MAX);
	put_number(record.at + 1, (uint32_t)payload.len);
	put_number(record.at + 5, payload_sum(f, payload));
	if (fault_point("queue.journal.before", why) < 0 ||
	    file_write_at(f->fd, text_span(&record), f->journal_end, why) < 0) {
		f->journal_end = -1; /* half a record may be there: look again */
		return fault_prefix(why, "%s: journal", f->head.id);
	}
	f->journal_end += (int64_t)record.len;
	(void)fault_point("queue.journal.after", NULL);
	return 0;
}
