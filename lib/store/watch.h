/* SPDX-License-Identifier: ISC */
/*
 * watch.h - to be told that an open mailbox changed
 *
 * On Linux by inotify: the descriptor becomes readable.  Elsewhere, and where
 * inotify is used up, watch_fd is -1 and one looks every WATCH_POLL_MS.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include "store/folder.h"

enum { WATCH_POLL_MS = 15000 };

struct watch {
	int fd;
};

void watch_start(struct watch *, const struct folder *);
void watch_stop(struct watch *);
int  watch_fd(const struct watch *);
void watch_drain(struct watch *);        /* takes what is told; then folder_sync */

/* Is that a file system whose every change is told (none that other machines write to)? */
bool watch_sees_all(int dir);

/*
 * Many directories by one descriptor.  Each is added with a number of the caller's; one that is added again
 * has the last.  Where inotify is missing or used up, add says false and fd is -1: the
 * caller looks at intervals.
 *
 *   watch_many_start(&w); watch_many_add(&w, dir, "/home/a/Maildir/.x/new", 7)
 *   ... fd is readable: while (watch_many_next(&w, &number, &name)) ...
 */
enum { WATCH_LOST = 0 };         /* a number that means: too much happened, look at everything */

struct watch_many {
	int                fd;
	struct watch_mark *marks;      /* owned */
	size_t             count;
	struct text        heard, name; /* events that were read; of the last one */
};

void watch_many_start(struct watch_many *);
void watch_many_stop(struct watch_many *);
/* Names that come and go in that directory; `path` serves where /proc is not to be seen. */
bool watch_many_add(struct watch_many *, int dir, const char *path, uint32_t number);
void watch_many_drop(struct watch_many *, uint32_t number);
/* What happened next; the name is borrowed until the next call. False: nothing (more). */
bool watch_many_next(struct watch_many *, uint32_t *number, struct span *name);

#endif
