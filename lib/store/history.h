/* SPDX-License-Identifier: ISC */
/*
 * history.h - mod-sequences, expunged UIDs and dates of saving (RFC 7162, RFC 8514)
 *
 * The index keeps for every message the flags that were seen last, the
 * mod-sequence of that change, and when it came, as far as anybody asked (history_dates.c).  Whenever a folder's snapshot
 * differs (by us, by another session, by mutt), the difference becomes history
 * there, in one transaction: a new mod-sequence, greater than all before and
 * not less than the clock.  A snapshot that is itself outdated changes nothing:
 * a name that is not there any more is no evidence; the folder looks again.
 *
 * The index is a cache.  When it is lost, all messages get one new mod-sequence
 * that is beyond every old one: the clock (seconds << 20), the times of new/
 * and cur/ in case the clock was set back, and the file postern-modseq, which is
 * written only while mod-sequences run ahead of the clock.  So HIGHESTMODSEQ
 * never goes back (nor below what a session that is open was told, when it is lost meanwhile), and a client that asks for changes since gets too much
 * rather than too little.  The same after a crash of the machine, which may
 * have cost the index its last transactions.
 *
 * Expunged UIDs are kept for HISTORY_EXPUNGES changes, the highest of all for good.  Without an index
 * folder->modseq stays 0: there is no history (NOMODSEQ).
 */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/index.h"

enum { HISTORY_EXPUNGES = 500 };

/* As folder_open, with a history; index NULL: without. */
WAITS int history_open(struct maildir *, struct index *, const char *name, unsigned options,
	struct folder **out, struct fault *);

struct history_range { uint32_t first, last; };

/* UIDs that were expunged after `since` and are not there now, ascending; owned.  False:
 * the history does not go back so far. */
bool history_vanished(struct folder *, uint64_t since, struct history_range **, size_t *count);

/* Something of the mailbox changed that is no message's: HIGHESTMODSEQ grows (RFC 7162, 3.2). */
WAITS void history_raise(struct folder *);

/* When the message came into this mailbox, in seconds: never too early, and always the same once it was told (unless there is no index,
 * or it is lost).  False: it is gone. */
WAITS bool history_saved(struct folder *, uint32_t uid, int64_t *seconds);

/* The list is locked and up to date, and is to give a UID: none that is known to have been another message's (RFC 9051, 2.3.1.1),
 * although it comes from a backup that is older than the index.  NULL: that of maildir_set_index, if there is one. */
void history_pass_given(struct index *, const struct maildir *, const char *name, struct uidlist *);

/* A chunk of records (for the fuzzer): total; false when it is none. hash: of the base name, since a list that comes from a backup
 * gives UIDs once more. */
struct history_entry { uint32_t uid, hash; uint8_t flags; uint64_t keywords, modseq; int64_t saved; };
bool history_decode(struct span, struct history_entry *out, size_t room, size_t *count);
void history_encode(const struct history_entry *, size_t count, struct text *out);

#endif
