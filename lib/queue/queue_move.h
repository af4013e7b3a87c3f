/* SPDX-License-Identifier: ISC */
/*
 * queue_move.h - the messages of a Postfix queue directory become ours, and ours become Postfix's
 *
 * Both while no mail system runs: the caller holds the locks. A message goes over in four steps:
 *
 *   1  its new form is made in a directory beside the new queue, where nobody delivers from,
 *      with marks and reasons, and is on stable storage
 *   2  the old file is renamed out of its queue, to where nobody delivers from (queue_held.h), durably; then its logs are removed
 *   3  the new file is renamed into its queue, over nothing, durably
 *   4  the old file is removed
 *
 * Who owns a message is told by names alone: the old side until 2, nobody until 3, then the new side. Whatever is killed
 * in between, either system may be started and deliver what it owns, and the next run goes on from what is still there: a
 * new form whose old file was taken goes on with 3; one whose old file was not is thrown away, for it may be stale; an
 * old file that was taken, and has no new form any more, has gone over. So each message is in one queue at most, and
 * is never delivered by both. The ids stay the same, unless the other queue has one of that id; Postfix gives those of
 * ours that do not suit it others when it starts (postsuper -s).
 *
 * What cannot be read, is not complete, or is open elsewhere stays where it is, and is named; the
 * others go on. Both queues may be one directory.
 */
#ifndef QUEUE_QUEUE_MOVE_H
#define QUEUE_QUEUE_MOVE_H

#include "queue/queue.h"

struct queue_move {
	const char *postfix;            /* Postfix's queue directory */
	const char *ours;               /* our queue_directory */
	bool        only_look;
	uid_t       owner;              /* of what is made; -1: the caller's */
	int         hash_depth;         /* of Postfix: hash_queue_depth, and hash_queue_names */
	struct span hash_names;
	void      (*left)(const char *path, const char *why);   /* it stays where it is */
	int64_t     moved, n_left;      /* results */
};

/* 0 also when some stayed (n_left); -1: no further, and why. A second call goes on. */
WAITS int queue_import(struct queue_move *, struct fault *);
WAITS int queue_export(struct queue_move *, struct fault *);

/*
 * Is there mail of Postfix in the directory, or a move that was not finished? 1, and the path of one such file
 * below it ("export/...": ours, on its way to Postfix); 0; -1. Of our own files only the mode is looked at.
 */
WAITS int queue_is_foreign(const char *root, struct text *path, struct fault *);

#endif
