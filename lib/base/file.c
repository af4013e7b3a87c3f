/* SPDX-License-Identifier: ISC */
/*
 * file.c - whole files and durable files
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int
file_read_fd(int fd, size_t limit, struct text *out, struct fault *why)
{
	autotext struct text got = {0};

	for (;;) {
		ssize_t n = read(fd, text_room(&got, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "read");
		if (n == 0)
			break;
		got.len += (size_t)n;
		if (got.len > limit)
			return fault_set(why, FAULT_INPUT, "larger than %zu bytes", limit);
	}
	got.at[got.len] = '\0';
	if (out->len) {
		text_add(out, text_span(&got));
	} else {                                /* whole files are not held twice */
		text_free(out);
		*out = got;
		got = (struct text){0};
	}
	return 0;
}

int
file_read(const char *path, size_t limit, struct text *out, struct fault *why)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return fault_errno(why, "open %s", path);
	if (file_read_fd(fd, limit, out, why) < 0)
		return fault_prefix(why, "%s", path);
	return 0;
}

int
file_write(int fd, struct span s, struct fault *why)
{
	while (s.len) {
		ssize_t n = write(fd, s.at, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "write");
		s = span_from(s, (size_t)n);
	}
	return 0;
}

int
file_write_at(int fd, struct span s, off_t at, struct fault *why)
{
	while (s.len) {
		ssize_t n = pwrite(fd, s.at, s.len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "write");
		at += n;
		s = span_from(s, (size_t)n);
	}
	return 0;
}

int
file_read_at(int fd, void *to, size_t len, off_t at, struct fault *why)
{
	char *into = to;

	while (len) {
		ssize_t n = pread(fd, into, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "read");
		if (n == 0)
			return fault_set(why, FAULT_INPUT, "ends too early");
		into += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int
file_sync(int fd, struct fault *why)
{
	return fsync(fd) < 0 ? fault_errno(why, "fsync") : 0;
}

int
file_sync_directory(const char *path, struct fault *why)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fault_errno(why, "open directory %s", path);
	if (fsync(fd) < 0)
		return fault_errno(why, "fsync %s", path);
	return 0;
}

static int
sync_parent(const char *path, struct fault *why)
{
	autofree char *parent = mem_string(path);
	char          *slash = strrchr(parent, '/');

	if (!slash)
		return file_sync_directory(".", why);
	slash[slash == parent ? 1 : 0] = '\0';
	return file_sync_directory(parent, why);
}

int
file_replace(const char *path, struct span s, mode_t mode, struct fault *why)
{
	autofree char *tmp = mem_format("%s.tmp%ld", path, (long)getpid());
	autoclose int  fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_errno(why, "create %s", tmp);
	autounlink const char *partial = tmp; /* gone, unless kept */

	if (file_write(fd, s, why) < 0 || file_sync(fd, why) < 0)
		return fault_prefix(why, "%s", tmp);
	if (fchmod(fd, mode) < 0)
		return fault_errno(why, "chmod %s", tmp);
	if (rename(tmp, path) < 0)
		return fault_errno(why, "rename %s to %s", tmp, path);
	partial = NULL;
	return sync_parent(path, why);
}

int
file_make_directories(const char *path, mode_t mode, struct fault *why)
{
	autofree char *copy = mem_string(path);

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST && errno != EISDIR && errno != EROFS)
			return fault_errno(why, "make directory %s", copy);
		*slash = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return fault_errno(why, "make directory %s", copy);
	return 0;
}

int
file_descriptor_flags(int fd, bool nonblocking, bool cloexec)
{
	int status = fcntl(fd, F_GETFL), own = fcntl(fd, F_GETFD);

	if (status < 0 || own < 0)
		return -1;
	status = nonblocking ? status | O_NONBLOCK : status & ~O_NONBLOCK;
	own = cloexec ? own | FD_CLOEXEC : own & ~FD_CLOEXEC;
	return fcntl(fd, F_SETFL, status) < 0 || fcntl(fd, F_SETFD, own) < 0 ? -1 : 0;
}

bool
file_is_absent(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

DIR *
file_directory(int dir)
{
	int  fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0) {
		saved = errno;
		close(fd);
		errno = saved;
	}
	return d;
}

int
file_next(DIR *d, struct dirent **entry, struct fault *why)
{
	errno = 0;
	*entry = readdir(d);
	if (*entry)
		return 1;
	return errno ? fault_errno(why, "read directory") : 0;
}

int
file_unnamed(const char *directory, int *fd, struct fault *why)
{
	autofree char *path = mem_format("%s/unnamed.XXXXXX", directory);
	int            got = mkstemp(path);

	if (got < 0)
		return fault_errno(why, "create %s", path);
	file_descriptor_flags(got, false, true);
	if (unlink(path) < 0) {
		fault_errno(why, "remove %s", path);
		close(got);
		return -1;
	}
	*fd = got;
	return 0;
}
