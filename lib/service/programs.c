/* SPDX-License-Identifier: ISC */
/*
 * programs.c - whoever wants a program run: the keeper is made, a user's socket is opened, a program is asked for
 */
#include "service/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/frame.h"
#include "service/programs_private.h"
#include "service/service.h"

enum { TELL_MS = 10000 };
enum answer { WELL, BADLY, NOT_RUN, MORE };        /* the first two are programs_run's 0 and 1 */

static const struct program_kind *kinds;
static size_t                     n_kinds;

static int
check_directory(const char *path, struct fault *why)
{
	struct stat st;

	if (*path != '/')
		return fault_set(why, FAULT_INPUT, "%s: a directory of programs must be an absolute path", path);
	if (stat(path, &st) < 0)
		return fault_errno(why, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return fault_set(why, FAULT_INPUT, "%s is not a directory", path);
	if (st.st_mode & S_IWOTH)
		return fault_set(why, FAULT_INPUT, "%s: everybody may put programs there", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		log_warning("%s: its owner, uid %u, can run programs as every user whose scripts name them", path, (unsigned)st.st_uid);
	return 0;
}

int
programs_prepare(const struct program_kind *given, size_t count, struct fault *why)
{
	int   pair[2], used = 0;
	pid_t pid;

	for (size_t i = 0; i < count; i++) {
		used += *given[i].directory != '\0';
		if (*given[i].directory && check_directory(given[i].directory, why) < 0)
			return -1;
	}
	if (!used || service->checks)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_errno(why, "socketpair");
	if ((pid = fork()) < 0)
		return fault_errno(why, "fork");
	if (pid == 0) {
		close(pair[0]);
		programs_keep(pair[1], given, count);
	}
	close(pair[1]);
	programs_door_open(pair[0]);
	kinds = given;
	n_kinds = count;
	return 0;
}

int
programs_open(const struct identity *who, const char *user, const char *home)
{
	autoframe struct frame f = {0};
	struct fault           why = {0};
	int                    pair[2];

	if (programs_door() < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_warning("socketpair: %s", strerror(errno));
		return -1;
	}
	frame_start(&f, "user");
	frame_put_number(&f, "uid", who->uid);
	frame_put_number(&f, "gid", who->gid);
	frame_put_string(&f, "name", who->name);
	for (int i = 0; i < who->group_count; i++)
		frame_put_number(&f, "group", who->groups[i]);
	frame_put_string(&f, "user", user);
	frame_put_string(&f, "home", home);
	frame_put_fd(&f, "socket", pair[1]);
	if (frame_send(programs_door(), &f, clock_after(TELL_MS), &why) < 0) {
		log_warning("keeper of programs: %s", fault_text(&why));
		close(pair[0]);
		pair[0] = -1;
	}
	close(pair[1]);
	return pair[0];
}

static int
send_text(int sock, struct span text, int64_t deadline, struct fault *why)
{
	for (size_t at = 0; at < text.len; at += PROGRAM_PIECE) {
		autoframe struct frame f = {0};

		frame_start(&f, "text");
		frame_put(&f, "bytes", span_first(span_from(text, at), PROGRAM_PIECE));
		if (frame_send(sock, &f, deadline, why) < 0)
			return -1;
	}
	return 0;
}

static int
send_run(int sock, const struct program_run *r, bool output, int64_t deadline, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "run");
	frame_put_number(&f, "kind", (int64_t)r->kind);
	frame_put(&f, "name", r->name);
	for (size_t i = 0; i < r->n_args; i++)
		frame_put(&f, "arg", r->args[i]);
	for (size_t i = 0; i < r->n_environment; i++)
		frame_put(&f, "env", r->environment[i]);
	frame_put_flag(&f, "output", output);
	if (r->message >= 0)
		frame_put_fd(&f, "message", r->message);
	return frame_send(sock, &f, deadline, why);
}

/* enum answer; -1: it makes no sense */
static int
take_answer(struct frame *f, struct text *output, struct text *said, struct fault *why)
{
	struct span words = SPAN_NONE;
	int64_t     status = -1;

	if (frame_is(f, "output")) {
		frame_get(f, "bytes", &words);
		if (!output || output->len + words.len > PROGRAM_OUTPUT_MOST)
			return fault_set(why, FAULT_INPUT, "it prints too much");
		text_add(output, words);
		return MORE;
	}
	if (frame_is(f, "failed")) {
		frame_get(f, "reason", &words);
		fault_set(why, FAULT_SYSTEM, "%.*s", SPAN_ARGS(span_first(words, 300)));
		return NOT_RUN;
	}
	if (!frame_is(f, "done") || !frame_get_number(f, "status", &status))
		return fault_set(why, FAULT_INPUT, "malformed answer");
	if (said && frame_get(f, "said", &words))
		text_set(said, span_first(words, PROGRAM_SAID_MOST));
	if (status == 0)
		return WELL;
	fault_set(why, FAULT_DENIED, status < 0 ? "killed by signal %lld" : "exit status %lld", (long long)(status < 0 ? -status : status));
	return BADLY;
}

/* As take_answer, the last one. */
static int
converse(int sock, const struct program_run *r, struct text *output, struct text *said, struct fault *why)
{
	int64_t deadline = clock_after(kinds[r->kind].limit_ms + PROGRAM_GRACE_MS);
	int     got = MORE;

	if ((r->message < 0 && send_text(sock, r->text, deadline, why) < 0) || send_run(sock, r, output != NULL, deadline, why) < 0)
		return -1;
	while (got == MORE) {
		autoframe struct frame f = {0};
		int                    heard = frame_receive(sock, &f, deadline, why);

		if (heard > 0)
			return fault_set(why, FAULT_PEER, "whoever runs it is gone");
		if (heard < 0)
			return -1;
		got = take_answer(&f, output, said, why);
	}
	return got;
}

int
programs_run(int sock, const struct program_run *r, struct text *output, struct text *said, struct fault *why)
{
	int got;

	if (sock < 0 || r->kind >= n_kinds || !*kinds[r->kind].directory)
		return fault_set(why, FAULT_INPUT, "no directory of such programs is set");
	if (r->message < 0 && r->text.len > PROGRAM_TEXT_MOST)
		return fault_set(why, FAULT_INPUT, "its input is larger than %d bytes", PROGRAM_TEXT_MOST);
	got = converse(sock, r, output, said, why);
	if (got < 0)
		shutdown(sock, SHUT_RDWR);     /* what is answered late must not be taken for the next one's answer */
	return got == WELL || got == BADLY ? got : -1;
}
