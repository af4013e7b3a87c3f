/* SPDX-License-Identifier: ISC */
/*
 * fuzz_sleep.c - the state of an idling session, and what NOTIFY told: what is read is written the same
 */
#include "../fuzz/fuzz.h"

#include "notify_told.h"
#include "sleep.h"

static void
told(struct span in)
{
	struct arena        *a = arena_new();
	autotext struct text first = {0}, second = {0};
	struct notify_told   t;

	if (notify_told_read(a, in, &t, NULL) == 0) {
		notify_told_write(&t, &first);
		assert(notify_told_read(a, text_span(&first), &t, NULL) == 0);
		notify_told_write(&t, &second);
		assert(span_equal(text_span(&first), text_span(&second)));
	}
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autotext struct text first = {0}, second = {0};
	struct sleep_state   s;

	told(span_at(data, size));
	if (sleep_state_read(span_at(data, size), 100000, &s, NULL) < 0)
		return 0;
	for (size_t i = 1; i < s.count; i++)
		assert(s.at[i].uid > s.at[i - 1].uid);
	sleep_state_write(&s, &first);
	sleep_state_free(&s);
	assert(sleep_state_read(text_span(&first), 100000, &s, NULL) == 0);
	sleep_state_write(&s, &second);
	assert(span_equal(text_span(&first), text_span(&second)));
	sleep_state_free(&s);
	return 0;
}
