/* SPDX-License-Identifier: ISC */
/*
 * test_children.c - many programs at once: their words in order, their ends, those that are killed
 */
#include <sys/wait.h>
#include <unistd.h>

#include "base/children.h"
#include "base/file.h"
#include "base/text.h"
#include "../unit.h"

enum { MANY = 40, LARGE = 300000 };

struct heard {
	size_t      count;
	int         status[MANY];
	struct text said[MANY];
};

static void
take_words(void *with, size_t i, struct span said, int status)
{
	struct heard *h = with;

	ck_assert(i == h->count++);
	h->status[i] = status;
	text_add(&h->said[i], said);
}

static void
forget(struct heard *h)
{
	for (size_t i = 0; i < h->count; i++)
		text_free(&h->said[i]);
}

/* More than a pipe holds, from those whose turn has not come too. */
static void
say_much(void *with, size_t i, int out)
{
	autofree char *much = mem_alloc(LARGE);

	(void)with;
	memset(much, 'a' + (int)i % 26, LARGE);
	file_write(out, (struct span){much, LARGE}, NULL);
	_exit((int)i);
}

UNIT_TEST(all_is_heard_in_order)
{
	struct heard h = {0};

	children_run(&(struct children){.count = MANY, .limit = LARGE, .with = &h, .become = say_much, .hear = take_words});
	ck_assert(h.count == MANY);
	for (int i = 0; i < MANY; i++) {
		ck_assert(WIFEXITED(h.status[i]) && WEXITSTATUS(h.status[i]) == i);
		ck_assert(h.said[i].len == LARGE && h.said[i].at[LARGE - 1] == 'a' + i % 26);
	}
	forget(&h);
}
END_TEST

/* Each waits for the other's word, which it could not in a row. */
static void
wait_for_the_other(void *with, size_t i, int out)
{
	const int (*ends)[2] = with;
	char      byte;

	(void)out;
	if (write(ends[i][1], "x", 1) != 1 || read(ends[!i][0], &byte, 1) != 1)
		_exit(1);
	_exit(0);
}

static size_t successes;

static void
count_success(void *with, size_t i, struct span said, int status)
{
	(void)with;
	(void)i;
	(void)said;
	successes += WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

UNIT_TEST(they_run_at_the_same_time)
{
	int ends[2][2];

	ck_assert(pipe(ends[0]) == 0 && pipe(ends[1]) == 0);
	children_run(&(struct children){.count = 2, .limit = 1, .patience = 60000, .with = ends,
	                                .become = wait_for_the_other, .hear = count_success});
	ck_assert_uint_eq(successes, 2);
	for (int i = 0; i < 2; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}
END_TEST

static void
say_nothing(void *with, size_t i, int out)
{
	(void)with;
	(void)i;
	(void)out;
	for (;;)
		pause();
}

UNIT_TEST(the_silent_are_killed)
{
	struct heard h = {0};

	children_run(&(struct children){.count = 3, .limit = 1, .patience = 50, .with = &h,
	                                .become = say_nothing, .hear = take_words});
	ck_assert(h.count == 3);
	for (int i = 0; i < 3; i++)
		ck_assert(WIFSIGNALED(h.status[i]) && h.said[i].len == 0);
	forget(&h);
}
END_TEST

static void
first_never_ends(void *with, size_t i, int out)
{
	(void)with;
	while (i == 0)
		file_write(out, SPAN("words"), NULL);
	file_write(out, SPAN("well"), NULL);
	_exit(0);
}

UNIT_TEST(the_endless_are_killed)
{
	struct heard h = {0};

	children_run(&(struct children){.count = 2, .limit = 100000, .with = &h,
	                                .become = first_never_ends, .hear = take_words});
	ck_assert(h.count == 2 && WIFSIGNALED(h.status[0]) && WIFEXITED(h.status[1]));
	ck_span(text_span(&h.said[1]), "well");
	forget(&h);
}
END_TEST

/* A program that cannot be run: what become leaves behind is its end. */
static void
return_at_once(void *with, size_t i, int out)
{
	(void)with;
	(void)i;
	(void)out;
}

UNIT_TEST(a_child_never_comes_back)
{
	struct heard h = {0};

	children_run(&(struct children){.count = 1, .limit = 1, .with = &h, .become = return_at_once, .hear = take_words});
	ck_assert(h.count == 1 && WIFEXITED(h.status[0]) && WEXITSTATUS(h.status[0]) == 127);
	forget(&h);
}
END_TEST

UNIT_MAIN("base/children", all_is_heard_in_order, they_run_at_the_same_time, the_silent_are_killed,
          the_endless_are_killed, a_child_never_comes_back)
