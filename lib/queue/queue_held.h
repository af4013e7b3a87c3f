/* SPDX-License-Identifier: ISC */
/*
 * queue_held.h - where a message that goes over waits until its new form is where it belongs (queue_move.h)
 *
 * A directory in the queue that the message leaves; nobody delivers from it. The file "for" names the
 * other queue, all else are messages: a name in it says that the old side owns that one no more.
 */
#ifndef QUEUE_QUEUE_HELD_H
#define QUEUE_QUEUE_HELD_H

#include "base/fault.h"
#include "base/text.h"
#include "queue/queue_id.h"

/*
 * Opened (owned), made where it is missing; `partner` is the real path of the other queue. Messages that lie in it
 * are refused unless they are on the way to that partner and `goes_on`: what was made of them is there.
 */
int held_open(int root, const char *name, const char *partner, bool goes_on, struct fault *);
void held_remove(int root, const char *name, int held);         /* if it is empty; closed in any case; -1 is fine */

/* One rename out of the queue, made durable on both sides. */
int held_take(int held, const char *name, int from, const char *id, struct fault *);
int held_drop(int held, const char *name, struct fault *);      /* 0 also when it is not there */

/* The names in a directory of the bridge, a line each, without those that begin with a dot. */
int held_names(int dir, struct text *names, struct fault *);
bool held_lists(const struct text *names, struct span name);

/* A rename that overwrites nothing: FAULT_INPUT when `to` is there. */
int held_publish(int from_dir, const char *from, int to_dir, const char *to, struct fault *);

/* For a message whose id another one has: this moment, and chance from a range of its own. The counter of a queue (queue.h)
 * is left to those who run in it. */
void held_new_id(struct queue_id *);

#endif
