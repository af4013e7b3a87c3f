/* SPDX-License-Identifier: ISC */
/*
 * mapping.h - is a mapping of a file there, before it is looked at?
 */
#ifndef STORE_MAPPING_H
#define STORE_MAPPING_H

#include <signal.h>
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
	volatile sig_atomic_t lost;
	struct guarded       *next;
};
void mapping_guard(struct guarded *, void *at, size_t bytes);
void mapping_unguard(struct guarded *);                  /* one that is not guarded is fine */

#endif
