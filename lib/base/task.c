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

#ifndef TASK_STACK_KIB /* configure says more for the sanitizers, whose thread-local data lie on it */
#define TASK_STACK_KIB 256
#endif
enum { STACK_SIZE = TASK_STACK_KIB * 1024, SPARE_MAX = 16 };

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
 * last goes first, since its stack is warm.  Stacks are our own mappings, so that
 * what a session left on one can be wiped; whoever makes the next thread joins
 * those that ended and takes their stacks down.
 */
struct thread {
	pthread_cond_t called;
	pthread_t      id;
	struct thread *next;
	void         (*run)(void *);
	void          *argument;
	unsigned char *stack; /* STACK_SIZE above a page that nobody may touch */
};

static struct {
	struct monitor lock;
	struct thread *spare, *ended;
	int            n_spare;
} pool = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static uintptr_t
page_size(void)
{
	return (uintptr_t) sysconf(_SC_PAGESIZE);
}

static struct thread *
thread_new(void (*run)(void *), void *argument)
{
	struct thread *t = mem_alloc(sizeof *t);
	size_t         guard = page_size();
	unsigned char *at = mmap(NULL, guard + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	*t = (struct thread){.called = PTHREAD_COND_INITIALIZER, .run = run, .argument = argument};
	if (at != MAP_FAILED && mprotect(at + guard, STACK_SIZE, PROT_READ | PROT_WRITE) == 0)
		t->stack = at + guard;
	return t;
}

static void
thread_free(struct thread *t)
{
	if (t->stack)
		munmap(t->stack - page_size(), page_size() + STACK_SIZE);
	pthread_cond_destroy(&t->called);
	free(t);
}

/* Those on the list have nothing left to do but to return: joining them is short. `last` is
 * the caller when it ends itself: somebody else will join it. */
static void
bury_ended(struct thread *last)
{
	struct thread *t, *next;

	monitor_enter(&pool.lock);
	t = pool.ended;
	pool.ended = last;
	monitor_leave(&pool.lock);
	for (; t; t = next) {
		next = t->next;
		pthread_join(t->id, NULL);
		thread_free(t);
	}
}

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

/* False when there are enough spare threads without this one: it ends. */
static bool
wait_for_task(struct thread *t)
{
	bool called;

	monitor_enter(&pool.lock);
	t->run = NULL;
	t->next = NULL;
	if (pool.n_spare < SPARE_MAX) {
		t->next = pool.spare;
		pool.spare = t;
		pool.n_spare++;
		while (!t->run)
			pthread_cond_wait(&t->called, &pool.lock.mutex);
	}
	called = t->run != NULL;
	monitor_leave(&pool.lock);
	if (!called)
		bury_ended(t);
	return called;
}

/*
 * What a finished session left on the stack is not for the next one (DESIGN.md 3).
 * Whole pages go back to the kernel, which also frees what a deep session
 * touched; what lies between them and the caller is written over.
 */
static __attribute__((noinline)) void
wipe_page(void)
{
	unsigned char page[4096];

	mem_wipe(page, sizeof page);
}

static __attribute__((noinline)) void
wipe_stack(unsigned char *stack)
{
	unsigned char page[4096];
	/* cppcheck-suppress legacyUninitvar ; its address, not what is in it */
	uintptr_t     low = (uintptr_t) stack, end = (uintptr_t) page / page_size() * page_size();

	mem_wipe(page, sizeof page);
	wipe_page();
	if (end > low)
		madvise(stack, end - low, MADV_DONTNEED);
}

static void *
begin(void *given)
{
	struct thread *t = given;

	t->id = pthread_self();
	do {
		t->run(t->argument);
		wipe_stack(t->stack);
	} while (wait_for_task(t));
	return NULL;
}

static int
thread_start(struct thread *t)
{
	pthread_attr_t attributes;
	sigset_t       all, before;
	pthread_t      id;
	int            error;

	if (!t->stack)
		return ENOMEM;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	error = pthread_attr_setstack(&attributes, t->stack, STACK_SIZE);
	if (!error) {
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(&id, &attributes, begin, t);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attributes);
	return error;
}

int
task_start(void (*run)(void *), void *argument, struct fault *why)
{
	struct thread *t;
	int            error;

	if (give_to_spare(run, argument))
		return 0;
	bury_ended(NULL);
	t = thread_new(run, argument);
	error = thread_start(t);
	if (error) {
		thread_free(t);
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
