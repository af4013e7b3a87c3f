/* SPDX-License-Identifier: ISC */
/*
 * command.c - in the recipient's child: run a command, and read its exit status
 *
 * The child feeds the message to the command's standard input, keeps the
 * start of what it prints, and ends it when its time is over.  What is exec'ed carries
 * no sandbox: .forward, procmail and mailman must be able to run the set-gid
 * sendmail.  No address ever stands in a shell string: the command is the user's
 * or the administrator's text, addresses are in its environment or its argv.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "local/errand.h"
#include "mail/line.h"
#include "mail/status.h"
#include "service/child.h"

enum { OUTPUT_KEPT = 2048, OUTPUT_CHUNK = 4096, GRACE_MS = 100 };

static const struct { int status; const char *dsn, *text; } exits[] = {
	{EX_USAGE, "5.3.0", "command line usage error"},
	{EX_DATAERR, "5.6.0", "data format error"},
	{EX_NOINPUT, "5.3.0", "cannot open input"},
	{EX_NOUSER, "5.1.1", "user unknown"},
	{EX_NOHOST, "5.1.2", "host name unknown"},
	{EX_UNAVAILABLE, "5.3.0", "service unavailable"},
	{EX_SOFTWARE, "5.3.0", "internal software error"},
	{EX_OSERR, "5.3.0", "system resource problem"},
	{EX_OSFILE, "5.3.0", "critical OS file missing"},
	{EX_CANTCREAT, "5.2.0", "can't create user output file"},
	{EX_IOERR, "5.3.0", "input/output error"},
	{EX_TEMPFAIL, "4.3.0", "temporary failure"},
	{EX_PROTOCOL, "5.5.0", "remote error in protocol"},
	{EX_NOPERM, "5.7.0", "permission denied"},
	{EX_CONFIG, "5.3.5", "local configuration error"},
};

/* One line of printable text. */
static void
add_output(struct text *out, const char *before, struct span output)
{
	if (output.len == 0)
		return;
	text_add_string(out, before);
	for (size_t i = 0; i < output.len; i++) {
		unsigned char c = (unsigned char)output.at[i];

		text_add_byte(out,
			c == '\n' || c == '\r' || c == '\t' ? ' '
				: c < 32 || c == 127        ? '?'
							    : (char)c);
	}
}

static void
failed_exit(int status, const char *shown, struct span output, struct outcome *o)
{
	char          own[STATUS_TEXT_SIZE];
	struct status said = {0};
	struct span   rest = output;
	const char   *dsn = "5.3.0", *text = NULL;

	for (size_t i = 0; i < COUNT(exits); i++)
		if (exits[i].status == status) {
			dsn = exits[i].dsn;
			text = exits[i].text;
		}
	/* A command may say "5.7.1 reason" itself; its exit status decides between now and never.
	 */
	if (status_parse(output, &said, &rest) && said.class == (status == EX_TEMPFAIL ? 4 : 5) &&
		rest.len) {
		outcome_set(o, status == EX_TEMPFAIL ? DELIVER_DEFERRED : DELIVER_BOUNCED,
			status_string(said, own), "%s", "");
		add_output(&o->text, "", rest);
		return;
	}
	if (text)
		outcome_set(o, dsn[0] == '4' ? DELIVER_DEFERRED : DELIVER_BOUNCED, dsn, "%s", text);
	else
		outcome_set(o, DELIVER_BOUNCED, dsn, "Command died with status %d: \"%s\"", status,
			shown);
	add_output(&o->text, ". Command output: ", output);
}

void
command_outcome(int wait_status, bool timed_out, const char *shown, struct span output,
	const char *done, struct outcome *o)
{
	output = span_trim(output);
	if (timed_out) {
		outcome_set(
			o, DELIVER_BOUNCED, "5.3.0", "Command time limit exceeded: \"%s\"", shown);
		add_output(&o->text, ". Command output: ", output);
	} else if (WIFSIGNALED(wait_status)) {
		outcome_set(o, DELIVER_DEFERRED, "4.3.0", "Command died with signal %d: \"%s\"",
		            WTERMSIG(wait_status), shown);
		add_output(&o->text, ". Command output: ", output);
	} else if (WEXITSTATUS(wait_status)) {
		failed_exit(WEXITSTATUS(wait_status), shown, output, o);
	} else {
		outcome_set(o, DELIVER_SENT, "2.0.0", "%s", done);
		if (output.len) {
			add_output(&o->text, " (", output);
			text_add_byte(&o->text, ')');
		}
	}
}

static _Noreturn void
become_command(const struct errand *e, int input, int output)
{
	if (!child_begin(input, output, output, e->work_directory))
		_exit(EX_TEMPFAIL);
	environ = (char **)e->environment;
	execvp(e->argv[0], (char *const *)e->argv);
	dprintf(2, "4.3.0 cannot execute %s: %s\n", e->argv[0], strerror(errno));
	_exit(EX_TEMPFAIL);
}

/* The child's conversation with the command. */
struct running {
	struct worker       *w;
	const struct errand *e;
	pid_t                pid;
	int                  input, output;     /* -1 closed */
	struct line_unix     lines;
	struct text          chunk, ready, kept;
	size_t               sent;
	bool                 all_read, content_failed;
	int64_t              deadline;
	int                  status;
	bool                 ended, timed_out;
	struct fault         why;
};

/* pipe(8): eol= and the flags '.', which work on whole lines of LF text. */
static void
reshape(const struct errand *e, const struct text *in, bool *line_start, struct text *out)
{
	for (size_t i = 0; i < in->len; i++) {
		if (*line_start && e->dots && in->at[i] == '.')
			text_add_byte(out, '.');
		if (in->at[i] == '\n' && e->eol.len)
			text_add(out, e->eol);
		else
			text_add_byte(out, in->at[i]);
		*line_start = in->at[i] == '\n';
	}
}

static int
next_chunk(struct running *r, bool *line_start)
{
	autotext struct text lf = {0};

	r->sent = 0;
	text_clear(&r->ready);
	if (worker_read(r->w, OUTPUT_CHUNK * 4, &r->chunk, &r->why) < 0) {
		r->content_failed = true;
		return -1;
	}
	if (r->chunk.len) {
		line_unix_feed(&r->lines, text_span(&r->chunk), &lf);
	} else {
		line_unix_end(&r->lines, true, &lf);
		if (r->e->blank_end)
			text_add_byte(&lf, '\n');
		r->all_read = true;
	}
	reshape(r->e, &lf, line_start, &r->ready);
	return 0;
}

static void
close_input(struct running *r)
{
	auto_close(&r->input);
	r->input = -1;
}

static void
write_some(struct running *r, bool *line_start)
{
	ssize_t n;

	while (r->sent == r->ready.len) {
		if (r->all_read || next_chunk(r, line_start) < 0) {
			close_input(r);
			return;
		}
	}
	n = write(r->input, r->ready.at + r->sent, r->ready.len - r->sent);
	if (n > 0)
		r->sent += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		close_input(r);          /* it wants no more: its exit status counts */
}

static void
read_some(struct running *r)
{
	char    buffer[OUTPUT_CHUNK];
	ssize_t n = read(r->output, buffer, sizeof buffer);

	if (n > 0 && r->kept.len < OUTPUT_KEPT)
		text_add(&r->kept,
			span_first(span_at(buffer, (size_t)n), OUTPUT_KEPT - r->kept.len));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		auto_close(&r->output);
		r->output = -1;
	}
}

static void
look_for_end(struct running *r)
{
	if (!r->ended && waitpid(r->pid, &r->status, WNOHANG) == r->pid) {
		r->ended = true;
		/* what it started may hold its output open: give that a moment, not for ever */
		if (clock_after(GRACE_MS) < r->deadline)
			r->deadline = clock_after(GRACE_MS);
	}
}

static void
converse(struct running *r, const sigset_t *while_waiting)
{
	bool line_start = true;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = r->output, .events = POLLIN}, {.fd = r->input, .events = POLLOUT}};
		struct timespec t;
		int             left, n;

		look_for_end(r);
		if (r->ended && r->output < 0)
			return;
		left = clock_left(r->deadline);
		if (left == 0) {
			r->timed_out = !r->ended;
			return;
		}
		t = (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};
		n = ppoll(p, 2, &t, while_waiting);
		if (n <= 0)
			continue;
		if (p[0].revents)
			read_some(r);
		if (p[1].revents && r->input >= 0)
			write_some(r, &line_start);
	}
}

static int
start(struct running *r, struct fault *why)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return fault_errno(why, "pipe");
	if (pipe2(out, O_CLOEXEC) < 0)
		return fault_errno(why, "pipe");
	r->pid = fork();
	if (r->pid < 0)
		return fault_errno(why, "fork");
	if (r->pid == 0)
		become_command(r->e, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	r->input = in[1];
	r->output = out[0];
	file_descriptor_flags(r->input, true, true);
	file_descriptor_flags(r->output, true, true);
	return 0;
}

void
command_work(struct worker *w, const struct errand *e, struct outcome *o)
{
	struct running r = {
		.w = w, .e = e, .input = -1, .output = -1, .deadline = clock_after(e->limit_ms)};
	sigset_t while_waiting;

	child_watch(&while_waiting);
	line_unix_start(&r.lines, e->quote_from);
	if (start(&r, &r.why) < 0) {
		outcome_set(o, DELIVER_DEFERRED, "4.3.0", "%s", fault_text(&r.why));
		return;
	}
	{
		autotext struct text head = {0};
		bool                 line_start = true;

		text_add(&head, e->from_line);
		text_add(&head, e->prefix);
		reshape(e, &head, &line_start, &r.ready);
	}
	converse(&r, &while_waiting);
	if (!r.ended)
		child_end(r.pid, &r.status);
	if (r.content_failed) /* the command saw half a message: its word does not count */
		outcome_set(o, DELIVER_DEFERRED, "4.3.0", "%s", fault_text(&r.why));
	else
		command_outcome(r.status, r.timed_out, e->shown, text_span(&r.kept), e->done, o);
	text_free(&r.chunk);
	text_free(&r.ready);
	text_free(&r.kept);
}
