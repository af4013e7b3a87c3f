/* SPDX-License-Identifier: ISC */
/*
 * posts.h - processes come and go: a post is manned, deserted, retired
 *
 * `self` is what master knows of itself; master has one thread, and waits in one place
 * (supervise() in main.c).
 */
#ifndef MASTER_POSTS_H
#define MASTER_POSTS_H

#include "master/master.h"

struct supervisor {
	struct plan plan;
	int         signals[2];
	int         tell;                /* to postern; -1 */
	int         pid_file;
	bool        starting, stopping, failed, aborting;
	enum rank   stop_rank;
	int64_t     deadline;            /* of start, or of stop */
	int64_t     throttle_ms;
	/* processes of plans before: they finish what they do */
	struct post **old;
	size_t        n_old;
};

extern struct supervisor self;

/* main.c: a line for postern, who waits for the start. */
void tell_starter(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One more process when all are busy or none is there, now or when it is due again. */
void post_man(struct post *post);
/* The program starts when it is first asked. */
bool post_is_dormant(const struct post *post);
/* A process has said what is wrong. */
void post_fault(struct post *post, const char *text);
/* A post of the plan before: its processes finish what they do. */
void post_retire(struct post *post);
/* Takes in who has ended. */
void posts_reap(void);
void posts_each(void (*act)(struct post *, struct process *));
/* From those at the edge to the guards, rank by rank. */
void posts_begin_stop(void);
bool posts_go_on_stopping(void);

#endif
