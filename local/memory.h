/* SPDX-License-Identifier: ISC */
/*
 * memory.h - what a user's filter has answered and seen: postern-sieve-memory in his Maildir
 *
 * A line "HASH EXPIRY" for each key, added to the end; what expired is dropped when the file has
 * grown, and beyond 40,000 those that would end first.  It is a memory and no truth: when it is lost, a sender is answered once more.  While another program holds it
 * locked for long, it can be read and not added to: nobody is answered then.
 */
#ifndef LOCAL_MEMORY_H
#define LOCAL_MEMORY_H

#include "base/fault.h"
#include "base/task.h"
#include "base/span.h"

struct memory;

WAITS void memory_open(int directory, struct memory **out);     /* borrowed; never fails: it is empty then */
bool       memory_has(const struct memory *, struct span key);
WAITS int  memory_add(struct memory *, struct span key, int64_t seconds, struct fault *);
void       memory_close(struct memory *);                       /* NULL is fine */

#endif
