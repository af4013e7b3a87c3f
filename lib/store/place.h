/* SPDX-License-Identifier: ISC */
/*
 * place.h - messages put into a mailbox all together: APPEND, COPY, MOVE
 *
 *   placing_begin    locks the target's uidlist and reads it
 *   placing_link     a message of another mailbox, as a hard link with the same base
 *   placing_file     a file in the target's tmp/ (maildir_delivery_hold)
 *   placing_commit   directories, then the uidlist are durable: only now is it done
 *   placing_abort    what was placed is removed again: all or nothing
 *
 * Both ends free it.  While it is held, no other folder function may be called
 * on the same mailbox: the lock excludes this process too.
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "store/folder.h"

struct placing;
struct index;

/* `index`: knows which UIDs the target gave (history.h), NULL: none does.  `open`: the target as the caller has it open, which
 * spares reading its uidlist; NULL: it has not. */
WAITS int placing_begin(struct maildir *, const char *folder, struct index *, struct folder *open, struct placing **out, struct fault *);
/* The target's number of a keyword, made when missing. */
WAITS int placing_keyword(struct placing *, struct span name, int *number, struct fault *);
/* tmp_name is renamed into place; keywords are the target's. */
WAITS int placing_file(struct placing *, const char *tmp_name, uint64_t size, uint64_t full_size,
	unsigned flags, uint64_t keywords, uint32_t *uid, struct fault *);
WAITS int placing_commit(struct placing *, uint32_t *validity, struct fault *);
void placing_abort(struct placing *);        /* NULL is fine */

/* Copies messages (uids ascending) of an open mailbox into one of `to`; *copied gets pairs of
 * source and target UIDs (owned).  With `move`, they are removed at the source
 * once the copies are durable.  Messages that are gone are passed over.  Where the target is another's, each gets
 * a file of its own: a link would stay the first owner's.  Flags that may
 * not be set there stay behind. */
struct copied {
	uint32_t *from, *to;
	size_t    count;
	uint32_t  validity;
};
void copied_free(struct copied *);
struct copy_target {
	struct maildir *maildir;
	const char     *folder;
	unsigned        flags;         /* of enum message_flag, that may be set there */
	bool            keywords;
};
WAITS int folder_copy(struct folder *, const uint32_t *uids, size_t count, const struct copy_target *, bool move,
	struct copied *, struct fault *);

#endif
