/* SPDX-License-Identifier: ISC */
/*
 * task.c - threads for sessions, and the lock of a monitor
 */
#include "base/task.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum { STACK_SIZE = 256 * 1024 };

void
monitor_init(struct monitor *m)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&m->mutex, NULL);
	pthread_cond_init(&m->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void
monitor_enter(struct monitor *m)
{
	int error = pthread_mutex_lock(&m->mutex);

	assert(error == 0);
}

void
monitor_leave(struct monitor *m)
{
	int error = pthread_mutex_unlock(&m->mutex);

	assert(error == 0);
}

bool
monitor_wait(struct monitor *m, int64_t deadline)
{
	struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

	if (deadline == CLOCK_NEVER)
		return pthread_cond_wait(&m->changed, &m->mutex) == 0;
	return pthread_cond_timedwait(&m->changed, &m->mutex, &until) == 0;
}

void
monitor_wake(struct monitor *m)
{
	pthread_cond_broadcast(&m->changed);
}

struct start {
	void (*run)(void *);
	void *argument;
};

static void *
begin(void *given)
{
	struct start s = *(struct start *)given;

	free(given);
	s.run(s.argument);
	return NULL;
}

int
task_start(void (*run)(void *), void *argument, struct fault *why)
{
	struct start  *s = mem_alloc(sizeof *s);
	pthread_attr_t attributes;
	pthread_t      thread;
	sigset_t       all, before;
	int            error;

	*s = (struct start){run, argument};
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, begin, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error) {
		free(s);
		errno = error;
		return fault_errno(why, "start a task");
	}
	return 0;
}

int
task_wait_fd(int fd, short events, int64_t deadline, struct fault *why)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int           n = poll(&p, 1, clock_left(deadline));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fault_errno(why, "poll");
		if (n == 0 && clock_left(deadline) == 0)
			return fault_set(why, FAULT_TIME, "timed out");
	}
}
