/* SPDX-License-Identifier: ISC */
/*
 * queue_move.h - the messages of a Postfix queue directory become ours, and ours become Postfix's
 *
 * Both while no mail system runs: the caller holds the locks. A message goes over in three steps:
 *
 *   1  its new form is made in a directory beside the new queue, where nobody delivers from,
 *      with marks and reasons, and is on stable storage
 *   2  the old file is removed, durably, and then its logs
 *   3  the new file is renamed into its queue
 *
 * Whatever is killed in between, the next run goes on from there: what stands whole in that directory
 * has its old file removed (when it is still there) and is renamed. So each message is in one queue, and
 * is never delivered by both. The ids stay the same; Postfix gives those of ours that do not suit it
 * others when it starts (postsuper -s).
 *
 * What cannot be read, is not complete, is open elsewhere, or has the id of another message stays where
 * it is, and is named; the others go on. Both queues may be one directory.
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
 * below it; 0; -1. Of our own files only the mode is looked at.
 */
WAITS int queue_is_foreign(const char *root, struct text *path, struct fault *);

#endif
