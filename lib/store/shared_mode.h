/* SPDX-License-Identifier: ISC */
/*
 * shared_mode.h - files in a mailbox that is shared by the file system's groups
 *
 * Where users have uids of their own, a mailbox is shared by the group and the mode of its directories, as with
 * Dovecot: mode 2770 and a group that both are in.  What is made in such a directory gets its group and its
 * group's bits.  A directory is such a one when it is set-gid, writable for its group, or of a group that is
 * not the process's own; any other says nothing, and files stay their owner's.
 */
#ifndef STORE_SHARED_MODE_H
#define STORE_SHARED_MODE_H

/* For a file or directory that was just made in `dir`; cannot fail: what may not be given stays private. */
void shared_mode_follow(int dir, int fd);
void shared_mode_follow_directory(int dir, const char *name);

#endif
