/* SPDX-License-Identifier: ISC */
/*
 * queue_import_reason.c - why Postfix has not delivered, or has: its logs of one message
 */
#include "base/file.h"
#include "queue/postfix_directory.h"
#include "queue/queue_import_private.h"

enum { LOG_LIMIT = 64 << 20 };

const char *const import_log_names[LOGS] = {"bounce", "defer", "trace"};

/* By where the recipient stands in the file, or, where a log does not say that, by address. */
static struct span
reason_key(struct arena *arena, int64_t at, struct span address)
{
	return at ? span_of(arena_format(arena, "%lld", (long long)at)) : span_of(arena_format(arena, "<%.*s>", SPAN_ARGS(address)));
}

/* Without its reasons a recipient that was refused would be done, and nobody told: then the message stays where it is. */
int
import_log(struct letter *l, int which, struct fault *why)
{
	autoclose int         dir = -1, fd = -1;
	autotext struct text  bytes = {0};
	struct postfix_reason r;
	struct span           rest;
	int                   got = postfix_find(l->i->root, import_log_names[which], l->id, &dir, &fd, why);

	if (got != 0)
		return got < 0 ? -1 : 0;
	if (file_read_fd(fd, LOG_LIMIT, &bytes, why) < 0)
		return fault_prefix(why, "its log in %s", import_log_names[which]);
	rest = arena_span(l->arena, text_span(&bytes));
	l->reasons[which] = strmap_new();
	while (postfix_reason_next(&rest, &r)) {
		struct postfix_reason *kept = arena_alloc(l->arena, sizeof *kept);

		*kept = r;
		strmap_put(l->reasons[which], reason_key(l->arena, kept->at, kept->recipient), kept);
	}
	return 0;
}

const struct postfix_reason *
import_reason(const struct letter *l, int which, const struct postfix_rcpt *r)
{
	const struct postfix_reason *found;

	if (!l->reasons[which])
		return NULL;
	found = strmap_get(l->reasons[which], reason_key(l->arena, r->at, r->address));
	return found ? found : strmap_get(l->reasons[which], reason_key(l->arena, 0, r->address));
}
