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

#endif
