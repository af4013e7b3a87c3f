/* SPDX-License-Identifier: ISC */
/*
 * test_memo.c - a question is asked once in a moment; refusals and other verbs are asked again
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "ipc/memo.h"
#include "ipc/peer.h"

static atomic_int asked;
static char       directory[] = "/tmp/memo.XXXXXX";

static int
do_ask(void *unused, struct frame *request, struct frame *answer, struct fault *why)
{
	struct span name = SPAN_NONE;

	(void)unused;
	(void)why;
	atomic_fetch_add(&asked, 1);
	frame_get(request, "name", &name);
	if (span_is(name, "bad")) {
		peer_refuse(answer, "no");
		return 0;
	}
	frame_start(answer, span_is(name, "odd") ? "strange" : "answer");
	frame_put(answer, "name", name);
	return 0;
}

static void
serve(void *listener)
{
	static const struct peer_verb verbs[] = {{"ask", 0, 0, do_ask}, {NULL, 0, 0, NULL}};
	int sock;

	while ((sock = accept(*(int *)listener, NULL, NULL)) >= 0) {
		peer_serve(sock, verbs, NULL);
		close(sock);
	}
}

static void
start_server(void)
{
	static int         listener;
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	ck_assert(mkdtemp(directory) != NULL);
	snprintf(at.sun_path, sizeof at.sun_path, "%s/oracle", directory);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	ck_assert_int_eq(task_start(serve, &listener, NULL), 0);
	peer_directory(directory);
}

static int
ask(const char *name)
{
	autoframe struct frame f = {0};
	struct span            got = SPAN_NONE;
	int                    result;

	frame_start(&f, "ask");
	frame_put_string(&f, "name", name);
	result = memo_call("oracle", "answer", &f, clock_after(5000), NULL);
	if (result == 0)
		ck_assert(frame_get(&f, "name", &got) && span_is(got, name));
	return result;
}

UNIT_TEST(a_question_is_asked_once_in_a_moment)
{
	autotext struct text path = {0};
	int64_t              begun;
	int                  before;

	start_server();
	begun = clock_now();
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(ask("a") + ask("b"), 0);
	ck_assert_int_le(atomic_load(&asked), 2 + 2 * (int)((clock_now() - begun) / MEMO_MS));
	before = atomic_load(&asked);
	usleep((MEMO_MS + 10) * 1000);
	ck_assert_int_eq(ask("a"), 0);
	ck_assert_int_eq(atomic_load(&asked), before + 1);

	before = atomic_load(&asked);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ask("bad"), -1);
		ck_assert_int_eq(ask("odd"), 0);
	}
	ck_assert_int_eq(atomic_load(&asked), before + 6);
	for (int i = 0; i < 3000; i++) { /* bounded */
		char name[20];

		snprintf(name, sizeof name, "n%d", i);
		ck_assert_int_eq(ask(name), 0);
	}
	text_add_format(&path, "%s/oracle", directory);
	unlink(text_string(&path));
	rmdir(directory);
}
END_TEST

UNIT_MAIN("memo", a_question_is_asked_once_in_a_moment)
