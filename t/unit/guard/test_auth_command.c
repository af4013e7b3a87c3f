/* SPDX-License-Identifier: ISC */
/*
 * test_auth_command.c - a checkpassword command that cannot be started: its helper is as good as before for the next login
 */
#include "../unit.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "authd_command.h"

enum { FDS = 64 };

static int
open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Its pipes are at 10 and above: the limit is met at each of their ends in turn. */
UNIT_TEST(keeps_no_descriptor)
{
	char                   *words[] = {"/bin/sh", NULL};
	struct command_question q = {SPAN("ann"), SPAN("x"), SPAN("imap"), SPAN("192.0.2.1"), SPAN("192.0.2.2"), true, 5000};
	struct rlimit           usual;
	int                     before = open_descriptors();

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
	for (rlim_t most = 10; most <= 13; most++) {
		struct rlimit        few = {most, usual.rlim_max};
		autotext struct text reply = {0};
		struct fault         why = {0};

		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		ck_assert_int_eq(command_run(words, "/bin/true", &q, &reply, &why), -1);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
		ck_assert_int_eq(open_descriptors(), before);
	}
}
END_TEST

UNIT_MAIN("auth_command", keeps_no_descriptor)
