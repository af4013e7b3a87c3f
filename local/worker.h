/* SPDX-License-Identifier: ISC */
/*
 * worker.h - one act in a child process that has become somebody
 *
 * The parent is root and touches nothing of the user's; the child has the
 * user's rights, the content through a pipe, a socket for its report, and no
 * other descriptor.  The parent believes of the report no more than its form.
 * The child is a session of its own, so that whatever it started can be ended
 * with it when its time is over.
 */
#ifndef LOCAL_WORKER_H
#define LOCAL_WORKER_H

#include "ipc/frame.h"
#include "queue/message.h"
#include "service/privilege.h"

struct worker {
	int     input, report;
	int64_t left;                  /* bytes of content that must still come */
	struct text pending;           /* read already: comes first */
};

struct worker_job {
	const struct identity        *who;
	const char                   *root;       /* pipe(8): chroot there before becoming somebody; NULL: no */
	const struct message_content *feed;       /* NULL: nothing is fed */
	int64_t                       limit_ms;
	void (*work)(struct worker *, void *context);                        /* in the child */
	int (*hear)(void *context, struct frame *, struct fault *); /* in the parent, each frame */
	void                         *context;
};

/* 0 when the child ended by itself; -1: it could not start, was killed, ran
 * out of time (FAULT_TIME), or reported nonsense. */
WAITS int worker_run(const struct worker_job *, struct fault *);

/* In the child.  worker_read replaces *into; len 0 at the end of the content; a
 * content that is cut short (the parent died) is a fault, never an end. */
WAITS int  worker_read(struct worker *, size_t limit, struct text *into, struct fault *);
void worker_unread(struct worker *, struct span);
WAITS void worker_tell(struct worker *, struct frame *);

#endif
