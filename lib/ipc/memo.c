/* SPDX-License-Identifier: ISC */
/*
 * memo.c - answers, remembered for a moment
 *
 * All are forgotten at once when the oldest is MEMO_MS old: no entry needs a
 * time of its own, and nothing stays in memory that nobody asks for.
 */
#include "ipc/memo.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/strmap.h"
#include "ipc/peer.h"

enum { ENTRIES_MAX = 1000, ENTRY_BYTES_MAX = 2048 };

static struct {
	struct monitor lock;
	struct strmap *answers;         /* "service NUL request" to an owned struct text; NULL: none */
	int64_t        born;
} memo = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static void
free_answer(void *answer)
{
	text_free(answer);
	free(answer);
}

static void
forget_locked(void)
{
	if (memo.answers)
		strmap_free(take(memo.answers), free_answer);
}

static bool
find(struct span key, struct frame *f)
{
	const struct text *answer = NULL;

	monitor_enter(&memo.lock);
	if (memo.answers && clock_now() - memo.born >= MEMO_MS)
		forget_locked();
	if (memo.answers)
		answer = strmap_get(memo.answers, key);
	if (answer) {
		frame_clear(f);
		text_add(&f->bytes, text_span(answer));
	}
	monitor_leave(&memo.lock);
	return answer != NULL;
}

static void
keep(struct span key, const struct frame *f)
{
	struct text *answer = mem_alloc(sizeof *answer), *before;

	text_add(answer, text_span(&f->bytes));
	monitor_enter(&memo.lock);
	if (memo.answers && strmap_count(memo.answers) >= ENTRIES_MAX)
		forget_locked();
	if (!memo.answers) {
		memo.answers = strmap_new();
		memo.born = clock_now();
	}
	before = strmap_put(memo.answers, key, answer);
	monitor_leave(&memo.lock);
	if (before)
		free_answer(before);
}

int
memo_call(const char *service, const char *verb, struct frame *f, int64_t deadline, struct fault *why)
{
	autotext struct text key = {0};

	if (f->bytes.len > ENTRY_BYTES_MAX)
		return peer_call(service, f, deadline, why);
	text_add(&key, span_at(service, strlen(service) + 1));
	text_add(&key, text_span(&f->bytes));
	if (find(text_span(&key), f))
		return 0;
	if (peer_call(service, f, deadline, why) < 0)
		return -1;
	if (frame_is(f, verb) && f->bytes.len <= ENTRY_BYTES_MAX && f->n_fds == 0)
		keep(text_span(&key), f);
	return 0;
}
