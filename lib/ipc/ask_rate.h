/* SPDX-License-Identifier: ISC */
/*
 * ask_rate.h - counting clients.  asks: smtpd, login programs.  answers: anvil.
 *
 *   count  what=connect|disconnect|mail|rcpt|auth|newtls service=smtp client=192.0.2.1 asker=4711   | counted concurrency=3 rate=17
 *
 * The asker is the process that asks: when its last connection to anvil is gone
 * its clients are taken for disconnected.  An anvil that does not answer in time
 * counts as zero: it must not stop mail.  After a failure it is left alone for some
 * seconds, in which ask_rate fails at once.
 */
#ifndef IPC_ASK_RATE_H
#define IPC_ASK_RATE_H

#include "ipc/frame.h"

struct rate { int64_t concurrency, rate; };   /* sessions now; events in the last anvil_rate_time_unit */
WAITS int ask_rate(const char *what, struct span service, struct span client, struct rate *, struct fault *);

/* anvil's side: the question of a frame (spans are borrowed from it), and the answer. */
struct rate_question {
	struct span what, service, client;
	int64_t     asker;
};
int  rate_question_take(struct frame *, struct rate_question *, struct fault *);
void rate_answer_put(struct frame *, const struct rate *);

#endif
