/* SPDX-License-Identifier: ISC */
/*
 * publish_portable.c - rename that never overwrites, by link(2) and unlink(2)
 */
#include "store/publish.h"

#include <unistd.h>

int
publish_no_replace(int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return fault_errno(why, "link %s to %s", from, to);
	unlinkat(from_dir, from, 0);
	return 0;
}
