/* SPDX-License-Identifier: ISC */
/*
 * test_login.c - what a login program believes of a user's process
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/login.h"
#include "ipc/peer.h"
#include "../unit.h"

/* Answers one session with "begun pid=..". */
static void
begin_as(int listener, int64_t pid)
{
	autoframe struct frame f = {0}, answer = {0};
	int                    sock = accept(listener, NULL, NULL);

	if (frame_receive(sock, &f, clock_after(5000), NULL) != 0)
		_exit(1);
	frame_start(&answer, "begun");
	frame_put_number(&answer, "pid", pid);
	_exit(frame_send(sock, &answer, clock_after(5000), NULL) == 0 ? 0 : 1);
}

/* anvil lists it with all others, and hangs up on a login program that lists what no process has. */
START_TEST(only_a_process_is_believed)
{
	static const struct { int64_t pid; int result; } rows[] = {{1, 0}, {4194304, 0}, {0, -1}, {-1, -1}, {(int64_t)1 << 31, -1}};
	char               directory[] = "/tmp/login_XXXXXX";
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int                listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), pair[2];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(at.sun_path, sizeof at.sun_path, "%s/imap", directory);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	peer_directory(directory);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct login_session s = {.ticket = SPAN("t"), .session = SPAN("s"), .peer = SPAN("192.0.2.1"), .local = SPAN("192.0.2.2"),
			.tag = SPAN("a"), .input = SPAN(""), .stream = pair[1]};
		struct fault         why = {0};
		int64_t              pid = 77;
		int                  control = -1, status;
		pid_t                child = fork();

		if (child == 0)
			begin_as(listener, rows[i].pid);
		ck_assert_int_eq(login_hand_over("imap", &s, &pid, &control, &why), rows[i].result);
		ck_assert_int_eq(pid, rows[i].result == 0 ? rows[i].pid : 77);
		ck_assert_int_eq(control >= 0, rows[i].result == 0);
		if (control >= 0)
			close(control);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
	}
	unlink(at.sun_path);
	rmdir(directory);
}
END_TEST

UNIT_MAIN("ipc/login", only_a_process_is_believed)
