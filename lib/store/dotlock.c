/* SPDX-License-Identifier: ISC */
/*
 * dotlock.c - "<file>.lock" as Dovecot makes it
 */
#include "store/dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/shared_mode.h"

enum { TOUCH_MS = 10000, FIRST_WAIT_MS = 2, LONGEST_WAIT_MS = 100, RELEASE_TRIES = 3,
	EMPTY_SECONDS = 5 };

static void
own_mark(char *to, size_t size)
{
	char host[256] = "localhost";

	gethostname(host, sizeof host - 1);
	snprintf(to, size, "%ld:%s", (long)getpid(), host);
}

/* Was it made on this host by a process that no longer lives? */
static bool
maker_is_dead(struct span mark)
{
	char        own[320];
	struct span pid, mine, rest;
	uint64_t    number;

	own_mark(own, sizeof own);
	mine = span_of(own);
	rest = span_trim(mark);
	span_split(&mine, ':', &pid);
	if (!span_split(&rest, ':', &pid) || !span_equal(rest, mine))
		return false;
	if (!span_number(pid, &number) || number == 0 || number > INT32_MAX)
		return false;
	return kill((pid_t)number, 0) < 0 && errno == ESRCH;
}

static bool
is_stale(int dir, const char *lock, const char *file, int stale_seconds, struct stat *seen)
{
	autotext struct text mark = {0};
	autoclose int        fd = file_open_beneath(dir, lock, O_RDONLY | O_NONBLOCK, 0, NULL);
	struct stat          guarded;
	time_t               now = time(NULL);

	if (fd < 0 || fstat(fd, seen) < 0)
		return false;
	if (S_ISREG(seen->st_mode) && seen->st_size == 0 && seen->st_mtime <= now - EMPTY_SECONDS)
		return true; /* its maker died between making and marking it */
	if (S_ISREG(seen->st_mode) && file_read_fd(fd, 1024, &mark, NULL) == 0
		&& maker_is_dead(text_span(&mark)))
		return true;
	if (seen->st_mtime > now - stale_seconds)
		return false;
	return fstatat(dir, file, &guarded, AT_SYMLINK_NOFOLLOW) < 0
		|| guarded.st_mtime <= now - stale_seconds;
}

/*
 * Two who have both judged a lock must not both take it away: the second would take what the
 * first has made meanwhile (its inode is often the same again).  Whoever breaks holds the
 * directory's flock, which dies with him, and judges once more.
 */
static void
break_stale(int dir, const char *lock, const char *file, int stale_seconds)
{
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat   seen;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return; /* another one is at it */
	if (!is_stale(dir, lock, file, stale_seconds, &seen))
		return;
	if (unlinkat(dir, lock, 0) == 0)
		log_debug("removed stale %s", lock);
}

static int
make_lock(int dir, const char *lock, struct fault *why)
{
	char mark[320];
	int  fd = openat(dir, lock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_errno(why, "make %s", lock);
	own_mark(mark, sizeof mark);
	if (file_write(fd, span_of(mark), why) < 0) {
		close(fd);
		unlinkat(dir, lock, 0);
		return -1;
	}
	shared_mode_follow(dir, fd);
	close(fd);
	return 0;
}

int
dotlock_take(int dir, const char *file, int stale_seconds, int64_t deadline, struct dotlock *out,
	struct fault *why)
{
	char lock[64];
	int  pause = FIRST_WAIT_MS;

	snprintf(lock, sizeof lock, "%s.lock", file);
	for (;;) {
		struct fault own = {0};
		struct stat  judged;

		if (make_lock(dir, lock, &own) == 0)
			break;
		if (own.error != EEXIST) {
			if (why)
				*why = own;
			return -1;
		}
		if (is_stale(dir, lock, file, stale_seconds, &judged)) {
			break_stale(dir, lock, file, stale_seconds);
			if (faccessat(dir, lock, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
		}
		if (clock_left(deadline) == 0)
			return fault_set(why, FAULT_TIME, "%s is held by another program", lock);
		poll(NULL, 0, pause); /* a dot lock cannot be waited for */
		pause = pause * 2 > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : pause * 2;
	}
	*out = (struct dotlock){.dir = dir, .touched = clock_now()};
	memcpy(out->name, lock, sizeof lock);
	return 0;
}

void
dotlock_touch(struct dotlock *l)
{
	if (!l->name[0] || clock_now() - l->touched < TOUCH_MS)
		return;
	utimensat(l->dir, l->name, NULL, AT_SYMLINK_NOFOLLOW);
	l->touched = clock_now();
}

void
dotlock_release(struct dotlock *l)
{
	for (int i = 0; l->name[0] && unlinkat(l->dir, l->name, 0) < 0 && errno != ENOENT; i++)
		if (i == RELEASE_TRIES) { /* others wait for UIDLIST_STALE_SECONDS now */
			log_error("cannot remove %s: %s", l->name, strerror(errno));
			break;
		}
	l->name[0] = '\0';
}
