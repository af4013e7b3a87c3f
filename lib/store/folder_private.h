/* SPDX-License-Identifier: ISC */
/*
 * folder_private.h - shared by the files of an open mailbox alone
 */
#ifndef STORE_FOLDER_PRIVATE_H
#define STORE_FOLDER_PRIVATE_H

#include <stdlib.h>

#include "store/dotlock.h"
#include "store/folder.h"
#include "store/scan.h"

enum { FOLDER_LOCK_WAIT_MS = 30000 };

WAITS int folder_lock(struct folder *, struct dotlock *, struct fault *);

/* Looks again while the lock is held: what is seen then changes under no
 * program that keeps the lock, so that a second try succeeds.  `outdated`: a
 * name was not there any more, which is believed more than times and events. */
WAITS int folder_sync_held(struct folder *, bool outdated, struct fault *);

/* folder_open without its sync. */
WAITS int folder_begin(struct maildir *, const char *name, unsigned options, struct folder **, struct fault *);

/* Those that f->dir and its two subdirectories shall be, of its name. */
WAITS int folder_open_directories(struct folder *, struct fault *);
int folder_deleted(struct fault *);                  /* -1, error ENOENT: the mailbox is not the one that it was */

/* The times of new/ and cur/ now; whether they can prove anything. */
struct folder_stamp folder_stamp(const struct folder *);
bool folder_stamp_is_settled(const struct folder_stamp *);
bool folder_stamp_differs(const struct folder_stamp *, const struct folder_stamp *);

/* Another name for it, given; NULL: none any more. */
static inline void
message_rename(struct message *m, char *name)
{
	if (!m->lent && !m->pooled)
		free(m->name.own);
	m->name.own = name;
	m->lent = m->pooled = false;
}

/* All of them with what they own, and the snapshot that lent them. */
void folder_drop_messages(struct folder *);

/* A message's flags or its being there changed: for history.h. */
void folder_touch(struct folder *, uint32_t uid);

/* new/ to cur/: whoever moves it is the one for whom it is \Recent. */
void folder_move_new(struct folder *);

/* The entry of a scan for each record of the list; NULL: no file, or a later record of the same base. */
struct matching {
	struct scan_entry **of;        /* owned */
	size_t              matched;   /* entries that have a record */
};

/* folder_assign.c: has every file of the scan a UID?  Else looks again under the lock and gives them one;
 * `held`: the caller has the lock already. */
bool folder_is_all_known(const struct folder *, const struct scan *, const struct matching *);
WAITS int folder_assign_uids(struct folder *, struct scan *, bool held, struct fault *);

/* Up to date by what inotify told (f->watch): 0; 1: one has to look at everything. */
WAITS int folder_follow(struct folder *, struct fault *);

/* folder_adopt.c: what Courier and Dovecot kept of a mailbox outside names and uidlist. The lock is held,
 * but for the questions. */
bool folder_may_adopt(const struct folder *);
bool folder_has_more_keywords(int dir, const struct keywords *);   /* perhaps, in Dovecot's index */
WAITS int folder_adopt_keywords(struct folder *, struct scan *, struct fault *);
WAITS void folder_adopt_uidls(struct folder *);      /* all messages are in f->list */

#endif
