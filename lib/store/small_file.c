/* SPDX-License-Identifier: ISC */
/*
 * small_file.c - read and replace a small file inside a mailbox directory
 */
#include "store/small_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "store/shared_mode.h"

int
small_file_read(int dir, const char *name, size_t limit, struct text *out, struct stat *st,
	struct fault *why)
{
	autoclose int fd = file_open_beneath(dir, name, O_RDONLY | O_NONBLOCK, 0, why);
	struct stat   own;

	if (fd < 0)
		return -1;
	if (fstat(fd, &own) < 0)
		return fault_errno(why, "stat %s", name);
	if (!S_ISREG(own.st_mode))
		return fault_set(why, FAULT_INPUT, "%s is not a regular file", name);
	if (own.st_size > 0 && (uint64_t)own.st_size > limit)
		return fault_set(why, FAULT_INPUT, "%s: larger than %zu bytes", name, limit);
	if (file_read_fd(fd, limit, out, why) < 0)
		return fault_prefix(why, "%s", name);
	if (st)
		*st = own;
	return 0;
}

static int
fill(int fd, const char *name, struct span s, mode_t mode, int64_t mtime, struct fault *why)
{
	struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	if (file_write(fd, s, why) < 0)
		return fault_prefix(why, "%s", name);
	if (fchmod(fd, mode) < 0)
		return fault_errno(why, "chmod %s", name);
	if (mtime > 0 && futimens(fd, times) < 0)
		return fault_errno(why, "set the time of %s", name);
	return file_sync(fd, why);
}

int
small_file_replace(int dir, const char *name, const char *temporary, struct span s, int64_t mtime,
	struct fault *why)
{
	struct stat st;
	bool        there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	mode_t      mode = there ? st.st_mode & 0666 : 0600;

	unlinkat(dir, temporary, 0); /* of a crashed writer: the caller holds the lock */
	autoclose int fd = openat(dir, temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_errno(why, "create %s", temporary);
	if (fill(fd, temporary, s, mode, mtime, why) < 0) {
		unlinkat(dir, temporary, 0);
		return -1;
	}
	shared_mode_follow(dir, fd);
	if (renameat(dir, temporary, dir, name) < 0) {
		fault_errno(why, "rename %s", temporary);
		unlinkat(dir, temporary, 0);
		return -1;
	}
	return file_sync(dir, why);
}
