/* SPDX-License-Identifier: ISC */
/*
 * queue_draft.c - writing a message, and the one moment when it begins to exist
 *
 * A failed fsync is never tried again: the pages may be marked clean.  The
 * draft is then abandoned, and the client hears "not now".
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "queue/crc32.h"
#include "queue/queue_private.h"

enum { DRAFT_MAGIC = 0x44726166, FLUSH_AT = 65536, COPY_SIZE = 65536 };

struct queue_draft {
	unsigned          magic;
	struct queue     *q;
	int               fd;
	char              name[QUEUE_ID_SIZE + 8];  /* "ID.part" */
	struct queue_head head;
	int64_t           end;                      /* of what is written so far */
	struct text       pending;                  /* envelope bytes that belong at `end` */
	int64_t          *expanded;                 /* where their state bytes lie; owned */
	size_t            n_expanded;
	bool              has_content, has_envelope;
};

static void
draft_free(struct queue_draft *d)
{
	if (d->fd >= 0) {
		flock(d->fd, LOCK_UN); /* the writer's copy of the descriptor shares the lock */
		close(d->fd);
	}
	text_free(&d->pending);
	free(d->expanded);
	d->magic = 0;
	free(d);
}

static int
create_file(struct queue_draft *d, struct fault *why)
{
	int dir = d->q->dirs[QUEUE_INCOMING];

	d->fd = openat(dir, d->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->fd < 0)
		return fault_errno(why, "create incoming/%s", d->name);
	if (flock(d->fd, LOCK_EX | LOCK_NB) < 0) {
		fault_errno(why, "lock incoming/%s", d->name);
		unlinkat(dir, d->name, 0);
		return -1;
	}
	return 0;
}

/* Opens "ID.part" whoever made it, and locks it: 0; 1 it was renamed meanwhile; -1. */
static int
take_over(struct queue_draft *d, struct fault *why)
{
	int         dir = d->q->dirs[QUEUE_INCOMING];
	struct stat ours, named;

	d->fd = openat(dir, d->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (d->fd < 0)
		return fault_errno(why, "create incoming/%s", d->name);
	if (flock(d->fd, LOCK_EX | LOCK_NB) < 0) {
		close(take_fd(d->fd));
		return fault_set(why, FAULT_TIME, "incoming/%s is being written", d->name);
	}
	if (fstat(d->fd, &ours) < 0)
		return fault_errno(why, "stat incoming/%s", d->name);
	if (fstatat(dir, d->name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == ours.st_ino &&
	    named.st_dev == ours.st_dev && S_ISREG(ours.st_mode))
		return ftruncate(d->fd, 0) < 0 ? fault_errno(why, "truncate incoming/%s", d->name) : 0;
	flock(d->fd, LOCK_UN);
	close(take_fd(d->fd));
	return 1;
}

static struct queue_draft *
draft_new(struct queue *q, const struct queue_id *id)
{
	struct queue_draft *d = mem_alloc(sizeof *d);

	*d = (struct queue_draft){.magic = DRAFT_MAGIC, .q = q, .fd = -1, .end = QUEUE_CONTENT_AT};
	d->head.created_us = clock_wall();
	memcpy(d->head.id, id->text, strlen(id->text) + 1);
	memcpy(d->name, id->text, strlen(id->text));
	memcpy(d->name + strlen(id->text), ".part", 6);
	return d;
}

/* First the draft's name, then the look: who committed before us has renamed it by then. */
int
queue_draft_claim(struct queue *q, const struct queue_id *id, struct queue_draft **out, struct fault *why)
{
	struct queue_draft *d = draft_new(q, id);
	enum queue_state    unused;
	int                 got;

	for (int tries = 0; (got = take_over(d, why)) == 1 && tries < 100; tries++)
		;
	if (got != 0) {
		draft_free(d);
		return got == 1 ? fault_set(why, FAULT_TIME, "incoming/%s does not stay", id->text) : -1;
	}
	(void)fault_point("queue.draft.claimed", NULL);
	got = queue_where(q, id->text, &unused, why);
	if (got == 1) {
		*out = d;
		return 0;
	}
	queue_draft_abandon(d);
	return got == 0 ? 1 : -1;
}

int
queue_draft_open(struct queue *q, const struct queue_id *given, struct queue_draft **out,
                 struct fault *why)
{
	struct queue_draft *d;
	struct queue_id     id;

	if (given)
		id = *given;
	if (fault_point("queue.draft.before", why) < 0 ||
	    (!given && queue_new_id(q, clock_wall(), &id, why) < 0))
		return -1;
	d = draft_new(q, &id);
	if (create_file(d, why) < 0) {
		draft_free(d);
		return -1;
	}
	(void)fault_point("queue.draft.created", NULL);
	*out = d;
	return 0;
}

const char *
queue_draft_id(const struct queue_draft *d)
{
	return d->head.id;
}

int
queue_draft_fd(const struct queue_draft *d)
{
	return d->fd;
}

int
queue_draft_content(struct queue_draft *d, int64_t length, struct fault *why)
{
	struct stat st;
	int64_t     size;

	assert(d->magic == DRAFT_MAGIC && !d->has_content);
	if (fstat(d->fd, &st) < 0)
		return fault_errno(why, "stat incoming/%s", d->name);
	size = st.st_size > QUEUE_CONTENT_AT ? st.st_size - QUEUE_CONTENT_AT : 0;
	if (length < 0 || size < length)
		return fault_set(why, FAULT_INPUT, "content is shorter than announced");
	if (size > length && ftruncate(d->fd, QUEUE_CONTENT_AT + length) < 0)
		return fault_errno(why, "truncate incoming/%s", d->name);
	d->head.content_length = length;
	d->end = QUEUE_CONTENT_AT + length;
	d->has_content = true;
	return 0;
}

int
queue_draft_insert(struct queue_draft *d, struct span bytes, struct piece *p, struct fault *why)
{
	assert(d->magic == DRAFT_MAGIC && d->has_content && !d->has_envelope);
	if (fault_point("queue.draft.insert", why) < 0 ||
	    file_write_at(d->fd, bytes, d->end, why) < 0)
		return -1;
	*p = (struct piece){d->end, (int64_t)bytes.len};
	d->end += (int64_t)bytes.len;
	return 0;
}

int64_t
queue_draft_end(const struct queue_draft *d)
{
	return d->end;
}

int
queue_draft_extend(struct queue_draft *d, int64_t length, struct piece *p, struct fault *why)
{
	struct stat st;

	assert(d->magic == DRAFT_MAGIC && d->has_content && !d->has_envelope);
	if (fstat(d->fd, &st) < 0)
		return fault_errno(why, "stat incoming/%s", d->name);
	if (length < 0 || st.st_size - d->end < length)
		return fault_set(why, FAULT_INPUT, "new body is shorter than announced");
	*p = (struct piece){d->end, length};
	d->end += length;
	return 0;
}

static int
flush_pending(struct queue_draft *d, struct fault *why)
{
	if (file_write_at(d->fd, text_span(&d->pending), d->end, why) < 0)
		return -1;
	d->head.envelope_sum = crc32_add(d->head.envelope_sum, text_span(&d->pending));
	d->end += (int64_t)d->pending.len;
	text_clear(&d->pending);
	return 0;
}

static bool
pieces_are_inside(const struct message_content *c, int64_t end)
{
	for (size_t i = 0; i < c->n_pieces; i++)
		if (c->pieces[i].at < QUEUE_CONTENT_AT || c->pieces[i].at > end ||
		    c->pieces[i].len < 0 || c->pieces[i].len > end - c->pieces[i].at)
			return false;
	return true;
}

int
queue_draft_envelope(struct queue_draft *d, const struct queue_envelope *e, struct fault *why)
{
	assert(d->magic == DRAFT_MAGIC && d->has_content && !d->has_envelope);
	if (!pieces_are_inside(&e->content, d->end))
		return fault_set(why, FAULT_INPUT, "a piece lies outside of the message");
	d->head.envelope_at = d->end;
	d->head.envelope_sum = crc32_add(0, span_of(d->head.id));
	queue_attributes_print(e, &d->pending);
	if (d->pending.len > QUEUE_ATTRIBUTES_MAX)
		return fault_set(why, FAULT_INPUT, "envelope larger than %d bytes",
		                 QUEUE_ATTRIBUTES_MAX);
	d->head.rcpts_at = d->end + (int64_t)d->pending.len;
	d->has_envelope = true;
	return flush_pending(d, why);
}

int
queue_draft_rcpt(struct queue_draft *d, const struct queue_rcpt *r, struct fault *why)
{
	int64_t at = d->end + (int64_t)d->pending.len;

	assert(d->magic == DRAFT_MAGIC && d->has_envelope);
	if (queue_rcpt_print(r, &d->pending, why) < 0)
		return -1;
	if (r->state == RCPT_EXPANDED) {
		d->expanded = mem_grow(d->expanded, d->n_expanded + 1, sizeof *d->expanded);
		d->expanded[d->n_expanded++] = at;
	}
	d->head.rcpt_count++;
	return d->pending.len < FLUSH_AT ? 0 : flush_pending(d, why);
}

static int
write_all(struct queue_draft *d, struct fault *why)
{
	autofree char *block = mem_alloc(QUEUE_CONTENT_AT);

	if (flush_pending(d, why) < 0 || fault_point("queue.commit.envelope", why) < 0)
		return -1;
	for (size_t i = 0; i < d->n_expanded; i++)
		if (file_write_at(d->fd, SPAN("E"), d->expanded[i], why) < 0)
			return -1;
	d->head.journal_at = d->end;
	/* what the writer may have left behind the end must not look like a journal */
	if (ftruncate(d->fd, d->end) < 0)
		return fault_errno(why, "truncate incoming/%s", d->name);
	queue_head_print(&d->head, block);
	if (file_write_at(d->fd, span_at(block, QUEUE_CONTENT_AT), 0, why) < 0 ||
	    fault_point("queue.commit.written", why) < 0)
		return -1;
	if (file_sync(d->fd, why) < 0 || fault_point("queue.commit.synced", why) < 0)
		return -1;
	return 0;
}

/* Renamed before the directory is synced: a crash here loses the name, and nobody was told. */
static int
publish(struct queue_draft *d, enum queue_state to, struct fault *why)
{
	if (renameat(d->q->dirs[QUEUE_INCOMING], d->name, d->q->dirs[to], d->head.id) < 0)
		return fault_errno(why, "rename incoming/%s", d->name);
	if (fault_point("queue.commit.renamed", why) == 0 && queue_sync(d->q, to, why) == 0 &&
	    fault_point("queue.commit.durable", why) == 0)
		return 0;
	unlinkat(d->q->dirs[to], d->head.id, 0);
	return -1;
}

int
queue_draft_commit(struct queue_draft *d, enum queue_state to, struct fault *why)
{
	assert(d->magic == DRAFT_MAGIC && d->has_envelope &&
	       (to == QUEUE_INCOMING || to == QUEUE_HOLD));
	if (write_all(d, why) < 0 || publish(d, to, why) < 0) {
		fault_prefix(why, "%s", d->head.id);
		queue_draft_abandon(d);
		return -1;
	}
	draft_free(d);
	return 0;
}

void
queue_draft_abandon(struct queue_draft *d)
{
	if (!d)
		return;
	assert(d->magic == DRAFT_MAGIC);
	unlinkat(d->q->dirs[QUEUE_INCOMING], d->name, 0);
	draft_free(d);
}
