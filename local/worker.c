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
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "service/programs.h"

enum { INPUT_FD = 3, REPORT_FD = 4, PROGRAMS_FD = 5, FEED_SIZE = 65536, EXIT_MS = 5 * 1000, PAUSE_US_FIRST = 50, PAUSE_US_MOST = 20000 };

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

bool
worker_next(struct worker *w, int64_t deadline, struct frame *request)
{
	text_free(&w->pending);
	w->left = 0;
	if (frame_receive(w->report, request, deadline, NULL) != 0)
		return false;
	return frame_get_number(request, "size", &w->left) && w->left >= 0;
}

void
worker_decline(struct worker *w)
{
	autoframe struct frame f = {0};

	frame_start(&f, "declined");
	worker_tell(w, &f);
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
be_worker(const struct worker_job *job, int input, int report, int programs)
{
	struct worker w = {
		.input = INPUT_FD, .report = REPORT_FD, .left = job->feed ? job->feed->size : 0, .programs = programs < 0 ? -1 : PROGRAMS_FD};
	struct fault  why = {0};
	int           high_input, high_report, high_programs;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	/* past the two places first, so that neither overwrites the other */
	high_input = fcntl(input, F_DUPFD, 10);
	high_report = fcntl(report, F_DUPFD, 10);
	high_programs = programs < 0 ? -1 : fcntl(programs, F_DUPFD, 10);
	if (high_input < 0 || high_report < 0 || dup2(high_input, INPUT_FD) < 0 || dup2(high_report, REPORT_FD) < 0 ||
		(programs >= 0 && (high_programs < 0 || dup2(high_programs, PROGRAMS_FD) < 0)))
		_exit(1);
	fcntl(INPUT_FD, F_SETFD, FD_CLOEXEC);
	fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
	if (programs >= 0)
		fcntl(PROGRAMS_FD, F_SETFD, FD_CLOEXEC);
	closefrom(programs < 0 ? PROGRAMS_FD : PROGRAMS_FD + 1);
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

/* The parent's side while the child acts. */
struct feeding {
	const struct worker_job *job;
	int         input, report;         /* -1 when closed */
	int64_t     position, deadline;
	struct text chunk;
	size_t      sent;
	bool        heard, may_stay;
};

/* by itself; not yet, though it has said all; it stays; it will not do this; it was gone before it read of it */
enum ending { CHILD_ENDED, CHILD_SAID_ALL, CHILD_STAYS, CHILD_DECLINED, CHILD_MISSED_IT };

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

/* One that stays needs the pipe again: it is told how much comes, and waits for no end. */
static bool
is_fed(const struct feeding *f)
{
	return f->may_stay && f->input >= 0 && f->sent == f->chunk.len && f->position == f->job->feed->size;
}

/* enum ending, or -1 */
static int
hear(struct feeding *f, bool *over, struct fault *why)
{
	autoframe struct frame got = {0};
	struct span            reason = SPAN_NONE;
	int                    said = frame_receive(f->report, &got, f->deadline, why);

	*over = said != 0;
	/* a connection is lost, and not just closed, where its end had something unread: our request */
	if (said < 0 && why->class == FAULT_PEER && !f->heard && f->may_stay) {
		fault_clear(why);
		return CHILD_MISSED_IT;
	}
	if (said != 0)
		return said < 0 ? -1 : CHILD_ENDED;
	if (frame_is(&got, "declined") && !f->heard && f->may_stay) {
		*over = true;
		return CHILD_DECLINED;
	}
	f->heard = true;
	if (frame_is(&got, "fault")) {
		frame_get(&got, "reason", &reason);
		return fault_set(why, FAULT_SYSTEM, "%.*s", SPAN_ARGS(span_first(reason, 300)));
	}
	said = f->job->hear(f->job->context, &got, why);
	*over = said == 1;
	return said < 0 ? -1 : is_fed(f) ? CHILD_STAYS : CHILD_SAID_ALL;
}

/* Until the child closes its report, or says that it stays: enum ending, or -1. */
static int
attend(struct feeding *f, struct fault *why)
{
	for (bool over = false;;) {
		struct pollfd p[2] = {{.fd = f->report, .events = POLLIN}, {.fd = is_fed(f) ? -1 : f->input, .events = POLLOUT}};
		int           n = poll(p, 2, clock_left(f->deadline)), ending;

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
		ending = hear(f, &over, why);
		if (ending < 0 || over)
			return ending;
	}
}

/* Its report is closed, which it does by ending: it is looked for again and again, since nothing tells of an end with a deadline everywhere. */
static bool
ends_in_time(pid_t pid, int *status)
{
	int64_t         end = clock_after(EXIT_MS);
	struct timespec pause = {.tv_nsec = PAUSE_US_FIRST * 1000};
	pid_t           got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (clock_left(end) == 0)
			return false;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_US_MOST * 1000)
			pause.tv_nsec *= 2;
	}
	return true;
}

/* Its end: 0 by itself, -1 and why. One that closes its report and lives on must not hold up whoever waits for it. */
static int
wait_for(pid_t pid, bool by_force, struct fault *why)
{
	int status = 0;

	if (by_force || !ends_in_time(pid, &status)) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (WIFSIGNALED(status))
		return fault_set(why, FAULT_PEER, "delivery process died with signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		return fault_set(why, FAULT_PEER, "delivery process died");
	return 0;
}

/* Closes what the parent has of it, ends it where it made no sense, and waits: it ends by itself otherwise. */
static int
end_child(struct worker_child *child, bool by_force, struct fault *why)
{
	pid_t pid = child->pid;

	if (child->input >= 0)
		close(child->input);
	close(child->report);
	*child = (struct worker_child){0};
	return wait_for(pid, by_force, why);
}

/* One act of the child: enum ending, or -1; one that does not stay is ended. */
static int
act(struct worker_child *child, const struct worker_job *job, bool may_stay, struct fault *why)
{
	struct feeding f = {.job = job, .input = child->input, .report = child->report, .deadline = clock_after(job->limit_ms),
		.may_stay = may_stay && job->feed};
	int            ending;

	if (!job->feed)
		stop_feeding(&f);
	ending = attend(&f, why);
	text_free(&f.chunk);
	child->input = f.input;
	if (ending == CHILD_ENDED)
		return end_child(child, false, why) < 0 ? -1 : ending;
	if (ending != CHILD_STAYS)
		end_child(child, true, NULL);
	return ending;
}

static int
start_child(const struct worker_job *job, struct worker_child *child, struct fault *why)
{
	int   in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return fault_errno(why, "pipe");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out) < 0) {
		close(in[0]);
		close(in[1]);
		return fault_errno(why, "socketpair");
	}
	autoclose int programs = job->programs ? programs_open(job->who, job->user, job->home) : -1;

	pid = fork();
	if (pid == 0)
		be_worker(job, in[0], out[1], programs);
	close(in[0]);
	close(out[1]);
	if (pid < 0) {
		fault_errno(why, "fork");
		close(in[1]);
		close(out[0]);
		return -1;
	}
	*child = (struct worker_child){pid, in[1], out[0]};
	file_descriptor_flags(child->input, true, true);
	return 0;
}

int
worker_run(const struct worker_job *job, struct worker_child *stays, struct fault *why)
{
	struct worker_child child = {0};
	int                 ending;

	if (start_child(job, &child, why) < 0)
		return -1;
	ending = act(&child, job, stays != NULL, why);
	if (ending == CHILD_STAYS)
		*stays = child;
	if (ending == CHILD_DECLINED || ending == CHILD_MISSED_IT)
		return fault_set(why, FAULT_PEER, "delivery process gave no report");
	return ending < 0 ? -1 : 0;
}

/* It was asked nothing. What it says now would be taken for its answer to what it is asked next. */
static bool
is_silent(const struct worker_child *child)
{
	struct pollfd p = {.fd = child->report, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

int
worker_again(struct worker_child *child, struct frame *request, const struct worker_job *job, struct fault *why)
{
	int ending;

	if (!is_silent(child) || frame_send(child->report, request, clock_after(job->limit_ms), why) < 0) {
		fault_clear(why);
		worker_dismiss(child);
		return 1;
	}
	ending = act(child, job, true, why);
	if (ending == CHILD_DECLINED || ending == CHILD_MISSED_IT)
		return 1;
	return ending < 0 ? -1 : 0;
}

void
worker_dismiss(struct worker_child *child)
{
	if (child->pid)
		end_child(child, true, NULL);
}
