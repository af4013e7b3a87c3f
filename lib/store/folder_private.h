/* SPDX-License-Identifier: ISC */
/*
 * folder_private.h - shared by the files of an open mailbox alone
 */
#ifndef STORE_FOLDER_PRIVATE_H
#define STORE_FOLDER_PRIVATE_H

#include "store/dotlock.h"
#include "store/folder.h"
#include "store/scan.h"

enum { FOLDER_LOCK_WAIT_MS = 30000 };

WAITS int folder_lock(struct folder *, struct dotlock *, struct fault *);

/* Looks again while the lock is held: what is seen then changes under no
 * program that keeps the lock, so that a second try succeeds. */
WAITS int folder_sync_held(struct folder *, struct fault *);

/* folder_adopt.c: what Courier and Dovecot kept of a mailbox outside names and uidlist. The lock is held,
 * but for the questions. */
bool folder_may_adopt(const struct folder *);
bool folder_has_more_keywords(int dir, const struct keywords *);   /* perhaps, in Dovecot's index */
WAITS int folder_adopt_keywords(struct folder *, struct scan *, struct fault *);
WAITS void folder_adopt_uidls(struct folder *);      /* all messages are in f->list */

#endif
