/* SPDX-License-Identifier: ISC */
/*
 * test_programs.c - programs of scripts (service/programs.h): what one who asks for them, and was taken over, can say
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/frame.h"
#include "service/programs_private.h"
#include "../unit.h"

enum { REAL, SOON, KINDS };

static char                directory[] = "/tmp/programs.XXXXXX";
static struct program_kind kinds[KINDS] = {[REAL] = {directory, 20000, true}, [SOON] = {directory, 100 - PROGRAM_GRACE_MS, true}};

static void
make(const char *name, const char *text)
{
	autofree char *path = mem_format("%s/%s", directory, name);
	FILE          *f = fopen(path, "w");

	ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, 0755) == 0);
}

static void
prepare(void)
{
	struct fault why = {0};

	ck_assert(mkdtemp(directory) && chmod(directory, 0755) == 0);
	make("files", "#!/bin/sh\nulimit -n\n");
	make("show", "#!/bin/sh\n[ $# = 0 ] || exit 1\npwd -P\nunset PWD OLDPWD SHLVL _\n/usr/bin/env | sort\n");
	ck_assert_msg(programs_prepare(kinds, KINDS, &why) == 0, "%s", fault_text(&why));
}

static void
clean(void)
{
	autofree char *path = mem_format("%s/show", directory), *other = mem_format("%s/files", directory);

	programs_leave();
	unlink(path);
	unlink(other);
	rmdir(directory);
}

static int
open_as_somebody(void)
{
	uid_t           uid = getuid() == 0 ? 65534 : getuid();
	struct identity who = {.uid = uid, .gid = getuid() == 0 ? 65534 : getgid()};
	int             sock = programs_open(&who, "alice", directory);

	ck_assert(sock >= 0);
	return sock;
}

static int
show(int sock, const struct span *environment, size_t count, struct text *output, struct fault *why)
{
	const struct program_run r = {.kind = REAL, .name = SPAN("show"), .environment = environment, .n_environment = count, .message = -1,
		.text = SPAN_NONE};

	text_clear(output);
	fault_clear(why);
	return programs_run(sock, &r, output, NULL, why);
}

/* The names that are known, once each; who the user is and where he lives nobody but root says. */
UNIT_TEST(environment)
{
	static const char *const refused[] = {"LD_PRELOAD=/x.so", "BASH_ENV=/x", "ENV=/x", "PATH=/x", "IFS=x", "USER=root", "HOME=/", "PWD=/",
		"SENDER", "=x", "", "SENDER =x", "sender=x", "SENDER2=x", "HOST=again"};
	const struct span    known[] = {SPAN("HOST=h"), SPAN("SENDER=s@x.example"), SPAN("RECIPIENT=a=b"), SPAN("ORIG_RECIPIENT=")};
	autotext struct text got = {0}, want = {0};
	struct fault         why = {0};

	prepare();
	autoclose int sock = open_as_somebody();

	text_add_format(&want, "%s\nHOME=%s\nHOST=h\nORIG_RECIPIENT=\nRECIPIENT=a=b\nSENDER=s@x.example\nUSER=alice\n", directory, directory);
	ck_assert_msg(show(sock, known, COUNT(known), &got, &why) == 0, "%s", fault_text(&why));
	ck_assert_str_eq(text_string(&got), text_string(&want));
	for (size_t i = 0; i < COUNT(refused); i++) {
		const struct span words[] = {SPAN("HOST=h"), span_of(refused[i])};

		ck_assert_msg(show(sock, words, 2, &got, &why) == -1 && got.len == 0, "%s: %s", refused[i], text_string(&got));
		ck_assert_str_eq(fault_text(&why), "malformed request");
	}
	ck_assert_msg(show(sock, NULL, 0, &got, &why) == 0, "%s", fault_text(&why));
	clean();
}
END_TEST

/* The keeper takes as many descriptors as it may; a program has as many as its service. */
UNIT_TEST(descriptors)
{
	const struct program_run r = {.kind = REAL, .name = SPAN("files"), .message = -1, .text = SPAN_NONE};
	autotext struct text     got = {0};
	struct fault             why = {0};
	struct rlimit            files;

	ck_assert(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = 123;
	ck_assert(files.rlim_max > 123 && setrlimit(RLIMIT_NOFILE, &files) == 0);
	prepare();
	autoclose int sock = open_as_somebody();

	ck_assert_msg(programs_run(sock, &r, &got, NULL, &why) == 0, "%s", fault_text(&why));
	ck_assert_str_eq(text_string(&got), "123\n");
	clean();
}
END_TEST

/* A request of one's own making says no more. */
UNIT_TEST(home)
{
	autoframe struct frame f = {0}, answer = {0};
	struct fault           why = {0};
	struct span            printed = SPAN_NONE;

	prepare();
	autoclose int sock = open_as_somebody();

	frame_start(&f, "run");
	frame_put_number(&f, "kind", REAL);
	frame_put_string(&f, "name", "show");
	frame_put_string(&f, "home", "/");
	frame_put_string(&f, "user", "root");
	frame_put_flag(&f, "output", true);
	ck_assert(frame_send(sock, &f, clock_after(10000), &why) == 0 && frame_receive(sock, &answer, clock_after(20000), &why) == 0);
	ck_assert(frame_is(&answer, "output") && frame_get(&answer, "bytes", &printed));
	ck_assert_msg(span_starts(printed, directory) && span_find_text(printed, SPAN("root")) < 0, "%.*s", SPAN_ARGS(printed));
	clean();
}
END_TEST

static void
answer(int sock, const char *verb, const char *field, const char *value)
{
	autoframe struct frame f = {0};

	frame_start(&f, verb);
	frame_put_string(&f, field, value);
	frame_send(sock, &f, clock_after(0), NULL);
}

/* An answer that came too late, or behind one that made no sense, is never taken for that of the next program. */
UNIT_TEST(late_answers)
{
	static const struct { const char *first, *field, *value; int second; } rows[] = {
		{NULL, NULL, NULL, -1}, {"nonsense", "a", "b", -1}, {"output", "bytes", "unasked", -1}, {"done", "status", "x", -1},
		{"done", "said", "nothing", -1}, {"failed", "reason", "it cannot be run", 0},
	};
	const struct program_run r = {.kind = SOON, .name = SPAN("show"), .message = -1, .text = SPAN_NONE};

	prepare();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fault why = {0};
		int          pair[2];

		ck_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
		if (rows[i].first)
			answer(pair[1], rows[i].first, rows[i].field, rows[i].value);
		ck_assert_msg(programs_run(pair[0], &r, NULL, NULL, &why) == -1, "row %zu", i);
		answer(pair[1], "done", "status", "0");
		fault_clear(&why);
		ck_assert_msg(programs_run(pair[0], &r, NULL, NULL, &why) == rows[i].second, "row %zu: %s", i, fault_text(&why));
		close(pair[0]);
		close(pair[1]);
	}
	clean();
}
END_TEST

UNIT_MAIN("service/programs", environment, descriptors, home, late_answers)
