/* SPDX-License-Identifier: ISC */
/*
 * snapshot.h - a mailbox as it was looked at last, kept beside it
 *
 * To open a mailbox that nobody touched since costs neither a look into new/ and cur/ nor reading
 * the uidlist: UIDs, flags and file names come from a file that is mapped: entries are looked at once, names only when they are asked for.
 * That nobody touched the mailbox is known from the times of the two directories and from the uidlist being the same file;
 * times that were not yet settled when they were taken prove nothing, and then nothing is kept.  Nothing is kept
 * either while messages are in new/, nor of mailboxes with a \Seen of one's own (seen.h).
 *
 * The file is postern.snapshot in the mailbox, or postern.snapshot.<hash> where the index is (index.h) when that is apart from
 * the mail or the mailbox is another's.  It is a cache, and may be deleted.  It is written
 * once, under another name, and never again once it has its own: it is replaced.  Others
 * may do that (cp -a of a backup): a session that maps it is told first, and copies what it has (mapping.h).  Only a file that nobody but this user could write is mapped: who has it changed
 * all the same has only himself to harm, as with the index.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/index.h"

/* Fills a folder that was opened and not looked at yet, as if it had been looked at when the snapshot was
 * made: a sync then finds out whether that still holds.  False: there is none, nothing was done. */
WAITS bool snapshot_load(struct folder *);

/* Keeps the folder as it is, when that is worth it and certain. */
WAITS void snapshot_save(struct folder *);

#endif
