/* SPDX-License-Identifier: ISC */
/*
 * task.c - threads for sessions, and the lock of a monitor
 */
#include "base/task.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { STACK_SIZE = 256 * 1024, STACK_WIPED = STACK_SIZE * 3 / 4, SPARE_MAX = 16 };

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

/*
 * A thread whose task is over waits for the next one for a while: to make a
 * thread and to end it costs more than many a session.  The one that came
 * last goes first, since its stack is warm.
 */
struct thread {
	pthread_cond_t called;
	struct thread *next;
	void         (*run)(void *);
	void          *argument;
};

static struct {
	struct monitor lock;
	struct thread *spare;
	int            n_spare;
} pool = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static bool
give_to_spare(void (*run)(void *), void *argument)
{
	struct thread *t;

	monitor_enter(&pool.lock);
	t = pool.spare;
	if (t) {
		pool.spare = t->next;
		pool.n_spare--;
		t->run = run;
		t->argument = argument;
		pthread_cond_signal(&t->called);
	}
	monitor_leave(&pool.lock);
	return t != NULL;
}

/* False when there are enough spare threads without this one. */
static bool
wait_for_task(struct thread *t)
{
	monitor_enter(&pool.lock);
	t->run = NULL;
	if (pool.n_spare < SPARE_MAX) {
		t->next = pool.spare;
		pool.spare = t;
		pool.n_spare++;
		while (!t->run)
			pthread_cond_wait(&t->called, &pool.lock.mutex);
	}
	monitor_leave(&pool.lock);
	return t->run != NULL;
}

/*
 * What a finished session left on the stack is not for the next one (DESIGN.md 3).
 * Whole pages go back to the kernel, which also frees what a deep session
 * touched; what lies between them and the caller is written over.  A quarter of
 * the stack is left out, because glibc keeps a thread's own variables at its top.
 */
static __attribute__((noinline)) void
wipe_page(void)
{
	unsigned char page[4096];

	mem_wipe(page, sizeof page);
}

static __attribute__((noinline)) void
wipe_stack(void)
{
	unsigned char page[4096];
	uintptr_t     size = (uintptr_t) sysconf(_SC_PAGESIZE), end = (uintptr_t) page / size * size;

	mem_wipe(page, sizeof page);
	wipe_page();
	madvise((void *) (end - STACK_WIPED), STACK_WIPED, MADV_DONTNEED);
}

static void *
begin(void *given)
{
	struct thread *t = given;

	do {
		t->run(t->argument);
		wipe_stack();
	} while (wait_for_task(t));
	pthread_cond_destroy(&t->called);
	free(t);
	return NULL;
}

int
task_start(void (*run)(void *), void *argument, struct fault *why)
{
	struct thread *t;
	pthread_attr_t attributes;
	pthread_t      thread;
	sigset_t       all, before;
	int            error;

	if (give_to_spare(run, argument))
		return 0;
	t = mem_alloc(sizeof *t);
	*t = (struct thread){.called = PTHREAD_COND_INITIALIZER, .run = run, .argument = argument};
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, begin, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error) {
		free(t);
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
