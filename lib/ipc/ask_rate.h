/* SPDX-License-Identifier: ISC */
/*
 * ask_rate.h - counting clients.  asks: smtpd, login programs.  answers: anvil.
 *
 *   count  what=connect|disconnect|mail|rcpt|auth|newtls service=smtp client=192.0.2.1   | counted concurrency=3 rate=17
 *
 * An anvil that does not answer in time counts as zero: it must not stop mail.
 */
#ifndef IPC_ASK_RATE_H
#define IPC_ASK_RATE_H

#include "ipc/frame.h"

struct rate { int64_t concurrency, rate; };   /* sessions now; events in the last anvil_rate_time_unit */
WAITS int ask_rate(const char *what, struct span service, struct span client, struct rate *, struct fault *);

#endif
