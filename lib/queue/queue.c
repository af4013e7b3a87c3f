/* SPDX-License-Identifier: ISC */
/*
 * queue.c - the queue directories: opening, moving, removing, group flushes
 */
#include "queue/queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "queue/queue_private.h"

static const char *const state_names[QUEUE_STATES] = {
	"maildrop", "incoming", "active", "deferred", "hold", "corrupt",
};

const char *
queue_state_name(enum queue_state s)
{
	assert(s < QUEUE_STATES);
	return state_names[s];
}

bool
queue_state_find(struct span name, enum queue_state *s)
{
	for (int i = 0; i < QUEUE_STATES; i++)
		if (span_is(name, state_names[i])) {
			*s = (enum queue_state)i;
			return true;
		}
	return false;
}

static int
make_one(const char *root, const char *name, mode_t mode, uid_t owner, gid_t group,
         struct fault *why)
{
	autofree char *path = mem_format("%s/%s", root, name);

	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : fault_errno(why, "make directory %s", path);
	if ((owner != (uid_t)-1 || group != (gid_t)-1) && chown(path, owner, group) < 0)
		return fault_errno(why, "chown %s", path);
	return chmod(path, mode) < 0 ? fault_errno(why, "chmod %s", path) : 0;
}

int
queue_make(const char *root, uid_t owner, gid_t drop, struct fault *why)
{
	if (file_make_directories(root, 0755, why) < 0)
		return -1;
	for (int i = QUEUE_INCOMING; i < QUEUE_STATES; i++)
		if (make_one(root, state_names[i], 0700, owner, (gid_t)-1, why) < 0)
			return -1;
	if (make_one(root, "ids", 0700, owner, (gid_t)-1, why) < 0)
		return -1;
	return make_one(root, "maildrop", 01730, owner, drop, why);
}

int
queue_open(const char *root, struct queue **out, struct fault *why)
{
	struct queue *q = mem_alloc(sizeof *q);

	q->magic = QUEUE_MAGIC;
	for (int i = 0; i < QUEUE_STATES; i++) {
		q->dirs[i] = -1;
		monitor_init(&q->sync[i].lock);
	}
	monitor_init(&q->ids);
	q->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->root < 0) {
		fault_errno(why, "open queue directory %s", root);
		queue_close(q);
		return -1;
	}
	for (int i = 0; i < QUEUE_STATES; i++) {
		q->dirs[i] = openat(q->root, state_names[i],
		                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (q->dirs[i] < 0 && !(errno == EACCES && i == QUEUE_MAILDROP)) {
			fault_errno(why, "open queue directory %s/%s", root, state_names[i]);
			queue_close(q);
			return -1;
		}
	}
	*out = q;
	return 0;
}

void
queue_close(struct queue *q)
{
	if (!q)
		return;
	assert(q->magic == QUEUE_MAGIC);
	for (int i = 0; i < QUEUE_STATES; i++)
		if (q->dirs[i] >= 0)
			close(q->dirs[i]);
	if (q->root >= 0)
		close(q->root);
	q->magic = 0;
	free(q);
}

int
queue_directory(struct queue *q, enum queue_state s)
{
	assert(q->magic == QUEUE_MAGIC);
	return q->dirs[s];
}

int
queue_move(struct queue *q, const char *id, enum queue_state from, enum queue_state to,
           struct fault *why)
{
	assert(q->magic == QUEUE_MAGIC);
	if (fault_point("queue.move.before", why) < 0)
		return -1;
	if (renameat(q->dirs[from], id, q->dirs[to], id) < 0) {
		if (errno == ENOENT)
			return 1;
		return fault_errno(why, "rename %s/%s to %s", state_names[from], id,
		                   state_names[to]);
	}
	(void)fault_point("queue.move.after", NULL);
	return 0;
}

int
queue_sync(struct queue *q, enum queue_state s, struct fault *why)
{
	struct sync_group *g = &q->sync[s];
	uint64_t           need;
	int                error;

	monitor_enter(&g->lock);
	need = g->begun + 1; /* a round that begins after now */
	while (g->ended < need) {
		uint64_t round;

		if (g->running) {
			monitor_wait(&g->lock, CLOCK_NEVER);
			continue;
		}
		g->running = true;
		round = ++g->begun;
		monitor_leave(&g->lock);
		error = fsync(q->dirs[s]) < 0 ? errno : 0;
		monitor_enter(&g->lock);
		g->running = false;
		g->ended = round;
		if (error) {
			g->failed = round;
			g->error = error;
		}
		monitor_wake(&g->lock);
	}
	error = g->failed >= need ? g->error : 0;
	monitor_leave(&g->lock);
	errno = error;
	return error ? fault_errno(why, "fsync %s", state_names[s]) : 0;
}

/*
 * What pickup has submitted keeps the name that it has in maildrop. Had pickup no time to
 * remove it there, then we do, and first: else it would be submitted anew when nothing tells of it any more.
 */
static int
forget_source(struct queue *q, const char *id, struct fault *why)
{
	if (q->dirs[QUEUE_MAILDROP] < 0 || unlinkat(q->dirs[QUEUE_MAILDROP], id, 0) < 0)
		return q->dirs[QUEUE_MAILDROP] < 0 || errno == ENOENT ? 0 : fault_errno(why, "remove maildrop/%s", id);
	if (fsync(q->dirs[QUEUE_MAILDROP]) < 0)
		return fault_errno(why, "fsync maildrop");
	(void)fault_point("queue.remove.source", NULL);
	return 0;
}

int
queue_remove(struct queue *q, enum queue_state s, const char *id, struct fault *why)
{
	if (fault_point("queue.remove.before", why) < 0)
		return -1;
	if (s != QUEUE_MAILDROP && forget_source(q, id, why) < 0)
		return -1;
	if (unlinkat(q->dirs[s], id, 0) < 0)
		return errno == ENOENT ? 1 : fault_errno(why, "remove %s/%s", state_names[s], id);
	(void)fault_point("queue.remove.after", NULL);
	return 0;
}

int
queue_take_out(struct queue *q, enum queue_state s, const char *id, int to, struct fault *why)
{
	if (fault_point("queue.take.before", why) < 0)
		return -1;
	if (s != QUEUE_MAILDROP && forget_source(q, id, why) < 0)
		return -1;
	if (renameat(q->dirs[s], id, to, id) < 0)
		return errno == ENOENT ? 1 : fault_errno(why, "rename %s/%s", state_names[s], id);
	(void)fault_point("queue.take.after", NULL);
	return 0;
}

int
queue_quarantine(struct queue *q, enum queue_state s, const char *id, const char *reason,
                 struct fault *why)
{
	int moved = queue_move(q, id, s, QUEUE_CORRUPT, why);

	if (moved != 0)
		return moved;
	if (strstr(reason, id))
		log_warning("%s: saved in directory \"corrupt\"", reason);
	else
		log_warning("%s: %s: saved in directory \"corrupt\"", id, reason);
	return queue_sync(q, QUEUE_CORRUPT, why);
}

static int64_t
mtime_us(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

int
queue_due(struct queue *q, enum queue_state s, const char *id, int64_t *due_us, struct fault *why)
{
	struct stat st;

	if (fstatat(q->dirs[s], id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : fault_errno(why, "stat %s/%s", state_names[s], id);
	*due_us = mtime_us(&st);
	return 0;
}

int
queue_set_due(struct queue *q, enum queue_state s, const char *id, int64_t due_us,
              struct fault *why)
{
	struct timespec at = {.tv_sec = (time_t)(due_us / 1000000),
	                      .tv_nsec = due_us % 1000000 * 1000};
	struct timespec both[2] = {at, at};

	if (utimensat(q->dirs[s], id, both, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1
		                       : fault_errno(why, "set time of %s/%s", state_names[s], id);
	return 0;
}

int
queue_where(struct queue *q, const char *id, enum queue_state *s, struct fault *why)
{
	static const enum queue_state order[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED,
	                                         QUEUE_HOLD, QUEUE_CORRUPT};
	struct stat st;

	for (size_t i = 0; i < 2 * COUNT(order); i++) {
		enum queue_state one = order[i % COUNT(order)];

		if (fstatat(q->dirs[one], id, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			*s = one;
			return 0;
		}
		if (errno != ENOENT)
			return fault_errno(why, "stat %s/%s", state_names[one], id);
	}
	return 1;
}

int
queue_free_space(struct queue *q, int64_t *bytes, struct fault *why)
{
	struct statvfs v;

	if (fstatvfs(q->dirs[QUEUE_INCOMING], &v) < 0)
		return fault_errno(why, "statvfs of the queue");
	*bytes = (int64_t)v.f_bavail > INT64_MAX / (int64_t)v.f_frsize
	                 ? INT64_MAX
	                 : (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	return 0;
}
