/* SPDX-License-Identifier: ISC */
/*
 * publish_linux.c - rename that never overwrites, by renameat2(2)
 */
#include "store/publish.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int
publish_no_replace(int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return fault_errno(why, "rename %s to %s", from, to);
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return fault_errno(why, "link %s to %s", from, to);
	unlinkat(from_dir, from, 0);
	return 0;
}
