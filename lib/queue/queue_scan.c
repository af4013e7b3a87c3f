/* SPDX-License-Identifier: ISC */
/*
 * queue_scan.c - walking a queue directory, and sweeping up after dead writers
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "queue/queue_private.h"

struct queue_scan {
	struct queue    *q;
	enum queue_state state;
	DIR             *dir;
	uint64_t         unseen;
};

int
queue_scan_open(struct queue *q, enum queue_state s, struct queue_scan **out, struct fault *why)
{
	DIR *d = file_directory(q->dirs[s]);

	if (!d)
		return fault_errno(why, "open directory %s", queue_state_name(s));
	*out = mem_alloc(sizeof **out);
	**out = (struct queue_scan){q, s, d, 0};
	return 0;
}

int
queue_scan_next(struct queue_scan *scan, struct queue_id *id, int64_t *due_us, struct fault *why)
{
	for (;;) {
		struct dirent *e;
		struct stat    st;
		struct span    name;
		int            more = file_next(scan->dir, &e, why);

		if (more < 0)
			return fault_prefix(why, "%s", queue_state_name(scan->state));
		if (more == 0)
			return 0;
		name = span_of(e->d_name);
		if (!queue_id_valid(name))
			continue;
		if (fault_point("queue.scan.look", NULL) < 0 || fstatat(scan->q->dirs[scan->state], e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			scan->unseen += errno != ENOENT;
			continue;
		}
		if (!S_ISREG(st.st_mode))
			continue;
		if (id)
			memcpy(id->text, name.at, name.len + 1);
		if (due_us)
			*due_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
		return 1;
	}
}

uint64_t
queue_scan_unseen(const struct queue_scan *scan)
{
	return scan->unseen;
}

void
queue_scan_close(struct queue_scan *scan)
{
	if (!scan)
		return;
	closedir(scan->dir);
	free(scan);
}

/* Its writer is dead: nobody holds the lock, which dies with the last copy of the descriptor. */
static bool
is_left_behind(int dir, const char *name, int64_t before)
{
	autoclose int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat   st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mtim.tv_sec < before && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int
queue_sweep(struct queue *q, int64_t min_age, int *count, struct fault *why)
{
	int64_t        before = clock_wall() / 1000000 - min_age;
	DIR           *d = file_directory(q->dirs[QUEUE_INCOMING]);
	struct dirent *e;

	*count = 0;
	if (!d)
		return fault_errno(why, "open directory incoming");
	while ((e = readdir(d)) != NULL)
		if (span_ends(span_of(e->d_name), ".part") &&
		    is_left_behind(q->dirs[QUEUE_INCOMING], e->d_name, before) &&
		    unlinkat(q->dirs[QUEUE_INCOMING], e->d_name, 0) == 0)
			++*count;
	closedir(d);
	return 0;
}
