/* SPDX-License-Identifier: ISC */
/* All names of a database, in as many frames as that takes; one that fits into none ends it. */
#include "../unit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/ask_table.h"

enum { MANY = 20000, TOO_LONG = 70000, ROUNDS_MOST = 50 };

static int
list(void *unused, struct span database, struct text *names, struct fault *why)
{
	(void)unused;
	(void)why;
	for (int i = 0; i < MANY; i++) {
		text_add_format(names, "user%d@example.com", i);
		text_add_byte(names, '\0');
	}
	for (int i = 0; span_is(database, "sql:/long") && i < TOO_LONG; i++)
		text_add_byte(names, 'x');
	text_add_byte(names, '\0');
	return 0;
}

static void *
answer(void *sock)
{
	static const struct table_answerer a = {.list = list};

	answer_table(*(int *)sock, &a);
	close(*(int *)sock);
	return NULL;
}

/* How many names came before the end, which is "names" or "failed". */
static size_t
ask(const char *database, char *end, size_t room)
{
	autoframe struct frame f = {0}, got = {0};
	struct span            names, one;
	struct fault           why = {0};
	int                    sock[2];
	size_t                 count = 0;
	pthread_t              other;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	ck_assert_int_eq(pthread_create(&other, NULL, answer, &sock[1]), 0);
	frame_start(&f, "list");
	frame_put_string(&f, "database", database);
	for (int round = 0;; round++) {
		ck_assert_int_lt(round, ROUNDS_MOST);
		ck_assert_msg(frame_send(sock[0], &f, clock_after(20000), &why) == 0, "%s", fault_text(&why));
		ck_assert_msg(frame_receive(sock[0], &got, clock_after(20000), &why) == 0, "%s", fault_text(&why));
		snprintf(end, room, "%s", frame_is(&got, "names") ? "names" : frame_is(&got, "failed") ? "failed" : "?");
		if (!frame_get(&got, "names", &names))
			break;
		while (names.len && span_split(&names, '\0', &one))
			count += one.len > 0;
		if (!frame_get_flag(&got, "more"))
			break;
		frame_start(&f, "more");
	}
	close(sock[0]);
	pthread_join(other, NULL);
	return count;
}

UNIT_TEST(all_names_and_one_that_is_too_long)
{
	char end[16];

	ck_assert_uint_eq(ask("sql:/good", end, sizeof end), MANY);
	ck_assert_str_eq(end, "names");
	ck_assert_uint_eq(ask("sql:/long", end, sizeof end), MANY);
	ck_assert_str_eq(end, "failed");
}
END_TEST

UNIT_MAIN("ipc/ask_table", all_names_and_one_that_is_too_long)
