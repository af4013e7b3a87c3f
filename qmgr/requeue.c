/* SPDX-License-Identifier: ISC */
/*
 * requeue.c - a new message of the same bytes, for the recipients that are not done
 *
 * The new one is durable before the old one goes. A crash in between leaves
 * both: twice rather than never.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/submit.h"
#include "qmgr.h"

enum { SUBMIT_MS = 300 * 1000, COPY = 65536 };

static int
copy_content(struct submission *s, const struct message_content *content, int64_t *length,
             struct fault *why)
{
	autotext struct text bytes = {0};
	int64_t              position = 0, at;
	int                  fd;

	if (submit_content(s, &fd, &at, why) < 0)
		return -1;
	*length = 0;
	for (;;) {
		if (message_read(content, &position, COPY, &bytes, why) < 0)
			return -1;
		if (bytes.len == 0)
			return 0;
		if (file_write_at(fd, text_span(&bytes), at + *length, why) < 0)
			return -1;
		*length += (int64_t)bytes.len;
	}
}

static int
copy_rcpts(struct submission *s, struct queue_file *f, int64_t *count, struct fault *why)
{
	int64_t at = queue_file_rcpt_first(f);

	*count = 0;
	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;
		int                     got = queue_file_rcpt(f, at, arena, &r, why);
		struct submit_rcpt      to;

		if (got <= 0)
			return got;
		at = r.next;
		if (r.state != RCPT_TODO && r.state != RCPT_FAILED)
			continue; /* who failed, and nobody was told yet, is tried anew */
		to = (struct submit_rcpt){.address = r.address,
		                          .original = r.original,
		                          .orcpt = r.orcpt,
		                          .notify = r.notify};
		if (submit_recipient(s, &to, why) < 0)
			return -1;
		++*count;
	}
}

static int
submit_again(struct submission *s, struct queue_file *f, struct fault *why)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	struct submit_envelope to = {.sender = e->sender,
	                             .envid = e->envid,
	                             .ret = e->ret,
	                             .body = e->body,
	                             .smtputf8 = e->smtputf8,
	                             .auth = e->auth,
	                             .filter = e->filter,
	                             .redirect = e->redirect,
	                             .verp = e->verp,
	                             .verify_only = e->verify_only,
	                             .trace = e->trace,
	                             .arrival_us = e->arrival_us};
	int64_t                      count;

	if (copy_content(s, &e->content, &to.length, why) < 0 || copy_rcpts(s, f, &count, why) < 0)
		return -1;
	if (count == 0)
		return 0; /* everybody is done: it may go */
	if (submit_prepare(s, &to, why) < 0)
		return -1;
	return submit_commit(s, SPAN_NONE, why);
}

int
message_requeue(struct queue *queue, enum queue_state state, const char *id, struct fault *why)
{
	struct queue_file   *f = NULL;
	struct submission   *s = NULL;
	struct submit_origin origin = {
		.origin = "qmgr", .no_milters = true, .no_header_body_checks = true};
	int                  got = queue_file_open(queue, state, id, QUEUE_OPEN_READ, &f, why);

	if (got != 0)
		return got;
	origin.client_name = queue_file_envelope(f)->client_name;
	origin.client_address = queue_file_envelope(f)->client_address;
	got = submit_open(&origin, clock_after(SUBMIT_MS), &s, why);
	if (got == 0)
		got = submit_again(s, f, why);
	if (got == 0)
		log_info("%s: requeued as %s", id, submit_queue_id(s));
	submit_close(s);
	queue_file_close(f);
	return got < 0 ? -1 : queue_remove(queue, state, id, why);
}
