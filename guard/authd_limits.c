/* SPDX-License-Identifier: ISC */
/*
 * authd_limits.c - limits that administrators gave users, in a file that grows
 */
#include "authd_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strmap.h"

#define NONE "-"

enum { PIECE = 1 << 16 };

static struct {
	struct monitor lock;
	bool           busy;           /* somebody has his turn: all below is his alone */
	char          *path;           /* NULL: none are kept */
	int            fd;
	off_t          read;           /* to the end of the last whole line */
	struct strmap *rules;          /* of users: owned strings */
} limits = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}, .fd = -1};

static void
take_turn(void)
{
	monitor_enter(&limits.lock);
	while (limits.busy)
		monitor_wait(&limits.lock, CLOCK_NEVER);
	limits.busy = true;
	monitor_leave(&limits.lock);
}

static void
end_turn(void)
{
	monitor_enter(&limits.lock);
	limits.busy = false;
	monitor_wake(&limits.lock);
	monitor_leave(&limits.lock);
}

/* ------------------------------------------------------------ reading */

static void
take_line(struct span line)
{
	struct span user;

	if (!span_split(&line, ' ', &user) || !user.len || !line.len || span_has(line, '\0')) {
		log_warning("auth: %s: a line that says nothing is left out", limits.path);
		return;
	}
	if (span_is(line, NONE))
		free(strmap_remove(limits.rules, user));
	else
		free(strmap_put(limits.rules, user, mem_span(line)));
}

/* What was added since; the piece behind the last line end is what somebody is writing, or could not finish. */
static int
read_on(off_t size, struct fault *why)
{
	autotext struct text unread = {0};

	for (off_t at = limits.read; at < size;) {
		size_t      room = (size_t)(size - at < PIECE ? size - at : PIECE);
		struct span rest, line;

		if (file_read_at(limits.fd, text_room(&unread, room), room, at, why) < 0)
			return fault_prefix(why, "%s", limits.path);
		unread.len += room;
		at += (off_t)room;
		rest = text_span(&unread);
		while (span_has(rest, '\n')) {
			span_split(&rest, '\n', &line);
			take_line(line);
			limits.read += (off_t)line.len + 1;
		}
		text_drop(&unread, unread.len - rest.len);
	}
	return 0;
}

/* Without it a line may be read that is not on stable storage, and is taken back. */
static int
lock(int how, struct fault *why)
{
	return flock(limits.fd, how) < 0 ? fault_errno(why, "lock %s", limits.path) : 0;
}

/* Under the file's lock. */
static int
catch_up(struct fault *why)
{
	struct stat st;

	if (fstat(limits.fd, &st) < 0)
		return fault_errno(why, "%s", limits.path);
	if (st.st_size > LIMITS_FILE_MOST)
		return fault_set(why, FAULT_INPUT, "%s is larger than %d bytes", limits.path, LIMITS_FILE_MOST);
	if (st.st_size < limits.read) {     /* somebody has written it anew in place */
		strmap_free(limits.rules, free);
		limits.rules = strmap_new();
		limits.read = 0;
	}
	return read_on(st.st_size, why);
}

int
limits_find(const char *user, struct text *rule, struct fault *why)
{
	const char *found = NULL;
	int         result;

	if (!limits.path)
		return 0;
	take_turn();
	result = lock(LOCK_SH, why);
	if (result == 0) {
		result = catch_up(why);
		flock(limits.fd, LOCK_UN);
	}
	if (result == 0 && (found = strmap_get(limits.rules, span_of(user))))
		text_set(rule, span_of(found));
	end_turn();
	return result < 0 ? -1 : found != NULL;
}

/* ------------------------------------------------------------ changing */

static bool
is_held(const char *user, struct span rule)
{
	const char *held = strmap_get(limits.rules, span_of(user));

	return held ? span_is(rule, held) : !rule.len;
}

/* Under the file's lock: behind the last whole line, all of it on stable storage, or nothing.  What holds already is not written
 * again, or who repeats himself would fill the file; but who wrote it may have died before it was on stable storage. */
static int
append(const char *user, struct span rule, struct fault *why)
{
	autotext struct text text = {0};
	struct span          line;
	struct stat          st;

	text_add_format(&text, "%s %.*s\n", user, SPAN_ARGS(rule.len ? rule : SPAN(NONE)));
	line = text_span(&text);
	if (fstat(limits.fd, &st) < 0)
		return fault_errno(why, "%s", limits.path);
	if (st.st_nlink == 0)
		return fault_set(why, FAULT_PEER, "%s was replaced: log in again", limits.path);
	if (catch_up(why) < 0)
		return -1;
	if (is_held(user, rule))
		return file_sync(limits.fd, why) < 0 ? fault_prefix(why, "%s", limits.path) : 0;
	if (limits.read + (off_t)line.len > LIMITS_FILE_MOST)
		return fault_set(why, FAULT_SYSTEM, "%s is full", limits.path);
	if (st.st_size > limits.read && ftruncate(limits.fd, limits.read) < 0)
		return fault_errno(why, "%s", limits.path);
	if (file_write_at(limits.fd, line, limits.read, why) == 0 && file_sync(limits.fd, why) == 0)
		return 0;
	if (ftruncate(limits.fd, limits.read) < 0)
		log_error("auth: %s: cannot take back what was not written: %s", limits.path, strerror(errno));
	return fault_prefix(why, "%s", limits.path);
}

int
limits_set(const char *user, struct span rule, struct fault *why)
{
	int result;

	if (!limits.path)
		return fault_set(why, FAULT_DENIED, "quota_set is not configured");
	take_turn();
	result = lock(LOCK_EX, why);
	if (result == 0) {
		result = append(user, rule, why) < 0 ? -1 : catch_up(why);
		flock(limits.fd, LOCK_UN);
	}
	end_turn();
	return result;
}

/* ------------------------------------------------------------ at start */

/* Whoever may write there could have root open what he likes. */
static int
open_directory(int *fd, struct fault *why)
{
	autofree char *path = mem_span(span_first(span_of(limits.path), (size_t)(strrchr(limits.path, '/') - limits.path)));
	autoclose int  found = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat    st;

	if (found < 0 || fstat(found, &st) < 0)
		return fault_errno(why, "open %s", *path ? path : "/");
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & 022)
		return fault_set(why, FAULT_DENIED, "%s can be written to by others than root", path);
	*fd = take_fd(found);
	return 0;
}

static int
judge_file(const struct stat *st, struct fault *why)
{
	if (!S_ISREG(st->st_mode))
		return fault_set(why, FAULT_INPUT, "%s is no file", limits.path);
	if (st->st_uid != geteuid() || st->st_mode & 077 || st->st_nlink > 1)
		return fault_set(why, FAULT_DENIED, "%s is not root's alone: its owner, mode 0600, one name", limits.path);
	return 0;
}

/* When it is only looked at, it need not be there. */
static int
open_file(bool only_looks, struct fault *why)
{
	autoclose int directory = -1, fd = -1;
	struct stat   st;

	if (open_directory(&directory, why) < 0)
		return -1;
	fd = openat(directory, strrchr(limits.path, '/') + 1,
		(only_looks ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0 && only_looks && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fault_errno(why, "open %s", limits.path);
	if (flock(fd, only_looks ? LOCK_SH : LOCK_EX) < 0 || fstat(fd, &st) < 0)
		return fault_errno(why, "lock %s", limits.path);
	if (st.st_nlink == 0)              /* another start has just tidied it */
		return open_file(only_looks, why);
	if (judge_file(&st, why) < 0)
		return -1;
	if (st.st_size == 0 && !only_looks && file_sync(directory, why) < 0)
		return fault_prefix(why, "directory of %s", limits.path);
	if (limits.fd >= 0)
		close(limits.fd);
	limits.fd = take_fd(fd);
	strmap_free(limits.rules, free);
	limits.rules = strmap_new();
	limits.read = 0;
	return catch_up(why);
}

/* Whoever waits for the lock of the file that was finds that it has no name any more. */
static int
tidy(struct fault *why)
{
	autotext struct text all = {0};
	struct span          user;
	size_t               at = 0;
	void                *rule;

	while (strmap_next(limits.rules, &at, &user, &rule))
		text_add_format(&all, "%.*s %s\n", SPAN_ARGS(user), (const char *)rule);
	if (limits.read < LIMITS_TIDY_FROM || all.len > (size_t)limits.read / 2)
		return 0;
	return file_replace(limits.path, text_span(&all), 0600, why) < 0 ? -1 : open_file(false, why);
}

int
limits_prepare(const char *spec, bool only_looks, struct fault *why)
{
	if (!*spec)
		return 0;
	if (strncmp(spec, "file:/", 6) != 0 || span_ends(span_of(spec), "/"))
		return fault_set(why, FAULT_INPUT, "quota_set = %s: only file:/PATH is kept here", spec);
	limits.path = mem_string(spec + 5);
	if (open_file(only_looks, why) < 0 || (!only_looks && tidy(why) < 0))
		return fault_prefix(why, "quota_set");
	if (limits.fd >= 0)
		flock(limits.fd, LOCK_UN);
	return 0;
}

bool
limits_are_kept(void)
{
	return limits.path != NULL;
}

void
limits_close(void)
{
	if (limits.fd >= 0)
		close(limits.fd);
	limits.fd = -1;
	free(take(limits.path));
	strmap_free(take(limits.rules), free);
}
