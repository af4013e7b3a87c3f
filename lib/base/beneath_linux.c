/* SPDX-License-Identifier: ISC */
/*
 * beneath_linux.c - opening below a directory, by openat2(2)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

int
file_open_beneath(int root, const char *path, int flags, mode_t mode, struct fault *why)
{
	struct open_how how = {
		.flags = (unsigned long long)(flags | O_CLOEXEC | O_NOCTTY),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, root, path, &how, sizeof how);
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	if (fd < 0)
		return fault_errno(why, "open %s", path);
	return (int)fd;
}
