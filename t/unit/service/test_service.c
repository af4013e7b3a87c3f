/* SPDX-License-Identifier: ISC */
/*
 * test_service.c - identities, endpoints, and the places that master gives a program
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "ipc/ask_dial.h"
#include "service/privilege.h"
#include "service/service_private.h"
#include "../unit.h"

UNIT_TEST(identities)
{
	static const struct { const char *name; int outcome; uid_t uid; gid_t gid; } rows[] = {
		{"root", 0, 0, 0},          {"0", 0, 0, 0},          {"5000:6000", 0, 5000, 6000},
		{"5001", 0, 5001, 5001},    {"nobody-here", -1, 0, 0}, {"", -1, 0, 0},
		{"12:", -1, 0, 0},          {"12:x", -1, 0, 0},      {"4294967295:1", -1, 0, 0},
		{"1:4294967295", -1, 0, 0}, {"-1", -1, 0, 0},        {"5000 ", -1, 0, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct identity who = {.uid = 77};
		struct fault    why = {0};

		ck_assert_msg(identity_find(rows[i].name, &who, &why) == rows[i].outcome, "%s", rows[i].name);
		if (rows[i].outcome < 0) {
			ck_assert_uint_eq(who.uid, 77); /* untouched on failure */
			ck_assert_int_eq(why.class, FAULT_INPUT);
			continue;
		}
		ck_assert_uint_eq(who.uid, rows[i].uid);
		ck_assert_uint_eq(who.gid, rows[i].gid);
	}
}
END_TEST

UNIT_TEST(refuses_to_serve_as_root)
{
	struct identity who = {0};
	struct fault    why = {0};

	if (getuid() == 0)
		ck_assert_int_eq(privilege_drop(&who, NULL, &why), -1);
	else
		ck_assert_int_eq(user_become(&who, &why), -1);
	ck_assert_int_eq(why.class, FAULT_DENIED);
}
END_TEST

UNIT_TEST(endpoints)
{
	static const struct { const char *in, *out; } rows[] = {
		{"inet:localhost:8891", "inet:localhost:8891"}, {"inet:Host.Example:smtp", "inet:host.example:smtp"},
		{"inet:8891@localhost", "inet:localhost:8891"}, {"inet:[::1]:99", "inet:::1:99"},
		{"inet:::1:99", "inet:::1:99"},                 {"inet:99", "inet:localhost:99"},
		{"unix:private/Auth", "unix:private/Auth"},     {"local:/run/x", "unix:/run/x"},
		{"INET:a:1", "inet:a:1"},                       {"unix:", NULL},
		{"inet:", NULL},                                {"inet::1", NULL},
		{"inet:a:", NULL},                              {"inet:@a", NULL},
		{"tcp:a:1", NULL},                              {"", NULL},
		{"inet:a b:1", NULL},                           {"inet:{a}:1", NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};
		struct fault         why = {0};
		int                  outcome = endpoint_normal(span_of(rows[i].in), &out, &why);

		ck_assert_msg(outcome == (rows[i].out ? 0 : -1), "%s", rows[i].in);
		if (rows[i].out)
			ck_span(text_span(&out), rows[i].out);
	}
	ck_assert_int_eq(endpoint_normal(span_at("unix:a\0b", 8), &(struct text){0}, NULL), -1);
}
END_TEST

UNIT_TEST(arguments)
{
	static const struct service program = {.name = "smtpd"};
	char *words[] = {"/usr/libexec/lmtp", "-n", "relay", "-t", "unix", "-c", "/etc/x", "-s", "private/relay,log",
	                 "-m", "20", "-k", "7", "-o", "a=b", "-o", "c = d", "-v", "-v", "-i", "--", "user=x", "-argv", NULL};
	struct launch l = {.program = &program};
	struct fault  why = {0};

	optind = 1;
	ck_assert_int_eq(arguments_parse((int)COUNT(words) - 1, words, &l, &why), 0);
	ck_assert_str_eq(l.facts.program, "lmtp");
	ck_assert_str_eq(l.facts.name, "relay");
	ck_assert_str_eq(l.facts.config_directory, "/etc/x");
	ck_assert_int_eq(l.facts.sessions, 20);
	ck_assert_int_eq(l.facts.tasks, 7);
	ck_assert_uint_eq(l.n_listeners, 2);
	ck_assert_str_eq(l.listener[1].name, "log");
	ck_assert_int_eq(l.listener[1].fd, 6);
	ck_assert_uint_eq(l.options.count, 2);
	ck_assert_int_eq(l.verbose, 2);
	ck_assert(l.may_leave && !l.describe && !l.check && !l.probe);
	ck_assert_int_eq(l.facts.argc, 2);
	ck_assert_str_eq(l.facts.argv[1], "-argv");
}
END_TEST

UNIT_TEST(arguments_that_are_wrong)
{
	static const struct service program = {.name = "smtpd"};
	char *number[] = {"smtpd", "-m", "many", NULL}, *unknown[] = {"smtpd", "-Z", NULL}, *none[] = {NULL};
	struct launch l = {.program = &program};

	optind = 1;
	ck_assert_int_eq(arguments_parse(3, number, &l, NULL), -1);
	optind = 1;
	ck_assert_int_eq(arguments_parse(2, unknown, &l, NULL), -1);
	optind = 1;
	ck_assert_int_eq(arguments_parse(0, none, &l, NULL), 0); /* started without even a name */
	ck_assert_str_eq(l.facts.program, "smtpd");
}
END_TEST

static int
open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Room for one descriptor is, aligned, room for two: more than one is none of ours, and none stays open. */
UNIT_TEST(a_passed_client_is_one_descriptor)
{
	for (size_t sent = 1; sent <= 3; sent++) {
		int            pair[2], before, got, fds[3] = {0, 1, 2};
		struct iovec   bytes = {(char[]){""}, 1};
		union { struct cmsghdr head; char room[CMSG_SPACE(sizeof fds)]; } control;
		struct msghdr  message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = CMSG_SPACE(sent * sizeof(int))};
		struct cmsghdr *c;

		ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		memset(&control, 0, sizeof control);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sent * sizeof(int));
		memcpy(CMSG_DATA(c), fds, sent * sizeof(int));
		ck_assert(sendmsg(pair[0], &message, 0) == 1);
		before = open_descriptors();
		got = pass_receive(pair[1]);             /* closes that end */
		ck_assert_int_eq(got >= 0, sent == 1);
		if (got >= 0)
			close(got);
		ck_assert_int_eq(open_descriptors(), before - 1);
		close(pair[0]);
	}
}
END_TEST

UNIT_MAIN("service", identities, refuses_to_serve_as_root, endpoints, arguments, arguments_that_are_wrong, a_passed_client_is_one_descriptor)
