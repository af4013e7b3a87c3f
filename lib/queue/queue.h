/* SPDX-License-Identifier: ISC */
/*
 * queue.h - the queue directories: which messages there are, and in which state
 *
 * A message is one file whose name is its queue id; its state is the directory
 * that it is in:
 *
 *   incoming   committed by cleanup, not yet seen by qmgr ("ID.part": being written)
 *   active     qmgr has it in memory
 *   deferred   waits until its due time, which is the file's mtime
 *   hold       waits for the administrator
 *   corrupt    could not be read: kept for a human, with a warning in the log
 *   maildrop   what postdrop leaves for pickup: other files, see maildrop.h
 *
 * A change of state is one rename: after a crash the file is in one directory
 * or the other, and both are looked at.  Nothing else than lib/queue knows
 * names of files.  Symbolic links are never followed; what is not a regular
 * file is not a message.
 *
 * A struct queue may be shared by all tasks.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/task.h"
#include "queue/queue_id.h"

enum queue_state {
	QUEUE_MAILDROP, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD, QUEUE_CORRUPT,
	QUEUE_STATES
};

struct queue;

/* Makes what is missing of the directories below root (private instances and
 * `postern check`): as root owned by `owner`, maildrop writable for `drop`; -1
 * for either leaves the caller's. */
int queue_make(const char *root, uid_t owner, gid_t drop, struct fault *);

/* Root is "." in a chroot. A maildrop that may not be read is left out (postdrop). */
int  queue_open(const char *root, struct queue **, struct fault *);
void queue_close(struct queue *);                      /* NULL is fine */

const char *queue_state_name(enum queue_state);        /* "incoming" */
bool queue_state_find(struct span name, enum queue_state *);

/* An id that nobody had before. WAITS for the disk once in some thousands. */
WAITS int queue_new_id(struct queue *, int64_t time_us, struct queue_id *, struct fault *);

/*
 * One rename. 0; 1: it is not there (any more); -1 why (ENOSPC in a new
 * directory block, EIO: it stays where it was).  Not made durable: after a
 * power cut it may be where it was, which is legal.  queue_sync makes all
 * earlier changes of that directory durable; tasks that ask at the same time
 * share one flush.
 */
WAITS int queue_move(struct queue *, const char *id, enum queue_state from, enum queue_state to, struct fault *);
WAITS int queue_sync(struct queue *, enum queue_state, struct fault *);

/* 0; 1 not there. It may come back after a power cut, with all recipients done. A file of that name
 * in maildrop goes first: it is the same message. */
WAITS int queue_remove(struct queue *, enum queue_state, const char *id, struct fault *);

/* As queue_remove, but the file goes to another directory, one that nobody delivers from, under its name. */
WAITS int queue_take_out(struct queue *, enum queue_state, const char *id, int to, struct fault *);

/* To corrupt/, durably, with a warning that names the reason. */
WAITS int queue_quarantine(struct queue *, enum queue_state, const char *id, const char *reason, struct fault *);

/* The due time of a deferred message, microseconds since 1970: 0; 1 not there. */
WAITS int queue_due(struct queue *, enum queue_state, const char *id, int64_t *due_us, struct fault *);
WAITS int queue_set_due(struct queue *, enum queue_state, const char *id, int64_t due_us, struct fault *);

/* In which state is it? 0; 1 nowhere. Looks twice, since it may be moved meanwhile. */
WAITS int queue_where(struct queue *, const char *id, enum queue_state *, struct fault *);

/*
 * A walk over one directory in no order, in small steps; what is added or
 * moved meanwhile may be seen or not.  Only valid ids of regular files.
 *   1: *id and *due_us (either may be NULL); 0: the end; -1 why
 */
struct queue_scan;
int  queue_scan_open(struct queue *, enum queue_state, struct queue_scan **, struct fault *);
WAITS int queue_scan_next(struct queue_scan *, struct queue_id *, int64_t *due_us, struct fault *);
/* So many were passed over, since the file system could not tell what they are: the others need not wait for them. */
uint64_t queue_scan_unseen(const struct queue_scan *);
void queue_scan_close(struct queue_scan *);            /* NULL is fine */

/* Removes what writers left behind when they died: older than min_age seconds and
 * locked by nobody. Gives the count. */
WAITS int queue_sweep(struct queue *, int64_t min_age, int *count, struct fault *);

/* Free bytes on the queue's file system: queue_minfree. */
int queue_free_space(struct queue *, int64_t *bytes, struct fault *);

/* For lib/queue's own files and pickup: the directory's descriptor (borrowed). */
int queue_directory(struct queue *, enum queue_state);

#endif
