/* SPDX-License-Identifier: ISC */
/*
 * shelf.h - the segments of a mailbox's index, as files
 *
 * Files PREFIXfffffffff-llllllll in a directory: first and last UID that were looked at, hexadecimal.  A file is written
 * under another name, made durable, and renamed, so that it is there whole or not at all; it never changes afterwards.
 * Files may be removed at any time by anybody: what they knew is then read from the messages.  Of files that overlap (a
 * crash between putting one in place and removing those that it replaces) the one that reaches farther from the lowest
 * UID counts.
 *
 * One program at a time writes: the one that holds PREFIXlock.  Readers need no lock; a file that vanishes under them
 * stays readable where it is mapped.
 */
#ifndef SEARCH_SHELF_H
#define SEARCH_SHELF_H

#include "base/fault.h"
#include "base/task.h"
#include "search/segment.h"

struct shelf_file {
	uint32_t              first, last;
	void                 *map;           /* NULL: not a segment of this mailbox */
	size_t                len;
	struct search_segment segment;
};

struct shelf {
	int                directory;        /* borrowed */
	char              *prefix;
	uint32_t           validity;
	struct shelf_file *at;               /* in the order of UIDs, none overlaps */
	size_t             count;
	bool               crowded;          /* there are files that do not count */
	int                lock;             /* -1: not held */
};

void shelf_open(struct shelf *, int directory, const char *prefix, uint32_t validity);
void shelf_close(struct shelf *);

/* Looks which files there are. */
WAITS void shelf_look(struct shelf *);
uint64_t shelf_bytes(const struct shelf *);

/* False: another program writes, or nothing may be written here. */
bool shelf_lock(struct shelf *);
void shelf_unlock(struct shelf *);

/* With the lock held.  The files from `replaced` on (count: none) go when the new one is in place. */
WAITS int shelf_put(struct shelf *, struct span segment, size_t replaced, size_t replaced_count, struct fault *);
/* Removes what does not count. */
WAITS void shelf_tidy(struct shelf *);

#endif
