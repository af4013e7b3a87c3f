/* SPDX-License-Identifier: ISC */
/*
 * queue_held.c - where a message that goes over waits until its new form is where it belongs
 */
#include "queue/queue_held.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"

#define PARTNER "for"
#define COUNTER (UINT64_C(1) << 41)

int
held_names(int dir, struct text *names, struct fault *why)
{
	DIR           *d = file_directory(dir);
	struct dirent *e;
	int            result;

	if (!d)
		return fault_errno(why, "open directory");
	while ((result = file_next(d, &e, why)) > 0)
		if (e->d_name[0] != '.' && strcmp(e->d_name, PARTNER) != 0)
			text_add_format(names, "%s\n", e->d_name);
	closedir(d);
	return result < 0 || fault_point("held.listed", why) < 0 ? -1 : 0;
}

bool
held_lists(const struct text *names, struct span name)
{
	struct span rest = text_span(names), one;

	while (span_split(&rest, '\n', &one))
		if (span_equal(one, name))
			return true;
	return false;
}

static int
write_partner(int dir, const char *partner, struct fault *why)
{
	autoclose int fd = openat(dir, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_errno(why, "create " PARTNER);
	if (file_write(fd, span_of(partner), why) < 0 || file_sync(fd, why) < 0)
		return -1;
	return renameat(dir, ".new", dir, PARTNER) < 0 || fsync(dir) < 0 ? fault_errno(why, "rename " PARTNER) : 0;
}

static int
check_partner(int dir, const char *name, const char *partner, bool goes_on, struct fault *why)
{
	autotext struct text before = {0}, names = {0};
	autoclose int        fd = openat(dir, PARTNER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (held_names(dir, &names, why) < 0 || (fd >= 0 && file_read_fd(fd, PATH_MAX, &before, why) < 0))
		return -1;
	if (!names.len)
		return write_partner(dir, partner, why);
	if (!span_is(text_span(&before), partner))
		return fault_set(why, FAULT_INPUT, "%s: a move to %s was not finished: do that first", name, text_string(&before));
	return goes_on ? 0 : fault_set(why, FAULT_INPUT, "%s holds messages, and what was made of them for %s is gone", name, partner);
}

int
held_open(int root, const char *name, const char *partner, bool goes_on, struct fault *why)
{
	autoclose int dir = -1;

	if (mkdirat(root, name, 0700) < 0 && errno != EEXIST)
		return fault_errno(why, "make directory %s", name);
	dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fsync(root) < 0)
		return fault_errno(why, "open directory %s", name);
	return check_partner(dir, name, partner, goes_on, why) < 0 ? -1 : take_fd(dir);
}

void
held_remove(int root, const char *name, int held)
{
	autotext struct text names = {0};

	if (held < 0)
		return;
	if (held_names(held, &names, NULL) == 0 && !names.len && fsync(held) == 0) {
		unlinkat(held, PARTNER, 0);
		unlinkat(held, ".new", 0);
		unlinkat(root, name, AT_REMOVEDIR);
	}
	close(held);
}

int
held_take(int held, const char *name, int from, const char *id, struct fault *why)
{
	if (renameat(from, id, held, name) < 0)
		return fault_errno(why, "rename %s", id);
	(void)fault_point("held.taken", NULL);
	return fsync(held) < 0 || fsync(from) < 0 ? fault_errno(why, "fsync of the directory of %s", id) : 0;
}

int
held_drop(int held, const char *name, struct fault *why)
{
	if (unlinkat(held, name, 0) < 0 && errno != ENOENT)
		return fault_errno(why, "remove %s", name);
	(void)fault_point("held.dropped", NULL);
	return 0;
}

/* What a run that was killed has reserved: nothing is in it, and nobody may read it. */
static bool
is_reserved(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 && (st.st_mode & 0777) == 0;
}

/* Not by link and unlink: between those two it would be there and here, and be delivered there, and come again. */
int
held_publish(int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	autoclose int fd = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0 && errno == EEXIST && !is_reserved(to_dir, to))
		return fault_set(why, FAULT_INPUT, "there is another message %s already: it has to go first", to);
	if (fd < 0 && errno != EEXIST)
		return fault_errno(why, "create %s", to);
	if (fault_point("held.reserved", why) < 0 || (renameat(from_dir, from, to_dir, to) < 0 && fault_errno(why, "rename %s to %s", from, to) < 0)) {
		unlinkat(to_dir, to, 0);
		return -1;
	}
	return 0;
}

void
held_new_id(struct queue_id *id)
{
	uint32_t n = 0;

	if (getentropy(&n, sizeof n) < 0)
		n = (uint32_t)getpid();
	queue_id_make(clock_wall(), COUNTER + n, id);
}
