/* SPDX-License-Identifier: ISC */
/*
 * retry.h - when a message is tried again, and when it is given up
 *
 * Pure. Microseconds since 1970, as in the queue. A clock that went back makes an
 * age of 0: nothing expires early, and nothing is tried later than maximal_backoff_time.
 */
#ifndef QMGR_RETRY_H
#define QMGR_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
	int64_t minimal_backoff, maximal_backoff;       /* ms, as configured */
	int64_t lifetime, bounce_lifetime;              /* ms; bounce: of messages with a null sender */
	int64_t warning;                                /* ms; 0: no delay warnings */
};

/* Its age, but no less than minimal_backoff_time and no more than maximal_backoff_time from now. */
int64_t retry_due(const struct retry_policy *, int64_t arrival_us, int64_t now_us);
bool    retry_expired(const struct retry_policy *, bool null_sender, int64_t arrival_us, int64_t now_us);
int64_t retry_expires(const struct retry_policy *, bool null_sender, int64_t arrival_us);
bool    retry_warns(const struct retry_policy *, int64_t arrival_us, int64_t now_us);

#endif
