/* SPDX-License-Identifier: ISC */
/*
 * publish_linux.c - rename that never overwrites, by renameat2(2)
 */
#include "store/publish.h"

#include <errno.h>
#include <stdio.h>

int
publish_no_replace(int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return fault_errno(why, "rename %s to %s", from, to);
	return publish_by_link(from_dir, from, to_dir, to, why);
}
