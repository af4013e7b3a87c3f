/* SPDX-License-Identifier: ISC */
/*
 * due.h - which deferred message is due next, at 32 bytes a message
 *
 * A heap of due times and ids; the truth is the file's mtime. An id may be in
 * it twice, or no longer in deferred/: whoever takes one out looks at the file.
 * Pure; the caller holds the lock.
 *
 * A refill (a walk over deferred/ at start, and now and then) builds a new
 * index beside the old one; what is added meanwhile goes into both.
 */
#ifndef QMGR_DUE_H
#define QMGR_DUE_H

#include "base/span.h"

struct due;
enum { DUE_ID_SIZE = 28 };

struct due *due_new(void);
void   due_free(struct due *);
void   due_add(struct due *, struct span id, int64_t due_us);   /* an id too long for it is left to the next walk */
/* Takes out one that is due at now_us: its id (NUL ended), or false. */
bool   due_take(struct due *, int64_t now_us, char id[DUE_ID_SIZE]);
int64_t due_next(const struct due *);                            /* the earliest; INT64_MAX: empty */
size_t due_count(const struct due *);
/* All of them now (`postqueue -f`); or one: false when it is not there. */
void   due_hurry(struct due *);
bool   due_hurry_one(struct due *, struct span id);
size_t due_hurry_some(struct due *, bool (*wanted)(void *, struct span id), void *);   /* one pass, however many they are */

void   due_refill_begin(struct due *);
void   due_refill(struct due *, struct span id, int64_t due_us);
void   due_refill_end(struct due *);
void   due_refill_cancel(struct due *);

#endif
