/* SPDX-License-Identifier: ISC */
/*
 * outcome.h - what became of one delivery: done, not now, never
 *
 * The text is one line for the log, mailq and the bounce.  Owned by whoever
 * holds the struct; a zeroed outcome is "sent" without text.
 */
#ifndef LOCAL_OUTCOME_H
#define LOCAL_OUTCOME_H

#include "base/text.h"
#include "ipc/deliver.h"

struct outcome {
	enum deliver_action action;
	char                dsn[16];
	struct text         text;
	struct text         mta, diagnostic; /* what the agent that took it over was told: ipc/deliver.h */
	char                report[16];  /* what a success notice says; "": by where it went */
	bool                logged;      /* another agent has written the log line */
};

void outcome_set(struct outcome *, enum deliver_action, const char *dsn, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void outcome_free(struct outcome *);

/* A fault while writing a mailbox: a full disk is 4.2.2, a file that grew too
 * large 5.2.2, the rest 4.2.0. */
void outcome_of_fault(struct outcome *, const struct fault *, const char *doing);

/* As a frame "status" between a worker and its parent. */
void outcome_put(const struct outcome *, struct frame *);
int  outcome_take(struct frame *, struct outcome *, struct fault *);

#endif
