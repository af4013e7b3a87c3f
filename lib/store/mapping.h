/* SPDX-License-Identifier: ISC */
/*
 * mapping.h - is a mapping of a file there, before it is looked at?
 */
#ifndef STORE_MAPPING_H
#define STORE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

/* Reads all of it, where the system can say that it cannot (Linux 5.14), else says yes; what it drops later and cannot
 * read again is a SIGBUS all the same. */
bool mapping_is_readable(void *at, size_t bytes);

/*
 * A mapping of a file that others may cut short: at a page that is not there any more the kernel says SIGBUS, which ends the process. A
 * guarded mapping reads as zeros from that page on instead, and is `lost` from then on: for what has sums.  Of a process with
 * one thread; owned by the caller, who takes the guard away before the mapping.
 */
struct guarded {
	char                 *at;
	size_t                bytes;
	volatile int          lost;
	struct guarded       *next;
};
void mapping_guard(struct guarded *, void *at, size_t bytes);
void mapping_unguard(struct guarded *);                  /* one that is not guarded is fine */

/*
 * A file that has its name is not written to (snapshot.h), but others may do that.  With a lease (fcntl(2), Linux) the kernel tells us
 * first, by SIGIO, and lets them wait until all that is held of such files has been copied to memory: what was mapped stays as it was.
 * False: there is none to be had (a network file system, somebody writes already), and what is needed is to be read.  Of a process
 * with one thread.  The lease is there before the file is looked at, and ends before its descriptor is closed.
 */
struct leased {
	int                   fd;
	bool                  has;
	volatile int          broken;        /* the file is another's now */
	struct leased        *next;
};
bool mapping_lease(struct leased *, int fd);
void mapping_lease_end(struct leased *);
/* A mapping of its file, which is held until it is dropped; false: the lease was broken before. */
bool mapping_hold(const struct leased *, void *at, size_t bytes);
void mapping_drop(void *at);                             /* before it is unmapped; one that is not held is fine */

#endif
