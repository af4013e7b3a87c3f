/* SPDX-License-Identifier: ISC */
/*
 * dotlock.h - "<file>.lock" as Dovecot makes it
 *
 * Created O_EXCL in the directory `dir` with "<pid>:<host>" in it.  Stale: made
 * on this host by a process that is dead; else when neither the lock nor the
 * file that it guards has changed for 120 s (30 s for subscriptions), or when it
 * is empty for 5 s.  A holder
 * with long work touches it every 10 s.
 *
 * A lock excludes other processes and this one alike: do not take it twice.
 * dotlock_take fails with FAULT_TIME when the wait is over.
 */
#ifndef STORE_DOTLOCK_H
#define STORE_DOTLOCK_H

#include "base/fault.h"
#include "base/task.h"

struct dotlock {
	int    dir;          /* borrowed; must outlive the lock */
	char   name[64];     /* empty: not held */
	int64_t touched;     /* clock_now() */
};

WAITS int dotlock_take(int dir, const char *file, int stale_seconds, int64_t deadline,
	struct dotlock *out, struct fault *);
void dotlock_touch(struct dotlock *);     /* cheap: acts every 10 s */
void dotlock_release(struct dotlock *);   /* not held is fine */

#endif
