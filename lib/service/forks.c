/* SPDX-License-Identifier: ISC */
/*
 * forks.c - one process a session, forked from this prepared one
 *
 * The child keeps the status socket (it is readable when master wants all to
 * stop, or is gone) and the log; the listeners are closed before serve().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/peer.h"
#include "service/sandbox_private.h"
#include "service/service_private.h"

enum { WATCH_MS = 1000, PAUSE_MS = 1000 };

struct forks {
	struct launch *launch;
	int            children;
	int64_t        served, paused_until;
	bool           leaving, told_busy;
	int            told_left;            /* sessions that master knows of, when leaving */
};

static int children_now;

static int
forks_count(void)
{
	return children_now;
}

static void
wake_poll(int signal_number)
{
	(void)signal_number;
}

static void
reap(struct forks *f)
{
	int   status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		f->children--;
		if (WIFSIGNALED(status))
			log_warning("process %s pid %ld killed by signal %d", service->program,
			            (long)pid, WTERMSIG(status));
	}
	children_now = f->children;
}

static _Noreturn void
child(struct launch *l, const struct listener *from, int fd)
{
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	listeners_close(l);
	if (pass_is_used())
		fd = pass_receive(fd);
	if (fd >= 0)
		l->program->serve(fd, from);
	_exit(0);
}

static void
start_child(struct forks *f, const struct listener *from, int fd)
{
	pid_t pid = fork();

	if (pid == 0)
		child(f->launch, from, fd);
	close(fd);
	if (pid < 0) {
		log_warning("fork: %s: pausing", strerror(errno));
		f->paused_until = clock_after(PAUSE_MS);
		return;
	}
	f->served++;
	children_now = ++f->children;
}

static void
look_for_reasons_to_leave(struct forks *f)
{
	const char *reason = NULL;

	if (f->leaving)
		return;
	if (status_told())
		reason = "told";
	else if (watch_changed && watch_changed())
		reason = "table";
	if (!reason)
		return;
	f->leaving = true;
	f->told_left = -1;
	listeners_close(f->launch);
	status_send("leaving %s", reason);
}

static void
report_fullness(struct forks *f, bool full)
{
	if (full == f->told_busy)
		return;
	f->told_busy = full;
	status_send("%s %d", full ? "busy" : "idle", f->children);
}

static bool
turn(struct forks *f, struct pollfd *p, const sigset_t *while_waiting)
{
	const struct launch *l = f->launch;
	struct timespec      wait = {.tv_sec = WATCH_MS / 1000};
	bool                 full, closed;
	int                  fd, got;

	reap(f);
	look_for_reasons_to_leave(f);
	if (f->leaving && f->children != f->told_left)
		status_send("left %d", f->told_left = f->children);
	if (f->leaving && f->children == 0)
		return false;
	full = f->children >= l->facts.sessions;
	report_fullness(f, full);
	closed = full || f->leaving || f->paused_until > clock_now();
	p[0] = (struct pollfd){.fd = f->leaving ? -1 : STATUS_FD, .events = POLLIN};
	for (size_t i = 0; i < l->n_listeners; i++)
		p[1 + i] = (struct pollfd){.fd = closed ? -1 : l->listener[i].fd, .events = POLLIN};
	if (ppoll(p, 1 + l->n_listeners, watch_changed || f->paused_until ? &wait : NULL, while_waiting) <= 0)
		return true;
	for (size_t i = 0; i < l->n_listeners; i++) {
		if (!p[1 + i].revents || f->children >= l->facts.sessions)
			continue;
		got = listener_accept(&l->listener[i], &fd);
		if (got < 0)
			f->paused_until = clock_after(PAUSE_MS);
		if (got == 0)
			start_child(f, &l->listener[i], fd);
	}
	return true;
}

void
forks_serve(struct launch *l)
{
	struct forks     f = {.launch = l};
	struct pollfd   *p = mem_array(l->n_listeners + 1, sizeof *p);
	struct sigaction on_child = {.sa_handler = wake_poll};
	sigset_t         blocked, before;

	/* SIGCHLD is let in only inside ppoll: none is missed between reap and wait. */
	sigaction(SIGCHLD, &on_child, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigdelset(&before, SIGCHLD);
	session_count = forks_count;
	peer_stop_fd(STATUS_FD);
	sandbox_trim_memory(); /* else each child puts the pieces that are free together, on pages that it must copy for it */
	status_send("ready");
	while (turn(&f, p, &before))
		;
	free(p);
}
