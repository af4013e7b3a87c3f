/* SPDX-License-Identifier: ISC */
/*
 * queue_fill.c - puts made-up messages into a queue directory, for tests
 *
 *   queue_fill QUEUE STATE COUNT DUE-IN-SECONDS SENDER RECIPIENT...
 *
 * Prints the ids. "%d" in a recipient is the message's number, and "N*address"
 * stands for N recipients, with "%d" their number. STATE is incoming, deferred or hold.
 * With SITES=n in the environment the number is that modulo n.
 * With AGE=seconds in the environment the messages are that old; NOTIFY=bits, VERP=delimiters, FILTER=transport:nexthop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "queue/queue_file.h"

static const char content[] =
	"Received: by test\r\nFrom: a@example.org\r\nSubject: made up\r\n\r\nhello\r\n";

static int64_t
number_in(const char *name)
{
	const char *value = getenv(name);

	return value ? strtoll(value, NULL, 10) : 0;
}

static struct span
text_in(const char *name)
{
	const char *value = getenv(name);

	return value ? span_of(value) : SPAN_NONE;
}

static int
add_rcpt(struct queue_draft *d, struct span pattern, int64_t number, struct fault *why)
{
	autotext struct text address = {0};
	ptrdiff_t            at = span_find_text(pattern, SPAN("%d"));
	struct queue_rcpt r = {
		.original = SPAN_NONE, .orcpt = SPAN_NONE, .notify = (int)number_in("NOTIFY")};

	text_add(&address, at < 0 ? pattern : span_first(pattern, (size_t)at));
	if (at >= 0) {
		text_add_format(&address, "%lld", (long long)number);
		text_add(&address, span_from(pattern, (size_t)at + 2));
	}
	r.address = text_span(&address);
	return queue_draft_rcpt(d, &r, why);
}

static int
add_rcpts(struct queue_draft *d, char **rcpts, int count, int64_t number, struct fault *why)
{
	for (int i = 0; i < count; i++) {
		struct span rest = span_of(rcpts[i]), head;
		uint64_t    many;

		if (!span_split(&rest, '*', &head) || !span_number(head, &many)) {
			if (add_rcpt(d, span_of(rcpts[i]), number, why) < 0)
				return -1;
			continue;
		}
		for (uint64_t k = 0; k < many; k++)
			if (add_rcpt(d, rest, (int64_t)k, why) < 0)
				return -1;
	}
	return 0;
}

static int
make(struct queue *q, enum queue_state state, int64_t due_in, const char *sender, char **rcpts,
     int count, int64_t number, struct fault *why)
{
	struct queue_draft   *d;
	struct queue_envelope e = {.sender = span_of(sender),
	                           .arrival_us = clock_wall() - number_in("AGE") * 1000000,
	                           .verp = text_in("VERP"),
	                           .filter = text_in("FILTER"),
	                           .origin = SPAN("test")};
	struct piece          piece = {QUEUE_CONTENT_AT, sizeof content - 1};
	char                  id[QUEUE_ID_SIZE];
	int64_t               sites = number_in("SITES");

	if (queue_draft_open(q, NULL, &d, why) < 0)
		return -1;
	snprintf(id, sizeof id, "%s", queue_draft_id(d));
	e.content = (struct message_content){.pieces = &piece, .n_pieces = 1, .size = piece.len};
	if (file_write_at(queue_draft_fd(d), span_of(content), QUEUE_CONTENT_AT, why) < 0 ||
	    queue_draft_content(d, piece.len, why) < 0 || queue_draft_envelope(d, &e, why) < 0 ||
	    add_rcpts(d, rcpts, count, sites > 0 ? number % sites : number, why) < 0) {
		queue_draft_abandon(d);
		return -1;
	}
	if (queue_draft_commit(d, state == QUEUE_HOLD ? QUEUE_HOLD : QUEUE_INCOMING, why) < 0)
		return -1;
	printf("%s\n", id);
	if (state != QUEUE_DEFERRED)
		return 0;
	if (queue_set_due(q, QUEUE_INCOMING, id, clock_wall() + due_in * 1000000, why) < 0)
		return -1;
	return queue_move(q, id, QUEUE_INCOMING, QUEUE_DEFERRED, why);
}

int
main(int argc, char **argv)
{
	struct queue    *q;
	struct fault     why = {0};
	enum queue_state state;

	if (argc < 7 || !queue_state_find(span_of(argv[2]), &state)) {
		fprintf(stderr, "usage: queue_fill QUEUE STATE COUNT DUE-IN SENDER RECIPIENT...\n");
		return 64;
	}
	if (queue_make(argv[1], (uid_t)-1, (gid_t)-1, &why) < 0 ||
	    queue_open(argv[1], &q, &why) < 0) {
		fprintf(stderr, "%s\n", fault_text(&why));
		return 1;
	}
	for (int64_t i = 0; i < strtoll(argv[3], NULL, 10); i++)
		if (make(q, state, strtoll(argv[4], NULL, 10), argv[5], argv + 6, argc - 6, i,
		         &why) < 0) {
			fprintf(stderr, "%s\n", fault_text(&why));
			return 1;
		}
	queue_close(q);
	return 0;
}
