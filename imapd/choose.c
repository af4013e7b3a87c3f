/* SPDX-License-Identifier: ISC */
/*
 * choose.c - which messages a command names: sets, "$" (RFC 5182), and a page of them (RFC 9394)
 */
#include "session.h"

static bool
is_saved(const struct argument *a)
{
	return a->type == ARGUMENT_ATOM && span_is(a->text, "$");
}

bool
imap_parse_set(struct imap_session *s, const struct argument *a, bool uids, struct sequence *out)
{
	if (!a || a->type != ARGUMENT_ATOM)
		return false;
	if (!is_saved(a))
		return sequence_parse(s->arena, a->text, out);
	*out = (struct sequence){.ranges = arena_alloc(s->arena, (s->saved_count + 1) * sizeof *out->ranges),
		.resolved = true};
	for (size_t i = 0; i < s->saved_count; i++) {
		size_t   at = view_position(&s->view, s->saved[i]);
		uint32_t n = uids ? s->saved[i] : (uint32_t)at + 1;

		if (at < s->view.count)
			out->ranges[out->count++] = (struct sequence_range){n, n};
	}
	return true;
}

int
imap_choose(struct imap_session *s, const struct argument *a, size_t **positions, size_t *count)
{
	struct sequence set;
	bool            uids = s->command.uid || is_saved(a);

	if (imap_parse_set(s, a, uids, &set)
		&& view_choose(&s->view, &set, uids, positions, count, s->arena) == 0)
		return 0;
	imap_finish(s, "BAD Invalid messageset.");
	return -1;
}

void
imap_page(int64_t from, int64_t to, size_t **positions, size_t *count)
{
	int64_t n = (int64_t)*count, a = from > 0 ? from : n + 1 + from, b = to > 0 ? to : n + 1 + to;
	int64_t low = a < b ? a : b, high = a < b ? b : a;

	if (low < 1)
		low = 1;
	if (high > n)
		high = n;
	*positions += low <= high ? low - 1 : 0;
	*count = low <= high ? (size_t)(high - low + 1) : 0;
}
