/* SPDX-License-Identifier: ISC */
/*
 * test_submit.c - submissions and queue talks: both ends understand each other
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "ipc/peer.h"
#include "ipc/queue_talk.h"
#include "ipc/submit.h"

static char directory[] = "/tmp/submitXXXXXX";

static int
listener(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int                fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(at.sun_path, sizeof at.sun_path, "%s/%s", directory, name);
	ck_assert(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 5) == 0);
	peer_directory(directory);
	return fd;
}

static void
gone(const char *name)
{
	autofree char *path = mem_format("%s/%s", directory, name);

	unlink(path);
	rmdir(directory);
}

/* ---- edits ---- */

UNIT_TEST(edits_come_back)
{
	autotext struct text t = {0};
	struct submit_edit   e;
	struct span          rest;

	submit_edit_add(&t, -1, SPAN("X"), SPAN("1\r\n 2"));
	submit_edit_change(&t, 3, SPAN("Y"), SPAN(""));
	submit_edit_body(&t, 700, 80);
	submit_edit_sender(&t, SPAN(""));
	submit_edit_rcpt(&t, SPAN("a@b"), SPAN("rfc822;c"));
	submit_edit_rcpt_delete(&t, SPAN("d"));
	submit_edit_hold(&t);
	submit_edit_rcpt_notify(&t, SPAN("n@b"), SPAN("rfc822;n"), 6);
	submit_edit_dsn(&t, SPAN("HDRS"), SPAN("id"));
	rest = text_span(&t);
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'A' && e.number == -1 &&
	          span_is(e.value, "1\r\n 2"));
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'C' && e.number == 3 &&
	          span_is(e.name, "Y") && !e.value.len);
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'B' && e.number == 700 &&
	          e.length == 80);
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'S' && !e.name.len);
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'R' && span_is(e.name, "a@b") &&
	          span_is(e.value, "rfc822;c"));
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'D' && span_is(e.name, "d"));
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'H');
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'N' && e.number == 6 && span_is(e.name, "n@b") &&
	          span_is(e.value, "rfc822;n"));
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'E' && span_is(e.name, "HDRS") && span_is(e.value, "id"));
	ck_assert(submit_edit_next(&rest, &e, NULL) == 0);
	for (size_t cut = 1; cut < 20; cut++) {
		rest = span_first(text_span(&t), cut);
		ck_assert_int_lt(submit_edit_next(&rest, &e, NULL), 0);
	}
}
END_TEST

/* ---- a server that remembers ---- */

static struct {
	struct submit_origin   origin;
	struct submit_envelope envelope;
	int                    rcpts, edits, fds[2], opened, aborted, refuse_prepare;
	char                   seen[400];
} server;

static int
on_open(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	(void)c;
	ck_assert_int_eq(submit_decode_open(f, &server.origin, why), 0);
	ck_assert(span_is(server.origin.helo, "client") && server.origin.local_client &&
	          !server.origin.hold);
	server.opened++;
	frame_start(answer, "opened");
	frame_put_string(answer, "queue_id", "4gHb2X1Qzkz3D9f");
	return 1;
}

static int
on_content(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	(void)c, (void)f, (void)why;
	frame_start(answer, "content");
	frame_put_number(answer, "at", 512);
	frame_put_fd(answer, "file", server.fds[1]);
	return 1;
}

static int
on_rcpt(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	struct submit_rcpt r;

	(void)c, (void)answer;
	ck_assert_int_eq(submit_decode_rcpt(f, &r, why), 0);
	ck_assert(span_is(r.address, "u@x") && span_is(r.orcpt, "rfc822;y") &&
	          r.notify == (NOTIFY_SUCCESS | NOTIFY_DELAY));
	server.rcpts++;
	return 1;
}

static int
on_prepare(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	(void)c;
	ck_assert_int_eq(submit_decode_prepare(f, &server.envelope, why), 0);
	ck_assert(server.envelope.sender.len == 0 && server.envelope.length == 77 &&
	          server.envelope.smtputf8);
	if (server.refuse_prepare) {
		submit_refuse(answer, "5.7.1", "no, %s", "really");
		return 1;
	}
	frame_start(answer, "prepared");
	frame_put_string(answer, "pieces", "512+77");
	frame_put_number(answer, "size", 77);
	frame_put_number(answer, "end", 589);
	return 1;
}

static int
on_edit(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	struct span        rest;
	struct submit_edit e;

	(void)c, (void)answer;
	ck_assert(frame_get(f, "edits", &rest));
	while (submit_edit_next(&rest, &e, why) == 1)
		server.edits++;
	ck_assert_uint_eq(rest.len, 0);
	return 1;
}

static int
on_commit(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	(void)c, (void)f, (void)why;
	frame_start(answer, "committed");
	return 0;
}

static int
on_abort(void *c, struct frame *f, struct frame *answer, struct fault *why)
{
	(void)c, (void)f, (void)why;
	server.aborted++;
	frame_start(answer, "aborted");
	return 0;
}

static const struct peer_verb verbs[] = {
	{"open", 0, 0, on_open}, {"content", 1, 1, on_content}, {"rcpt", 1, 1, on_rcpt}, {"prepare", 1, 1, on_prepare},
	{"edit", 1, 1, on_edit}, {"commit", 1, 1, on_commit}, {"abort", 1, 1, on_abort}, {NULL, 0, 0, NULL},
};

static void
serve_one(void *given)
{
	int fd = accept(*(int *)given, NULL, NULL);

	peer_serve(fd, verbs, NULL);
	close(fd);
}

UNIT_TEST(a_submission_and_one_that_is_refused)
{
	struct submit_origin o = {.origin = "pickup", .helo = SPAN("client"), .local_client = true};
	struct submit_rcpt   r = {.address = SPAN("u@x"),
	                          .orcpt = SPAN("rfc822;y"),
	                          .notify = NOTIFY_SUCCESS | NOTIFY_DELAY};
	struct submit_envelope e = {.sender = SPAN(""), .length = 77, .smtputf8 = true};
	autotext struct text   edits = {0};
	struct submission     *s;
	struct fault           why = {0};
	int                    sock = listener("cleanup"), fd;
	int64_t                at;

	ck_assert(pipe(server.fds) == 0 && task_start(serve_one, &sock, NULL) == 0);
	for (int i = 0; i < 2000; i++)
		submit_edit_add(
		        &edits, i, SPAN("X-Header"),
		        SPAN("some value that is not very short, so that frames are filled"));
	ck_assert_msg(submit_open(&o, clock_after(5000), &s, &why) == 0, "%s", fault_text(&why));
	ck_assert_str_eq(submit_queue_id(s), "4gHb2X1Qzkz3D9f");
	ck_assert(submit_content(s, &fd, &at, &why) == 0 && at == 512 && write(fd, "x", 1) == 1);
	ck_assert(submit_recipient(s, &r, &why) == 0 && submit_recipient(s, &r, &why) == 0);
	ck_assert_msg(submit_prepare(s, &e, &why) == 0, "%s", fault_text(&why));
	ck_span(submit_pieces(s), "512+77");
	ck_assert_int_eq(submit_end(s), 589);
	ck_assert_msg(submit_commit(s, text_span(&edits), &why) == 0, "%s", fault_text(&why));
	submit_close(s);
	ck_assert(server.rcpts == 2 && server.edits == 2000 && server.aborted == 0);
	/* the same connection again */
	server.refuse_prepare = 1;
	ck_assert_int_eq(submit_open(&o, clock_after(5000), &s, &why), 0);
	ck_assert_int_eq(submit_prepare(s, &e, &why), -1);
	ck_assert(why.class == FAULT_DENIED && strcmp(submit_status(s), "5.7.1") == 0);
	ck_span(span_of(fault_text(&why)), "no, really");
	submit_close(s);
	ck_assert(server.opened == 2 && server.aborted == 1);
	gone("cleanup");
}
END_TEST

/* ---- the queue's list ---- */

static void
serve_list(void *given)
{
	int                      fd = accept(*(int *)given, NULL, NULL);
	autoframe struct frame   f = {0};
	struct queue_list_writer w = {.sock = fd};

	ck_assert(frame_receive(fd, &f, clock_after(5000), NULL) == 0 && frame_is(&f, "list"));
	for (int i = 0; i < 2; i++) {
		struct queue_listed m = {.queue = SPAN("deferred"),
		                         .queue_id = SPAN("4gHb2X"),
		                         .sender = SPAN("s@x"),
		                         .arrival_us = 5,
		                         .size = i,
		                         .expired = i};

		ck_assert_int_eq(queue_list_write_message(&w, &m, NULL), 0);
		for (int k = 0; k < 5000 * i; k++) {
			struct queue_listed_rcpt r = {SPAN("someone@example.net"),
			                              k % 2 ? SPAN("because of that") : SPAN_NONE};

			ck_assert_int_eq(queue_list_write_rcpt(&w, &r, NULL), 0);
		}
	}
	ck_assert_int_eq(queue_list_write_done(&w, NULL), 0);
	close(fd);
}

static int messages, rcpts, reasons;

static int
on_message(void *c, const struct queue_listed *m)
{
	ck_assert(c == &messages && span_is(m->sender, "s@x") && m->arrival_us == 5 &&
	          m->size == messages && m->expired == (messages == 1));
	messages++;
	return 0;
}

static int
on_listed(void *c, const struct queue_listed_rcpt *r)
{
	ck_assert(c == &messages && span_is(r->address, "someone@example.net"));
	rcpts++;
	reasons += r->reason.len > 0;
	return 0;
}

UNIT_TEST(a_list_in_many_frames)
{
	struct queue_list_reader r = {&messages, on_message, on_listed};
	struct fault             why = {0};
	int                      sock = listener("qmgr");

	ck_assert_int_eq(task_start(serve_list, &sock, NULL), 0);
	ck_assert_msg(queue_list(directory, &r, &why) == 0, "%s", fault_text(&why));
	ck_assert(messages == 2 && rcpts == 5000 && reasons == 2500);
	gone("qmgr");
}
END_TEST

UNIT_MAIN("ipc/submit", edits_come_back, a_submission_and_one_that_is_refused,
          a_list_in_many_frames)
