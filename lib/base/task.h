/* SPDX-License-Identifier: ISC */
/*
 * task.h - a session is straight-line code in a thread; monitors share
 *
 * WAITS marks a function that may wait for a disk or a peer; it is never
 * called with a monitor's lock held.
 *
 * A monitor is one struct, one file, one lock.  monitor_wait gives the lock
 * up while it waits and has it again when it returns; it returns false when
 * the deadline came.
 *
 *   monitor_enter(&m->lock);
 *   ... a short section ...
 *   monitor_leave(&m->lock);
 */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

#define WAITS

struct monitor {
	pthread_mutex_t mutex;
	pthread_cond_t  changed;
};

void monitor_init(struct monitor *);
void monitor_enter(struct monitor *);
void monitor_leave(struct monitor *);
bool monitor_wait(struct monitor *, int64_t deadline);
void monitor_wake(struct monitor *);          /* all that wait */

/* Starts run(argument) in a detached task: 256 KiB of stack and a guard page,
 * all signals blocked. The thread of a task that is over may serve the next. */
int task_start(void (*run)(void *), void *argument, struct fault *);

/* Waits until fd is ready for `events` of poll(2) or the deadline: 0 ready,
 * -1 FAULT_TIME or FAULT_SYSTEM.  Any poll event counts as ready. */
WAITS int task_wait_fd(int fd, short events, int64_t deadline, struct fault *);

#endif
