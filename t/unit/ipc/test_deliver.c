/* SPDX-License-Identifier: ISC */
/*
 * test_deliver.c - requests, statuses and notices arrive whole
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/deliver.h"
#include "ipc/notify.h"

enum { MANY = 3000 };

static int pair[2];

static void
agent(void *unused)
{
	static const struct deliver_status sent = {.action = DELIVER_SENT,
	                                           .dsn = "2.0.0",
	                                           .text = {"250 ok", 6},
	                                           .relay = {"local", 5}};
	static const struct deliver_status bounced = {.action = DELIVER_BOUNCED,
	                                              .dsn = "5.1.1",
	                                              .text = {"unknown user: \"x\"", 17},
	                                              .diagnostic = {"550 no", 6},
	                                              .mta = {"mx.example", 10}};
	static const struct deliver_status dead = {
		.action = DELIVER_DEFERRED, .dsn = "4.4.1", .text = {"refused", 7}};
	struct delivery d = {.content = -1};
	struct fault    why = {0};

	(void)unused;
	ck_assert_int_eq(deliver_receive(pair[1], &d, &why), 0);
	ck_span(d.queue_id, "4abc");
	ck_span(d.rcpts[1].original, "alias@example.org");
	ck_assert_int_eq(d.rcpts[2].notify, 4);
	ck_assert_uint_eq(d.n_rcpts, MANY);
	ck_assert_int_ge(d.content, 0);
	ck_assert_int_eq(deliver_report(&d, &d.rcpts[1], &bounced, &why), 0);
	ck_assert_int_eq(deliver_report_rest(&d, &sent, &why), 0);
	ck_assert_int_eq(deliver_done(&d, &dead, &why), 0);
	deliver_free(&d);
	close(pair[1]);
}

static void
ask(bool soft)
{
	struct deliver_rcpt *rcpts = mem_array(MANY, sizeof *rcpts);
	struct delivery d = {.queue_id = SPAN("4abc"),
	                     .nexthop = SPAN("example.org"),
	                     .sender = SPAN(""),
	                     .size = 10,
	                     .pieces = SPAN("0+10"),
	                     .rcpts = rcpts,
	                     .n_rcpts = MANY,
	                     .arrival_us = clock_wall() - 12345678,
	                     .soft_bounce = soft,
	                     .transport = SPAN("smtp")};
	struct fault         why = {0};

	for (int i = 0; i < MANY; i++)
		rcpts[i] = (struct deliver_rcpt){
			.index = i, .address = SPAN("somebody@example.org"), .orcpt = SPAN("")};
	rcpts[1].original = SPAN("alias@example.org");
	rcpts[2].notify = 4;
	d.content = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(deliver_ask(pair[0], &d, clock_after(20000), &why), 0);
	close(d.content);
	free(rcpts);
}

static void
run(bool soft)
{
	autoframe struct frame f = {0};
	struct deliver_answer  a;
	struct fault           why = {0};
	int                    got, sent = 0, other = 0;

	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(task_start(agent, NULL, &why), 0);
	ask(soft);
	while ((got = deliver_next(pair[0], &f, &a, clock_after(20000), &why)) == 0)
		if (a.status.action == DELIVER_SENT) {
			sent++;
		} else {
			ck_assert_int_eq(a.index, 1);
			ck_assert_int_eq(a.status.action,
			                 soft ? DELIVER_DEFERRED : DELIVER_BOUNCED);
			ck_assert_str_eq(a.dsn, soft ? "4.1.1" : "5.1.1");
			ck_span(a.status.diagnostic, "550 no");
			other++;
		}
	ck_assert_msg(got == 1, "%s", fault_text(&why));
	ck_assert(a.destination_dead && sent == MANY - 1 && other == 1);
	ck_assert_str_eq(a.dsn, "4.4.1");
	ck_assert_int_lt(deliver_next(pair[0], &f, &a, clock_after(20000), &why), 0);
	ck_assert_int_eq(why.class, FAULT_PEER);
}

UNIT_TEST(a_request_with_many_recipients_is_answered) { run(false); } END_TEST
UNIT_TEST(soft_bounce_defers) { run(true); } END_TEST

UNIT_TEST(a_lying_agent_is_refused)
{
	static const struct { const char *index, *action, *dsn;
	} rows[] = {
		{"0", "sent", "5.0.0"},    {"0", "bounced", "2.0.0"}, {"0", "sent", "2.0"},
		{"0", "sent", "2.0.0.0"},  {"-1", "sent", "2.0.0"},   {"0", "gone", "2.0.0"},
		{"0", "deferred", "4..1"}, {"x", "sent", "2.0.0"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoframe struct frame f = {0}, got = {0};
		struct deliver_answer  a;
		int                    p[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p), 0);
		frame_start(&f, "status");
		frame_put_string(&f, "index", rows[i].index);
		frame_put_string(&f, "action", rows[i].action);
		frame_put_string(&f, "dsn", rows[i].dsn);
		frame_put_string(&f, "text", "x");
		ck_assert_int_eq(frame_send(p[1], &f, clock_after(1000), NULL), 0);
		ck_assert_msg(deliver_next(p[0], &got, &a, clock_after(1000), NULL) < 0, "row %zu",
		              i);
		close(p[0]);
		close(p[1]);
	}
}
END_TEST

UNIT_TEST(delays_are_printed_as_postfix_prints_them)
{
	static const struct { int64_t us; const char *text;
	} rows[] = {
		{0, "0"},        {-5, "0"},        {4000, "0"},
		{5000, "0.01"},  {10000, "0.01"},  {123456, "0.12"},
		{100000, "0.1"}, {994999, "0.99"}, {996000, "1"},
		{1040000, "1"},  {1250000, "1.3"}, {9940000, "9.9"},
		{9960000, "10"}, {12345678, "12"}, {63495100000, "63495"},
		{50000, "0.05"}, {2300000, "2.3"},
	};

	site.delay_logging_resolution_limit = 2;
	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text t = {0};

		deliver_print_delay(&t, rows[i].us);
		ck_assert_str_eq(text_string(&t), rows[i].text);
	}
}
END_TEST

UNIT_TEST(delays_have_as_many_digits_as_is_set)
{
	static const struct { int limit; int64_t us; const char *text; } rows[] = {
		{0, 1240000, "1"}, {0, 640000, "1"}, {1, 123456, "0.1"}, {3, 12345, "0.012"}, {6, 12, "0.000012"}, {6, 2340000, "2.3"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text t = {0};

		site.delay_logging_resolution_limit = rows[i].limit;
		deliver_print_delay(&t, rows[i].us);
		ck_assert_str_eq(text_string(&t), rows[i].text);
	}
	site.delay_logging_resolution_limit = 2;
}
END_TEST

UNIT_TEST(the_log_line_is_the_one_that_tools_parse)
{
	autotext struct text  line = {0};
	autofree char        *expected = NULL;
	const char           *delay;
	int                   seconds;
	struct delivery       d = {.queue_id = SPAN("4Xy"), .arrival_us = clock_wall() - 1300000000};
	struct deliver_rcpt r = {.address = SPAN("b@example.org"),
	                         .original = SPAN("a@example.org")};
	struct deliver_status s = {.action = DELIVER_SENT,
	                           .dsn = "2.0.0",
	                           .text = SPAN("250 2.0.0 Ok"),
	                           .relay = SPAN("mx.example.org[192.0.2.1]:25"),
	                           .conn_used = true,
	                           .conn_use = 2};

	site.delay_logging_resolution_limit = 2;
	d.active_us = d.arrival_us + 100000000;
	d.handed_us = d.active_us;
	d.connected_us = d.handed_us + 1000000000;
	deliver_print_status(&line, &d, &r, &s, "sent");
	delay = strstr(text_string(&line), ", delay=");
	ck_assert(delay && sscanf(delay, ", delay=%d,", &seconds) == 1 && seconds >= 1300 && seconds < 1360);
	expected = mem_format("4Xy: to=<b@example.org>, orig_to=<a@example.org>, "
	                      "relay=mx.example.org[192.0.2.1]:25, conn_use=2, delay=%d, delays=100/0/1000/%d, "
	                      "dsn=2.0.0, status=sent (250 2.0.0 Ok)", seconds, seconds - 1100);
	ck_assert_str_eq(text_string(&line), expected);
	/* info_log_address_format */
	r.address = SPAN("a b@example.org");
	r.original = SPAN_NONE;
	text_clear(&line);
	deliver_print_status(&line, &d, &r, &s, "sent");
	ck_assert_ptr_nonnull(strstr(text_string(&line), ": to=<\"a b\"@example.org>, relay="));
	site.log_address_format = LOG_ADDRESS_INTERNAL;
	text_clear(&line);
	deliver_print_status(&line, &d, &r, &s, "sent");
	ck_assert_ptr_nonnull(strstr(text_string(&line), ": to=<a b@example.org>, relay="));
	site.log_address_format = LOG_ADDRESS_EXTERNAL;
}
END_TEST

static void
bouncer(void *unused)
{
	autoframe struct frame f = {0};
	autoarena struct arena *arena = arena_new();
	struct notice  n;
	struct fault   why = {0};

	(void)unused;
	ck_assert_msg(notify_receive(pair[1], &f, &n, arena, &why) == 0, "%s", fault_text(&why));
	ck_assert_uint_eq(n.n_rcpts, MANY);
	ck_span(n.kind, "failure");
	ck_span(n.rcpts[MANY - 1].diagnostic, "550 no");
	ck_span(n.rcpts[0].orcpt, "");
	ck_assert_int_eq(n.rcpts[7].notify, 6);
	close(n.content);
	notify_done(pair[1], "4def", &why);
}

UNIT_TEST(a_notice_arrives_whole)
{
	autoframe struct frame answer = {0};
	struct notice_rcpt *rcpts = mem_array(MANY, sizeof *rcpts);
	struct notice n = {.kind = SPAN("failure"),
	                   .queue_id = SPAN("4abc"),
	                   .sender = SPAN("a@example.org"),
	                   .pieces = SPAN("0+1"),
	                   .rcpts = rcpts,
	                   .n_rcpts = MANY};
	struct fault  why = {0};
	struct span   id;

	for (int i = 0; i < MANY; i++)
		rcpts[i] = (struct notice_rcpt){.address = SPAN("b@example.org"),
		                                .diagnostic = SPAN("550 no"),
		                                .text = SPAN("no")};
	rcpts[7].notify = 6;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(task_start(bouncer, NULL, &why), 0);
	n.content = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(notify_send(pair[0], &n, clock_after(20000), &why), 0);
	ck_assert_int_eq(frame_receive(pair[0], &answer, clock_after(20000), &why), 0);
	ck_assert(frame_is(&answer, "noticed") && frame_get(&answer, "queue_id", &id));
	ck_span(id, "4def");
	free(rcpts);
}
END_TEST

UNIT_MAIN("ipc/deliver", a_request_with_many_recipients_is_answered, soft_bounce_defers,
          a_lying_agent_is_refused, delays_are_printed_as_postfix_prints_them,
          delays_have_as_many_digits_as_is_set, the_log_line_is_the_one_that_tools_parse, a_notice_arrives_whole)
