/* SPDX-License-Identifier: ISC */
/*
 * test_local.c - members of aliases and .forward files; what a command's exit means
 *
 * aliases(5) and local(8) of Postfix; sysexits.h; RFC 3463.
 */
#include "../unit.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "local/errand.h"
#include "local/members.h"

static const char *
shown(const struct members *m, struct text *out)
{
	for (size_t i = 0; i < m->count; i++)
		text_add_format(out, "%s%c%.*s", i ? ";" : "", "A|FI"[m->at[i].kind], SPAN_ARGS(m->at[i].value));
	return text_string(out);
}

UNIT_TEST(members)
{
	static const struct { enum members_form form; const char *in, *out; size_t faulty; } rows[] = {
		{MEMBERS_OF_ALIAS, "alice", "Aalice", 0},
		{MEMBERS_OF_ALIAS, "alice, bob@example.com", "Aalice;Abob@example.com", 0},
		{MEMBERS_OF_ALIAS, " , alice ,, bob ,", "Aalice;Abob", 0},
		{MEMBERS_OF_ALIAS, "", "", 0},
		{MEMBERS_OF_ALIAS, "Name <alice@example.com>, (comment, here) bob", "Aalice@example.com;Abob", 0},
		{MEMBERS_OF_ALIAS, "\"a, b\"@example.com", "Aa, b@example.com", 0},
		{MEMBERS_OF_ALIAS, "\\alice", "A\\alice", 0},
		{MEMBERS_OF_ALIAS, "alice bob@example.com \"c d\", eve", "Aalice;Abob@example.com;Ac d;Aeve", 0},
		{MEMBERS_OF_ALIAS, "|/usr/bin/procmail", "|/usr/bin/procmail", 0},
		{MEMBERS_OF_ALIAS, "|/usr/bin/procmail -a x, bob", "|/usr/bin/procmail -a x;Abob", 0},
		{MEMBERS_OF_ALIAS, "\"|/usr/bin/vacation a, b\", bob", "|/usr/bin/vacation a, b;Abob", 0},
		{MEMBERS_OF_ALIAS, "|\"/usr/bin/vacation a, b\", bob", "|/usr/bin/vacation a, b;Abob", 0},
		{MEMBERS_OF_ALIAS, "\"|exec /x \\\"$USER\\\" || exit 75\"", "|exec /x \"$USER\" || exit 75", 0},
		{MEMBERS_OF_ALIAS, "|sh -c 'a, b'", "|sh -c 'a, b'", 0},
		{MEMBERS_OF_ALIAS, "/var/mail/archive", "F/var/mail/archive", 0},
		{MEMBERS_OF_ALIAS, "\"/var/mail/my archive/\"", "F/var/mail/my archive/", 0},
		{MEMBERS_OF_ALIAS, ":include:/etc/list", "I/etc/list", 0},
		{MEMBERS_OF_ALIAS, "\":include:/etc/my list\"", "I/etc/my list", 0},
		{MEMBERS_OF_ALIAS, ":INCLUDE:/etc/list, x", "I/etc/list;Ax", 0},
		{MEMBERS_OF_ALIAS, "|", "", 1},
		{MEMBERS_OF_ALIAS, "\"|\"", "", 1},
		{MEMBERS_OF_ALIAS, ":include:", "", 1},
		{MEMBERS_OF_FILE, "alice\nbob\r\n\n# comment, x\n  carol, dave\n", "Aalice;Abob;Acarol;Adave", 0},
		{MEMBERS_OF_FILE, "# all comment", "", 0},
		{MEMBERS_OF_FILE, "|cmd a\n/file\n", "|cmd a;F/file", 0},
		{MEMBERS_OF_FILE, "a #b\n", "Aa;A#b", 0},
		{MEMBERS_OF_ALIAS, "#alice", "A#alice", 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		autotext struct text    got = {0};
		struct members          m;

		members_parse(arena, span_of(rows[i].in), rows[i].form, &m);
		shown(&m, &got);
		ck_assert_msg(strcmp(text_string(&got), rows[i].out) == 0 && m.faulty == rows[i].faulty, "%s: %s (%zu faulty)",
		              rows[i].in, text_string(&got), m.faulty);
	}
}
END_TEST

UNIT_TEST(members_are_bounded)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    in = {0};
	struct members          m;

	for (int i = 0; i < MEMBERS_MAX + 10; i++)
		text_add_string(&in, "a,");
	members_parse(arena, text_span(&in), MEMBERS_OF_ALIAS, &m);
	ck_assert(m.count == MEMBERS_MAX && m.cut);
	for (size_t i = 0; i < in.len; i++)      /* and where no commas part them */
		if (in.at[i] == ',')
			in.at[i] = ' ';
	members_parse(arena, text_span(&in), MEMBERS_OF_ALIAS, &m);
	ck_assert(m.count == MEMBERS_MAX && m.cut);
}
END_TEST

/* As wait(2) tells them. */
#define EXITED(n)   ((n) << 8)
#define SIGNALED(n) (n)

UNIT_TEST(exits)
{
	static const struct { int status; bool late; const char *output; enum deliver_action action; const char *dsn, *text; } rows[] = {
		{EXITED(0), false, "", DELIVER_SENT, "2.0.0", "done"},
		{EXITED(0), false, "hello\n", DELIVER_SENT, "2.0.0", "done (hello)"},
		{EXITED(75), false, "", DELIVER_DEFERRED, "4.3.0", "temporary failure"},
		{EXITED(75), false, "a\nb\n", DELIVER_DEFERRED, "4.3.0", "temporary failure. Command output: a b"},
		{EXITED(67), false, "", DELIVER_BOUNCED, "5.1.1", "user unknown"},
		{EXITED(77), false, "5.7.1 no way", DELIVER_BOUNCED, "5.7.1", "no way"},
		{EXITED(77), false, "4.7.1 no way", DELIVER_BOUNCED, "5.7.0", "permission denied. Command output: 4.7.1 no way"},
		{EXITED(75), false, "4.2.2 full", DELIVER_DEFERRED, "4.2.2", "full"},
		{EXITED(1), false, "", DELIVER_BOUNCED, "5.3.0", "Command died with status 1: \"cmd\""},
		{EXITED(255), false, "x\1y", DELIVER_BOUNCED, "5.3.0", "Command died with status 255: \"cmd\". Command output: x?y"},
		{SIGNALED(9), false, "", DELIVER_DEFERRED, "4.3.0", "Command died with signal 9: \"cmd\""},
		{SIGNALED(9), true, "", DELIVER_BOUNCED, "5.3.0", "Command time limit exceeded: \"cmd\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct outcome o = {0};

		command_outcome(rows[i].status, rows[i].late, "cmd", span_of(rows[i].output), "done", &o);
		ck_assert_msg(o.action == rows[i].action && strcmp(o.dsn, rows[i].dsn) == 0 &&
		              strcmp(text_string(&o.text), rows[i].text) == 0, "row %zu: %d %s %s", i, o.action, o.dsn,
		              text_string(&o.text));
		outcome_free(&o);
	}
}
END_TEST

/* What a worker may say: nothing that would break the log or the queue. */
UNIT_TEST(reports)
{
	static const struct { const char *action, *dsn; bool good; } rows[] = {
		{"sent", "2.0.0", true}, {"deferred", "4.2.2", true}, {"bounced", "5.1.1", true},
		{"sent", "5.0.0", false}, {"bounced", "2.0.0", false}, {"sent", "2.0", false}, {"sent", "2..0", false},
		{"sent", "2.0.0 x", false}, {"gone", "2.0.0", false}, {"sent", "", false}, {"deferred", "4.2222.1", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoframe struct frame f = {0};
		struct outcome         o = {0};
		struct fault           why = {0};

		frame_start(&f, "status");
		frame_put_string(&f, "action", rows[i].action);
		frame_put_string(&f, "dsn", rows[i].dsn);
		frame_put_string(&f, "text", "x");
		ck_assert_msg((outcome_take(&f, &o, &why) == 0) == rows[i].good, "%s %s", rows[i].action, rows[i].dsn);
		outcome_free(&o);
	}
}
END_TEST

/* A worker that somebody's message has taken over. */

static void
say_sent(struct worker *w)
{
	autoframe struct frame f = {0};

	frame_start(&f, "sent");
	worker_tell(w, &f);
}

static int
count_sent(void *context, struct frame *f, struct fault *why)
{
	int *heard = context;

	(void)why;
	ck_assert(frame_is(f, "sent"));
	++*heard;
	return 1;
}

static int
count_more(void *context, struct frame *f, struct fault *why)
{
	count_sent(context, f, why);
	return 0;
}

static struct worker_job
job_of(void (*work)(struct worker *, void *), const struct identity *who, const struct message_content *feed, int *heard)
{
	return (struct worker_job){.who = who, .feed = feed, .work = work, .hear = count_sent, .context = heard, .limit_ms = 30000};
}

static void
close_and_live_on(struct worker *w, void *context)
{
	(void)context;
	say_sent(w);
	close(w->report);
	for (;;)
		pause();
}

UNIT_TEST(a_worker_that_lives_on_is_ended)
{
	const struct identity who = {.uid = getuid() ? getuid() : 65534, .gid = getuid() ? getgid() : 65534};
	struct fault          why = {0};
	int                   heard = 0;
	struct worker_job     job = job_of(close_and_live_on, &who, NULL, &heard);
	int64_t               start = clock_now();

	job.hear = count_more;
	ck_assert_int_lt(worker_run(&job, NULL, &why), 0);
	ck_assert_int_eq(heard, 1);
	ck_assert_int_lt(clock_now() - start, 25000);
	ck_assert_ptr_nonnull(strstr(fault_text(&why), "signal 9"));
}
END_TEST

static void
answer_in_advance(struct worker *w, void *context)
{
	autoframe struct frame request = {0};

	(void)context;
	say_sent(w);
	say_sent(w);
	while (worker_next(w, clock_after(20000), &request))
		;
}

/* Nobody believes an answer that is older than the question. */
UNIT_TEST(a_worker_that_answers_in_advance_is_ended)
{
	const struct identity        who = {.uid = getuid() ? getuid() : 65534, .gid = getuid() ? getgid() : 65534};
	const struct message_content nothing = {.fd = -1};
	autoframe struct frame       request = {0};
	struct fault                 why = {0};
	int                          heard = 0;
	struct worker_job            job = job_of(answer_in_advance, &who, &nothing, &heard);
	struct worker_child          child = {0};

	ck_assert_msg(worker_run(&job, &child, &why) == 0, "%s", fault_text(&why));
	ck_assert_int_ne(child.pid, 0);
	ck_assert_int_eq(heard, 1);
	frame_start(&request, "another");
	frame_put_number(&request, "size", 0);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = child.report, .events = POLLIN}, 1, 20000), 1);
	ck_assert_int_eq(worker_again(&child, &request, &job, &why), 1);
	ck_assert_int_eq(child.pid, 0);
	ck_assert_int_eq(heard, 1);
}
END_TEST

UNIT_MAIN("local", a_worker_that_lives_on_is_ended, a_worker_that_answers_in_advance_is_ended, members, members_are_bounded, exits, reports)
