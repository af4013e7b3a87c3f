/* SPDX-License-Identifier: ISC */
/*
 * folder_private.h - shared by the files of an open mailbox alone
 */
#ifndef STORE_FOLDER_PRIVATE_H
#define STORE_FOLDER_PRIVATE_H

#include "store/dotlock.h"
#include "store/folder.h"

enum { FOLDER_LOCK_WAIT_MS = 30000 };

WAITS int folder_lock(struct folder *, struct dotlock *, struct fault *);

/* Looks again while the lock is held: what is seen then changes under no
 * program that keeps the lock, so that a second try succeeds. */
WAITS int folder_sync_held(struct folder *, struct fault *);

#endif
