/* SPDX-License-Identifier: ISC */
/*
 * worker.c - one act in a child process that has become somebody
 */
#include "local/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { INPUT_FD = 3, REPORT_FD = 4, FEED_SIZE = 65536 };

int
worker_read(struct worker *w, size_t limit, struct text *into, struct fault *why)
{
	ssize_t n;

	text_clear(into);
	if (w->pending.len) {
		text_add(into, span_first(text_span(&w->pending), limit));
		text_drop(&w->pending, into->len);
		return 0;
	}
	if (w->left == 0)
		return 0;
	do
		n = read(w->input, text_room(into, limit), limit);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault_errno(why, "read the content");
	if (n == 0 || n > w->left)
		return fault_set(why, FAULT_PEER, "the content was cut short");
	w->left -= n;
	into->len = (size_t)n;
	return 0;
}

void
worker_unread(struct worker *w, struct span s)
{
	text_add(&w->pending, s);
}

void
worker_tell(struct worker *w, struct frame *f)
{
	struct fault why = {0};

	if (frame_send(w->report, f, CLOCK_NEVER, &why) < 0)
		_exit(1);              /* nobody listens: the delivery will be tried again */
}

static void
tell_fault(struct worker *w, const struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "fault");
	frame_put_string(&f, "reason", fault_text(why));
	worker_tell(w, &f);
}

/* The child: two descriptors, its own session, somebody else's rights. */
static _Noreturn void
be_worker(const struct worker_job *job, int input, int report)
{
	struct worker w = {
		.input = INPUT_FD, .report = REPORT_FD, .left = job->feed ? job->feed->size : 0};
	struct fault  why = {0};
	int           high_input, high_report;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	/* past the two places first, so that neither overwrites the other */
	high_input = fcntl(input, F_DUPFD, 10);
	high_report = fcntl(report, F_DUPFD, 10);
	if (high_input < 0 || high_report < 0 || dup2(high_input, INPUT_FD) < 0 ||
		dup2(high_report, REPORT_FD) < 0)
		_exit(1);
	fcntl(INPUT_FD, F_SETFD, FD_CLOEXEC);
	fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
	closefrom(REPORT_FD + 1);
	log_open(log_name(), -1);      /* the log's descriptor is gone too: reports say it all */
	if (job->root && (chroot(job->root) < 0 || chdir("/") < 0)) {
		fault_errno(&why, "chroot %s", job->root);
		tell_fault(&w, &why);
	} else if (user_become(job->who, &why) < 0)
		tell_fault(&w, &why);
	else
		job->work(&w, job->context);
	_exit(0);
}

/* The parent's side while the child lives. */
struct feeding {
	const struct worker_job *job;
	int         input, report;         /* -1 when closed */
	int64_t     position, deadline;
	struct text chunk;
	size_t      sent;
};

static void
stop_feeding(struct feeding *f)
{
	if (f->input >= 0)
		close(f->input);
	f->input = -1;
}

static int
feed(struct feeding *f, struct fault *why)
{
	ssize_t n;

	if (f->sent == f->chunk.len) {
		f->sent = 0;
		if (message_read(f->job->feed, &f->position, FEED_SIZE, &f->chunk, why) < 0)
			return -1;
		if (f->chunk.len == 0) {
			stop_feeding(f);
			return 0;
		}
	}
	n = write(f->input, f->chunk.at + f->sent, f->chunk.len - f->sent);
	if (n > 0)
		f->sent += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		stop_feeding(f);       /* it needs no more: its report counts */
	return 0;
}

static int
hear(struct feeding *f, struct fault *why)
{
	autoframe struct frame got = {0};
	struct span            reason = SPAN_NONE;
	int                    over = frame_receive(f->report, &got, f->deadline, why);

	if (over != 0)
		return over;
	if (!frame_is(&got, "fault"))
		return f->job->hear(f->job->context, &got, why);
	frame_get(&got, "reason", &reason);
	return fault_set(why, FAULT_SYSTEM, "%.*s", SPAN_ARGS(span_first(reason, 300)));
}

/* Until the child closes its report: 0, or -1. */
static int
attend(struct feeding *f, struct fault *why)
{
	for (;;) {
		struct pollfd p[2] = {
			{.fd = f->report, .events = POLLIN}, {.fd = f->input, .events = POLLOUT}};
		int           n = poll(p, 2, clock_left(f->deadline));
		int           over;

		if (n == 0)
			return fault_set(why, FAULT_TIME, "time limit exceeded");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "poll");
		if (p[1].revents && feed(f, why) < 0)
			return -1;
		if (!p[0].revents)
			continue;
		over = hear(f, why);
		if (over)
			return over < 0 ? -1 : 0;
	}
}

static int
finish(pid_t pid, int result, struct fault *why)
{
	int status = 0;

	if (result < 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (result < 0)
		return -1;
	if (WIFSIGNALED(status))
		return fault_set(
			why, FAULT_PEER, "delivery process died with signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		return fault_set(why, FAULT_PEER, "delivery process died");
	return 0;
}

int
worker_run(const struct worker_job *job, struct fault *why)
{
	struct feeding f = {
		.job = job, .input = -1, .report = -1, .deadline = clock_after(job->limit_ms)};
	int            in[2], out[2], result;
	pid_t          pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return fault_errno(why, "pipe");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out) < 0) {
		close(in[0]);
		close(in[1]);
		return fault_errno(why, "socketpair");
	}
	pid = fork();
	if (pid == 0)
		be_worker(job, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	f.input = in[1];
	f.report = out[0];
	if (pid < 0) {
		result = fault_errno(why, "fork");
	} else {
		file_descriptor_flags(f.input, true, true);
		if (!job->feed)
			stop_feeding(&f);
		result = attend(&f, why);
	}
	stop_feeding(&f);
	close(f.report);
	text_free(&f.chunk);
	return pid < 0 ? -1 : finish(pid, result, why);
}
