/* SPDX-License-Identifier: ISC */
/*
 * publish_link.c - rename that never overwrites, by link(2) and unlink(2), for systems and file systems without another
 *
 * Who is killed between the two leaves both names.
 */
#include "store/publish.h"

#include <errno.h>
#include <unistd.h>

int
publish_by_link(int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return fault_errno(why, "link %s to %s", from, to);
	if (unlinkat(from_dir, from, 0) == 0 || errno == ENOENT)
		return 0;
	fault_errno(why, "remove %s", from);
	unlinkat(to_dir, to, 0);       /* a message that was moved would be in both mailboxes */
	return -1;
}
