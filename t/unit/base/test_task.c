/* SPDX-License-Identifier: ISC */
/*
 * test_task.c - what one session leaves behind, the next must not find (DESIGN.md 3)
 */
#include "base/task.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "../unit.h"

enum { DEEP = 60, FRAME = 2048, MARK = 0xa7 };

static struct monitor lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
static int            over;
static size_t         found;
static uintptr_t      at[2];

static __attribute__((noinline)) void
leave_marks(int depth)
{
	volatile unsigned char frame[FRAME];

	for (int i = 0; i < FRAME; i++)
		frame[i] = MARK;
	if (depth > 0)
		leave_marks(depth - 1);
	__asm__ volatile("" : : "r"(frame) : "memory");
}

/* Reads what it never wrote, on purpose: that is what an intruder would do. */
static __attribute__((noinline, no_sanitize("address"))) void
look_for_marks(int depth)
{
	volatile unsigned char frame[FRAME];

	__asm__ volatile("" : : "r"(frame) : "memory");
	for (int i = 0; i + 4 <= FRAME; i++)
		found += frame[i] == MARK && frame[i + 1] == MARK && frame[i + 2] == MARK && frame[i + 3] == MARK;
	if (depth > 0)
		look_for_marks(depth - 1);
	__asm__ volatile("" : : "r"(frame) : "memory");
}

static void
ended(void *frame, int which)
{
	at[which] = (uintptr_t) frame;
	monitor_enter(&lock);
	over++;
	monitor_wake(&lock);
	monitor_leave(&lock);
}

static void
first(void *argument)
{
	leave_marks(DEEP);
	ended(&argument, 0);
}

static void
second(void *argument)
{
	look_for_marks(DEEP);
	ended(&argument, 1);
}

static void
run(void (*task)(void *), int until)
{
	struct fault why = {0};

	ck_assert_int_eq(task_start(task, NULL, &why), 0);
	monitor_enter(&lock);
	while (over < until)
		monitor_wait(&lock, CLOCK_NEVER);
	monitor_leave(&lock);
}

/* The thread that ended becomes spare a moment after it told so: tried until the stack is the same one. */
UNIT_TEST(a_reused_stack_is_wiped)
{
	int reused = 0;

	if (SANITIZED) {
		puts("# not under a sanitizer, whose frames wipe_stack does not know");
		return;
	}
	for (int i = 0; i < 200 && reused < 3; i++) {
		found = 0;
		run(first, over + 1);
		run(second, over + 1);
		if (at[0] != at[1])
			continue;
		reused++;
		ck_assert_uint_eq(found, 0);
	}
	ck_assert_int_gt(reused, 0);
}
END_TEST

UNIT_MAIN("base/task", a_reused_stack_is_wiped)
