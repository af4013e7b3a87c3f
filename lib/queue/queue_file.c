/* SPDX-License-Identifier: ISC */
/*
 * queue_file.c - reading a message, and marking its recipients
 */
#include "queue/queue_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "queue/crc32.h"
#include "queue/queue_file_private.h"

enum { WINDOW = 65536 };

void
queue_file_close(struct queue_file *f)
{
	if (!f)
		return;
	assert(f->magic == FILE_MAGIC);
	if (f->fd >= 0)
		close(f->fd);
	message_content_free(&f->envelope.content);
	text_free(&f->attributes);
	text_free(&f->window);
	f->magic = 0;
	free(f);
}

/* The bytes from `at` on that lie in [.., end), as many as the window holds: at least one whole record. */
static int
look(struct queue_file *f, int64_t at, struct span *out, struct fault *why)
{
	int64_t behind = f->window_at + (int64_t)f->window.len;
	int64_t want = f->head.journal_at - at < WINDOW ? f->head.journal_at - at : WINDOW;

	if (at < f->window_at || at >= behind ||
	    (behind - at < RCPT_RECORD_MAX && behind < f->head.journal_at)) {
		text_clear(&f->window);
		if (file_read_at(f->fd, text_room(&f->window, (size_t)want), (size_t)want, at,
		                 why) < 0)
			return -1;
		f->window.len = (size_t)want;
		f->window_at = at;
	}
	*out = span_from(text_span(&f->window), (size_t)(at - f->window_at));
	return 0;
}

static int
look_rcpt(struct queue_file *f, int64_t at, struct queue_rcpt *r, struct fault *why)
{
	struct span bytes;
	ptrdiff_t   len;

	if (look(f, at, &bytes, why) < 0)
		return -1;
	len = queue_rcpt_parse(bytes, r);
	if (len < 0)
		return fault_set(why, FAULT_INPUT, "malformed recipient");
	r->at = at;
	r->next = at + len;
	return 0;
}

/* One pass over all recipients, in a window: the count and the sum are right. */
static int
check_rcpts(struct queue_file *f, uint32_t sum, struct fault *why)
{
	int64_t at = f->head.rcpts_at, count = 0;

	for (; at < f->head.journal_at; count++) {
		struct queue_rcpt r;
		char              todo = RCPT_TODO;

		if (look_rcpt(f, at, &r, why) < 0)
			return -1;
		sum = crc32_add(sum, span_at(&todo, 1));
		sum = crc32_add(sum,
		                span_cut(text_span(&f->window), (size_t)(at - f->window_at) + 1,
		                         (size_t)(r.next - f->window_at)));
		at = r.next;
	}
	if (count != f->head.rcpt_count || sum != f->head.envelope_sum)
		return fault_set(why, FAULT_INPUT, "envelope with a wrong checksum");
	return 0;
}

static int
read_attributes(struct queue_file *f, uint32_t *sum, struct fault *why)
{
	size_t len = (size_t)(f->head.rcpts_at - f->head.envelope_at);

	if (file_read_at(f->fd, text_room(&f->attributes, len), len, f->head.envelope_at, why) < 0)
		return -1;
	f->attributes.len = len;
	*sum = crc32_add(*sum, text_span(&f->attributes));
	if (queue_attributes_parse(text_span(&f->attributes), &f->envelope, why) < 0)
		return -1;
	for (size_t i = 0; i < f->envelope.content.n_pieces; i++) {
		const struct piece *p = &f->envelope.content.pieces[i];

		if (p->at < QUEUE_CONTENT_AT || p->at > f->head.envelope_at ||
		    p->len > f->head.envelope_at - p->at)
			return fault_set(why, FAULT_INPUT, "a piece lies outside of the message");
	}
	return 0;
}

static int
read_whole(struct queue_file *f, const char *id, struct fault *why)
{
	autofree char *block = mem_alloc(QUEUE_CONTENT_AT);
	struct stat    st;
	uint32_t       sum;

	if (fstat(f->fd, &st) < 0)
		return fault_errno(why, "stat");
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_INPUT, "not a regular file");
	if (file_read_at(f->fd, block, QUEUE_CONTENT_AT, 0, why) < 0 ||
	    queue_head_parse(block, &f->head, why) < 0)
		return -1;
	if (strcmp(f->head.id, id) != 0)
		return fault_set(why, FAULT_INPUT, "holds the message %s", f->head.id);
	if (st.st_size < f->head.journal_at)
		return fault_set(why, FAULT_INPUT, "ends too early");
	f->expired = block[QUEUE_FLAG_EXPIRED] == 'E';
	sum = crc32_add(0, span_of(id));
	if (read_attributes(f, &sum, why) < 0 || check_rcpts(f, sum, why) < 0)
		return -1;
	f->envelope.content.fd = f->fd;
	f->journal_end = -1;
	return 0;
}

int
queue_file_read(int fd, const char *id, struct queue_file **out, struct fault *why)
{
	struct queue_file *f = mem_alloc(sizeof *f);

	f->magic = FILE_MAGIC;
	f->fd = fd;
	if (read_whole(f, id, why) < 0) {
		fault_prefix(why, "%s", id);
		f->fd = -1; /* still the caller's */
		queue_file_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

int
queue_file_open(struct queue *q, enum queue_state s, const char *id, int flags,
                struct queue_file **out, struct fault *why)
{
	int           mode = flags & QUEUE_OPEN_WRITE ? O_RDWR : O_RDONLY;
	autoclose int fd =
	        openat(q->dirs[s], id, mode | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0) {
		int error = errno;

		fault_errno(why, "open %s/%s", queue_state_name(s), id);
		if (why && (error == ELOOP || error == EISDIR || error == ENXIO))
			why->class = FAULT_INPUT;
		return -1;
	}
	if (flags & QUEUE_OPEN_WRITE && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return fault_set(why, FAULT_TIME, "%s is open elsewhere", id);
		return fault_errno(why, "lock %s", id);
	}
	if (queue_file_read(fd, id, out, why) < 0)
		return -1;
	(*out)->q = q;
	(*out)->state = s;
	(*out)->writable = flags & QUEUE_OPEN_WRITE;
	fd = -1;
	return 0;
}

const char *
queue_file_id(const struct queue_file *f)
{
	return f->head.id;
}

const struct queue_envelope *
queue_file_envelope(const struct queue_file *f)
{
	assert(f->magic == FILE_MAGIC);
	return &f->envelope;
}

int64_t
queue_file_rcpt_count(const struct queue_file *f)
{
	return f->head.rcpt_count;
}

int64_t
queue_file_envelope_at(const struct queue_file *f)
{
	return f->head.envelope_at;
}

int64_t
queue_file_journal_first(const struct queue_file *f)
{
	return f->head.journal_at;
}

int64_t
queue_file_rcpt_first(const struct queue_file *f)
{
	return f->head.rcpts_at;
}

int
queue_file_rcpt(struct queue_file *f, int64_t at, struct arena *arena, struct queue_rcpt *out,
                struct fault *why)
{
	struct queue_rcpt r;

	assert(f->magic == FILE_MAGIC && at >= f->head.rcpts_at);
	if (at >= f->head.journal_at)
		return 0;
	if (look_rcpt(f, at, &r, why) < 0)
		return -1;
	r.address = arena_span(arena, r.address);
	r.original = arena_span(arena, r.original);
	r.orcpt = arena_span(arena, r.orcpt);
	*out = r;
	return 1;
}

int
queue_file_content(struct queue_file *f, int *out, struct fault *why)
{
	struct stat ours, theirs;

	if (fstat(f->fd, &ours) < 0)
		return fault_errno(why, "stat %s", f->head.id);
	for (int tries = 0; tries < 2; tries++)
		for (int i = 0; f->q && i < QUEUE_STATES; i++) {
			int           s = (int)(f->state + (unsigned)i) % QUEUE_STATES; /* where it was first */
			autoclose int fd = s == QUEUE_MAILDROP ? -1 : openat(f->q->dirs[s], f->head.id,
			                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

			if (fd < 0 && s != QUEUE_MAILDROP && errno != ENOENT)
				return fault_errno(why, "open %s", f->head.id);
			if (fd >= 0 && fstat(fd, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
			    ours.st_dev == theirs.st_dev) {
				*out = take_fd(fd);
				return 0;
			}
		}
	return fault_set(why, FAULT_SYSTEM, "%s is gone", f->head.id);
}

int
queue_file_mark(struct queue_file *f, int64_t at, enum queue_rcpt_state state, struct fault *why)
{
	char byte = (char)state;

	assert(f->magic == FILE_MAGIC && f->writable && at >= f->head.rcpts_at &&
	       at < f->head.journal_at);
	if (fault_point("queue.mark.before", why) < 0 ||
	    file_write_at(f->fd, span_at(&byte, 1), at, why) < 0)
		return fault_prefix(why, "%s: mark a recipient", f->head.id);
	if (at >= f->window_at && at < f->window_at + (int64_t)f->window.len)
		f->window.at[at - f->window_at] = byte;
	(void)fault_point("queue.mark.after", NULL);
	return 0;
}

int
queue_file_sync(struct queue_file *f, struct fault *why)
{
	if (fault_point("queue.sync.before", why) < 0)
		return -1;
	if (fdatasync(f->fd) < 0)
		return fault_errno(why, "%s: fdatasync", f->head.id);
	(void)fault_point("queue.sync.after", NULL);
	return 0;
}

bool
queue_file_expired(const struct queue_file *f)
{
	return f->expired;
}

int
queue_file_set_expired(struct queue_file *f, struct fault *why)
{
	assert(f->writable);
	if (file_write_at(f->fd, SPAN("E"), QUEUE_FLAG_EXPIRED, why) < 0)
		return -1;
	f->expired = true;
	return queue_file_sync(f, why);
}
