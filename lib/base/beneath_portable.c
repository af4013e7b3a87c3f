/* SPDX-License-Identifier: ISC */
/*
 * beneath_portable.c - opening below a directory, one component at a time
 *
 * For systems without openat2: O_NOFOLLOW on each component, and no "..".
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

int
file_open_beneath(int root, const char *path, int flags, mode_t mode, struct fault *why)
{
	autoclose int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);
	struct span   rest = span_of(path), part;

	if (dir < 0)
		return fault_errno(why, "open %s", path);
	while (span_next(&rest, "/", &part)) {
		autofree char *name = mem_span(part);
		bool           last = rest.len == 0;
		int            fd;

		if (span_is(part, "..") || (path[0] == '/')) {
			errno = EXDEV;
			return fault_errno(why, "open %s", path);
		}
		fd = openat(dir, name,
		            (last ? flags : O_RDONLY | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
		if (fd < 0)
			return fault_errno(why, "open %s", path);
		close(dir);
		dir = fd;
	}
	return take_fd(dir);
}
