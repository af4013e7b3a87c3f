/* SPDX-License-Identifier: ISC */
/*
 * snapshot.h - a mailbox as it was looked at last, kept in the index
 *
 * To open a mailbox that nobody touched since costs neither a look into new/ and cur/ nor reading
 * the uidlist: UIDs and file names come from the index.  That nobody did is known from the
 * times of the two directories and from the uidlist being the same file; times that were not yet
 * settled when they were taken prove nothing, and then nothing is kept.  Nothing is kept either while
 * messages are in new/, nor of mailboxes with a \Seen of one's own (seen.h).
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/index.h"

/* Fills a folder that was opened and not looked at yet, as if it had been looked at when the snapshot was
 * made: a sync then finds out whether that still holds.  False: there is none, nothing was done. */
WAITS bool snapshot_load(struct folder *);

/* Keeps the folder as it is, when that is worth it and certain. */
WAITS void snapshot_save(struct folder *);

/* Messages of one chunk; their names are lent from `names`, which is all names and lies in `bytes`.  Total (for the
 * fuzzer); false: it is none. */
bool snapshot_decode(struct span bytes, struct message *out, size_t room, size_t *count, struct span *names);
void snapshot_encode(const struct message *, size_t count, struct text *out);

#endif
