/* SPDX-License-Identifier: ISC */
/*
 * shared_mode.c - files in a mailbox that is shared by the file system's groups
 */
#include "store/shared_mode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

void
shared_mode_follow(int dir, int fd)
{
	struct stat above, own;
	mode_t      bits;

	if (fstat(dir, &above) < 0 || !(above.st_mode & 0070)
		|| (!(above.st_mode & (S_ISGID | S_IWGRP)) && above.st_gid == getegid()) || fstat(fd, &own) < 0)
		return;
	bits = S_ISDIR(own.st_mode) ? above.st_mode & (S_ISGID | 0070) : above.st_mode & 0060;
	if ((own.st_mode & bits) == bits && own.st_gid == above.st_gid)
		return;
	if (own.st_gid != above.st_gid && fchown(fd, (uid_t)-1, above.st_gid) < 0)
		return;
	fchmod(fd, (own.st_mode & 07777) | bits);
}

void
shared_mode_follow_directory(int dir, const char *name)
{
	autoclose int fd = file_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (fd >= 0)
		shared_mode_follow(dir, fd);
}
