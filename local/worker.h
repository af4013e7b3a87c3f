/* SPDX-License-Identifier: ISC */
/*
 * worker.h - one act in a child process that has become somebody
 *
 * The parent is root and touches nothing of the user's; the child has the
 * user's rights, the content through a pipe, a socket for its report, and no
 * other descriptor.  The parent believes of the report no more than its form.
 * The child is a session of its own, so that whatever it started can be ended
 * with it when its time is over.
 *
 * Making a child, becoming somebody and closing the sandbox costs more than a delivery. A child may
 * therefore stay for another act of the same kind (local/kept.h says which): hear() says so,
 * the child hears of the next by worker_next, and declines what it cannot do as it is.
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
	int     programs;              /* the socket by which the user's programs are run (service/programs.h), or -1 */
};

struct worker_job {
	const struct identity        *who;
	const char                   *root;       /* pipe(8): chroot there before becoming somebody; NULL: no */
	const struct message_content *feed;       /* NULL: nothing is fed */
	bool                          programs;   /* it may want programs run (service/programs.h): */
	const char                   *user, *home;                           /* theirs */
	int64_t                       limit_ms;
	void (*work)(struct worker *, void *context);                        /* in the child */
	/* in the parent, each frame: 0, -1; 1: that was all, and the child stays, if the caller of worker_run will have it */
	int (*hear)(void *context, struct frame *, struct fault *);
	void                         *context;
};

/* One that stays; pid 0: none. */
struct worker_child {
	pid_t pid;
	int   input, report;
};

/* 0 when the child ended by itself, or stays (*stays, which must be none; NULL: it may not);
 * -1: it could not start, was killed, ran out of time (FAULT_TIME), or reported nonsense. */
WAITS int worker_run(const struct worker_job *, struct worker_child *stays, struct fault *);

/* Another act of a child that stayed; job->work and job->who are not looked at. As worker_run, and 1: it had ended,
 * declined, or spoken unasked, and nothing was done. What does not stay once more is ended, and *child is none. */
WAITS int worker_again(struct worker_child *child, struct frame *request, const struct worker_job *, struct fault *);
void worker_dismiss(struct worker_child *);          /* none is fine */

/* In the child.  worker_read replaces *into; len 0 at the end of the content; a
 * content that is cut short (the parent died) is a fault, never an end. */
WAITS int  worker_read(struct worker *, size_t limit, struct text *into, struct fault *);
void worker_unread(struct worker *, struct span);
WAITS void worker_tell(struct worker *, struct frame *);
/* When the child has said that it stays: the next request, whose content has `size` bytes. False: it is to end. */
WAITS bool worker_next(struct worker *, int64_t deadline, struct frame *request);
WAITS void worker_decline(struct worker *);          /* and then it ends */

#endif
