/* SPDX-License-Identifier: ISC */
/*
 * programs_runner.c - the runner: a user's process that runs programs for another of his, which is confined
 *
 * What it is asked for it checks as if a stranger asked: the other one has read scripts and messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/frame.h"
#include "mail/line.h"
#include "service/child.h"
#include "service/programs_private.h"

enum { CHUNK = 4096, AFTER_MS = 100, ANSWER_MS = 60000, REASON_ROOM = 300 };

/* What may be said of the environment (programs.h). */
static const char *const variables[] = {"HOST", "SENDER", "RECIPIENT", "ORIG_RECIPIENT"};

struct request {
	const struct program_kind *kind;
	const char *home;              /* of the owner; borrowed */
	char  *path;
	char  *argv[PROGRAM_ARGUMENTS_MOST + 2];
	char  *said[COUNT(variables)], *environment[2 + COUNT(variables) + 1];
	size_t n_args;
	bool   output;
	int    message;                /* -1: the text */
};

struct running {
	const struct request *r;
	struct span           text;
	pid_t                 pid;
	int                   sock, input, output, errors;     /* -1 closed */
	off_t                 at;
	struct line_encoder   crlf;
	struct line_unix      lf;
	struct text           ready, said;
	size_t                written, printed;
	bool                  all_read, ended;
	const char           *trouble;                         /* why it is not waited for any longer */
	int64_t               deadline;
	int                   status;
};

static void
answer_failed(int sock, const char *reason)
{
	autoframe struct frame f = {0};

	frame_start(&f, "failed");
	frame_put_string(&f, "reason", reason);
	if (frame_send(sock, &f, clock_after(ANSWER_MS), NULL) < 0)
		_exit(0);
}

/* ------------------------------------------------------------ what is asked */

static int
check_program(const char *path, struct fault *why)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fault_errno(why, "%s", path);
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_DENIED, "%s is not a regular file", path);
	if (st.st_mode & S_IWOTH)
		return fault_set(why, FAULT_DENIED, "%s is world-writable", path);
	return 0;
}

static bool
is_plain_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] < ' ' || name.at[i] == '/' || name.at[i] == 127)
			return false;
	return name.len > 0 && name.len < 256 && name.at[0] != '.';
}

static bool
take_variable(struct request *r, struct span word)
{
	struct span rest = word, name;

	if (!span_split(&rest, '=', &name))
		return false;
	for (size_t i = 0; i < COUNT(variables); i++)
		if (span_is(name, variables[i]) && !r->said[i]) {
			r->said[i] = mem_span(word);
			return true;
		}
	return false;
}

static void
make_environment(struct request *r, const struct program_owner *owner)
{
	char **next = r->environment;

	if (*owner->user)
		*next++ = mem_format("USER=%s", owner->user);
	if (*owner->home)
		*next++ = mem_format("HOME=%s", owner->home);
	for (size_t i = 0; i < COUNT(variables); i++)
		if (r->said[i])
			*next++ = take(r->said[i]);
}

static bool
take_words(struct frame *f, struct request *r)
{
	struct span name, value;
	size_t      at = 0;

	while (frame_next(f, &at, &name, &value)) {
		bool argument = span_is(name, "arg");

		if (!argument && !span_is(name, "env"))
			continue;
		if (span_has(value, '\0') || (argument ? r->n_args == PROGRAM_ARGUMENTS_MOST : !take_variable(r, value)))
			return false;
		if (argument)
			r->argv[1 + r->n_args++] = mem_span(value);
	}
	return true;
}

static int
take_request(struct frame *f, const struct program_kind *kinds, size_t count, const struct program_owner *owner, struct request *r, struct fault *why)
{
	struct span name = SPAN_NONE;
	int64_t     kind = -1;

	r->message = frame_take_fd(f, "message");
	frame_get(f, "name", &name);
	if (!frame_get_number(f, "kind", &kind) || kind < 0 || (size_t)kind >= count || !*kinds[kind].directory || !is_plain_name(name) ||
	    !take_words(f, r))
		return fault_set(why, FAULT_INPUT, "malformed request");
	r->kind = &kinds[kind];
	r->home = owner->home;
	make_environment(r, owner);
	r->output = frame_get_flag(f, "output");
	r->path = mem_format("%s/%.*s", r->kind->directory, SPAN_ARGS(name));
	r->argv[0] = r->path;
	return check_program(r->path, why);
}

static void
request_free(struct request *r)
{
	for (size_t i = 0; i < r->n_args; i++)
		free(r->argv[1 + i]);
	for (size_t i = 0; i < COUNT(r->environment); i++)
		free(r->environment[i]);
	for (size_t i = 0; i < COUNT(r->said); i++)
		free(r->said[i]);
	free(r->path);
	if (r->message >= 0)
		close(r->message);
}

/* ------------------------------------------------------------ the program */

static _Noreturn void
be_program(const struct request *r, int input, int output, int errors)
{
	if (!child_begin(input, output, errors, *r->home ? r->home : "/"))
		_exit(127);
	execve(r->path, r->argv, r->environment);
	dprintf(2, "cannot execute %s: %s", r->path, strerror(errno));
	_exit(127);
}

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int
start(struct running *g, struct fault *why)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, errors[2] = {-1, -1};

	if (pipe2(in, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0 &&
	    (g->r->output ? pipe2(out, O_CLOEXEC) == 0 : (out[1] = open("/dev/null", O_WRONLY | O_CLOEXEC)) >= 0))
		g->pid = fork();
	else
		g->pid = -1;
	if (g->pid == 0)
		be_program(g->r, in[0], out[1], errors[1]);
	if (g->pid < 0)
		fault_errno(why, "start a program");
	shut(&in[0]);
	shut(&out[1]);
	shut(&errors[1]);
	g->input = in[1];
	g->output = out[0];
	g->errors = errors[0];
	if (g->pid < 0) {
		shut(&g->input);
		shut(&g->output);
		shut(&g->errors);
		return -1;
	}
	file_descriptor_flags(g->input, true, true);
	if (g->output >= 0)
		file_descriptor_flags(g->output, true, true);
	file_descriptor_flags(g->errors, true, true);
	return 0;
}

/* More of the input, with its line ends; nothing: that was all. */
static void
next_input(struct running *g)
{
	char        piece[CHUNK];
	struct span got = SPAN_NONE;

	text_clear(&g->ready);
	g->written = 0;
	if (g->all_read)
		return;
	if (g->r->message >= 0) {
		ssize_t n = pread(g->r->message, piece, sizeof piece, g->at);

		if (n < 0) {          /* half a message is none */
			g->trouble = "the message cannot be read";
			return;
		}
		got = span_at(piece, (size_t)n);
	} else {
		got = span_first(span_from(g->text, (size_t)g->at), sizeof piece);
	}
	g->at += (off_t)got.len;
	g->all_read = got.len == 0;
	if (g->all_read && g->r->kind->lf)
		line_unix_end(&g->lf, false, &g->ready);
	else if (g->all_read)
		line_encode_end(&g->crlf, &g->ready);
	else if (g->r->kind->lf)
		line_unix_feed(&g->lf, got, &g->ready);
	else
		line_encode(&g->crlf, got, &g->ready);
}

static void
feed(struct running *g)
{
	ssize_t n;

	while (g->written == g->ready.len) {
		if (g->all_read) {
			shut(&g->input);
			return;
		}
		next_input(g);
		if (g->trouble)
			return;
	}
	n = write(g->input, g->ready.at + g->written, g->ready.len - g->written);
	if (n > 0)
		g->written += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		shut(&g->input);       /* it wants no more: its exit status counts */
}

static void
hear_output(struct running *g)
{
	autoframe struct frame f = {0};
	char                   piece[CHUNK];
	ssize_t                n = read(g->output, piece, sizeof piece);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(&g->output);
	if (n <= 0)
		return;
	g->printed += (size_t)n;
	frame_start(&f, "output");
	frame_put(&f, "bytes", span_at(piece, (size_t)n));
	if (g->printed > PROGRAM_OUTPUT_MOST || frame_send(g->sock, &f, clock_after(ANSWER_MS), NULL) < 0)
		g->trouble = "it prints too much";
}

static void
hear_errors(struct running *g)
{
	char    piece[CHUNK];
	ssize_t n = read(g->errors, piece, sizeof piece);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(&g->errors);
	if (n > 0 && g->said.len < PROGRAM_SAID_MOST)
		text_add(&g->said, span_first(span_at(piece, (size_t)n), PROGRAM_SAID_MOST - g->said.len));
}

static void
look_for_end(struct running *g)
{
	if (g->ended || waitpid(g->pid, &g->status, WNOHANG) != g->pid)
		return;
	g->ended = true;
	shut(&g->input);
}

/* What it started may hold this open, and say more, for ever. */
static void
hear_last_errors(struct running *g)
{
	struct pollfd p = {.fd = g->errors, .events = POLLIN};

	while (g->errors >= 0 && g->said.len < PROGRAM_SAID_MOST && poll(&p, 1, 0) > 0)
		hear_errors(g);
}

static void
converse(struct running *g, const sigset_t *while_waiting)
{
	while (!g->trouble) {
		struct pollfd p[3] = {{.fd = g->output, .events = POLLIN}, {.fd = g->errors, .events = POLLIN}, {.fd = g->input, .events = POLLOUT}};
		struct timespec t;
		int             left, ready;

		look_for_end(g);
		if (g->ended && g->output < 0) {
			hear_last_errors(g);
			return;
		}
		left = clock_left(g->deadline);
		if (left == 0) {
			g->trouble = "it takes too long";
			return;
		}
		/* what it printed is there when it has ended; who holds its output open behind it is given a moment */
		if (g->ended && left > AFTER_MS)
			left = AFTER_MS;
		t = (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};
		ready = ppoll(p, 3, &t, while_waiting);
		if (ready == 0 && g->ended)
			return;
		if (ready <= 0)
			continue;
		if (p[0].revents)
			hear_output(g);
		if (p[1].revents)
			hear_errors(g);
		if (p[2].revents && g->input >= 0)
			feed(g);
	}
}

static void
answer_done(const struct running *g)
{
	autoframe struct frame f = {0};

	frame_start(&f, "done");
	frame_put_number(&f, "status", WIFSIGNALED(g->status) ? -WTERMSIG(g->status) : WEXITSTATUS(g->status));
	frame_put(&f, "said", text_span(&g->said));
	if (frame_send(g->sock, &f, clock_after(ANSWER_MS), NULL) < 0)
		_exit(0);
}

static void
run(int sock, const struct request *r, struct span text)
{
	struct running g = {.r = r, .text = text, .sock = sock, .input = -1, .output = -1, .errors = -1,
		.deadline = clock_after(r->kind->limit_ms)};
	struct fault   why = {0};
	sigset_t       while_waiting;

	child_watch(&while_waiting);
	line_encoder_start(&g.crlf, false, 0);
	g.crlf.keep_cr = true;
	line_unix_start(&g.lf, false);
	if (start(&g, &why) < 0) {
		answer_failed(sock, fault_text(&why));
		return;
	}
	converse(&g, &while_waiting);
	if (!g.ended)
		child_end(g.pid, &g.status);
	shut(&g.input);
	shut(&g.output);
	shut(&g.errors);
	if (g.trouble)
		answer_failed(sock, g.trouble);
	else
		answer_done(&g);
	text_free(&g.ready);
	text_free(&g.said);
}

_Noreturn void
programs_serve(int sock, const struct program_kind *kinds, size_t count, const struct program_owner *owner)
{
	autotext struct text text = {0};

	for (;;) {
		autoframe struct frame f = {0};
		struct request         r = {.message = -1};
		struct fault           why = {0};
		struct span            more = SPAN_NONE;

		if (frame_receive(sock, &f, CLOCK_NEVER, NULL) != 0)
			break;
		if (frame_is(&f, "text") && frame_get(&f, "bytes", &more) && text.len + more.len <= PROGRAM_TEXT_MOST) {
			text_add(&text, more);
			continue;
		}
		if (!frame_is(&f, "run"))
			break;
		if (take_request(&f, kinds, count, owner, &r, &why) < 0)
			answer_failed(sock, fault_text(&why));
		else
			run(sock, &r, text_span(&text));
		request_free(&r);
		text_clear(&text);
	}
	_exit(0);
}
