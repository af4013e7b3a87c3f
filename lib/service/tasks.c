/* SPDX-License-Identifier: ISC */
/*
 * tasks.c - one thread a session, up to a limit; with a limit of one, none
 *
 * The first thread accepts.  It stops while the limit is reached, so that what
 * waits stays in the listen queue where another process may take it, and tells
 * master, who then starts one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/peer.h"
#include "service/service_private.h"

enum { WATCH_MS = 1000, PAUSE_MS = 1000 };

bool (*watch_changed)(void);

/* The monitor of this process's sessions. */
static struct {
	struct monitor lock;
	int            count;
	bool           tell;         /* the first thread waits for a session to end */
	int            wake[2], stop[2];
} crowd = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

struct loop {
	struct launch *launch;
	int64_t        served, idle_since, paused_until;
	bool           leaving, told_busy;
	int            told_left;            /* sessions that master knows of, when leaving */
};

struct session {
	const struct service  *program;
	const struct listener *listener;
	int                    fd;
};

static _Thread_local bool kept;    /* this task's session outlives it */
static bool               threads;

static int
crowd_count(void)
{
	int n;

	monitor_enter(&crowd.lock);
	n = crowd.count;
	monitor_leave(&crowd.lock);
	return n;
}

static int
crowd_add(int more)
{
	bool tell;
	int  n;

	monitor_enter(&crowd.lock);
	n = crowd.count += more;
	tell = more < 0 && crowd.tell;
	monitor_leave(&crowd.lock);
	if (tell)
		(void)!write(crowd.wake[1], "", 1);
	return n;
}

static void
crowd_tell(bool yes)
{
	monitor_enter(&crowd.lock);
	crowd.tell = yes;
	monitor_leave(&crowd.lock);
}

int
listener_accept(const struct listener *l, int *fd)
{
	int got = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

	if (got >= 0) {
		*fd = got;
		return 0;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		log_warning("accept on %s: %s: pausing", l->name, strerror(errno));
		return -1;
	}
	return 1; /* another process was quicker, or the client went away */
}

/* Whoever leaves gives the port back at once, not after its last session: when master was
 * killed, the next one wants to bind it. */
void
listeners_close(struct launch *l)
{
	for (size_t i = 0; i < l->n_listeners; i++)
		if (l->listener[i].fd >= 0)
			close(take_fd(l->listener[i].fd));
}

static void
session_run(void *given)
{
	struct session s = *(struct session *)given;

	free(given);
	kept = false;
	if (pass_is_used())
		s.fd = pass_receive(s.fd);
	if (s.fd >= 0)
		s.program->serve(s.fd, s.listener);
	if (!kept)
		crowd_add(-1);
}

bool
service_session_keep(void)
{
	return kept = threads;
}

bool
service_makes_threads(void)
{
	return threads;
}

void
service_session_over(void)
{
	crowd_add(-1);
}

void
service_session_again(void (*serve)(void *), void *given)
{
	kept = false;
	serve(given);
	if (!kept)
		crowd_add(-1);
}

static void
start_session(struct loop *o, const struct listener *listener, int fd)
{
	struct session *s = mem_alloc(sizeof *s);
	struct fault    why = {0};

	*s = (struct session){o->launch->program, listener, fd};
	o->served++;
	if (o->launch->facts.tasks <= 1) {
		crowd_add(1);
		status_send("busy 1");
		session_run(s);
		status_send("idle 0");
		return;
	}
	crowd_add(1);
	if (task_start(session_run, s, &why) < 0) {
		log_warning("%s", fault_text(&why));
		free(s);
		close(fd);
		crowd_add(-1);
		o->paused_until = clock_after(PAUSE_MS);
	}
}

/* From here on no new session; those that serve may hang up between requests. */
static void
begin_leaving(struct loop *o, const char *reason)
{
	if (o->leaving)
		return;
	o->leaving = true;
	o->told_left = -1;
	close(take_fd(crowd.stop[1]));
	listeners_close(o->launch);
	status_send("leaving %s", reason);
}

static void
look_for_reasons_to_leave(struct loop *o, int count)
{
	const struct launch *l = o->launch;

	if (o->leaving)
		return;
	if (status_told())
		begin_leaving(o, "told");
	else if (watch_changed && watch_changed()) {
		log_info("a table has changed -- restarting");
		begin_leaving(o, "table");
	} else if (l->max_served && o->served >= l->max_served)
		begin_leaving(o, "served");
	else if (l->may_leave && count == 0 && clock_now() - o->idle_since >= l->max_idle)
		begin_leaving(o, "idle");
}

static int
patience(const struct loop *o, int count)
{
	int64_t left = INT32_MAX;

	if (o->paused_until > clock_now())
		left = o->paused_until - clock_now();
	if (o->leaving)
		return left == INT32_MAX ? -1 : (int)left;
	if (watch_changed && left > WATCH_MS)
		left = WATCH_MS;
	if (o->launch->may_leave && count == 0) {
		int64_t idle = o->idle_since + o->launch->max_idle - clock_now();

		left = idle < left ? (idle > 0 ? idle : 0) : left;
	}
	return left == INT32_MAX ? -1 : (int)left;
}

static void
report_fullness(struct loop *o, bool full, int count)
{
	if (o->launch->facts.tasks <= 1 || full == o->told_busy)
		return;
	o->told_busy = full;
	status_send("%s %d", full ? "busy" : "idle", count);
}

static void
accept_ready(struct loop *o, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct listener *listener = &o->launch->listener[i];
		int                    fd, got;

		if (!p[i].revents || crowd_count() >= o->launch->facts.tasks)
			continue;
		got = listener_accept(listener, &fd);
		if (got < 0)
			o->paused_until = clock_after(PAUSE_MS);
		if (got == 0)
			start_session(o, listener, fd);
	}
}

/* One turn: false when all is over. */
static bool
turn(struct loop *o, struct pollfd *p, size_t n_listeners)
{
	int    count = crowd_count();
	bool   full, closed;
	char   drain[64];

	if (count)
		o->idle_since = clock_now();
	look_for_reasons_to_leave(o, count);
	full = count >= o->launch->facts.tasks;
	crowd_tell(full || o->leaving || o->launch->may_leave);
	count = crowd_count();
	full = count >= o->launch->facts.tasks;
	report_fullness(o, full, count);
	if (o->leaving && count != o->told_left)
		status_send("left %d", o->told_left = count);
	if (o->leaving && count == 0)
		return false;
	closed = full || o->leaving || o->paused_until > clock_now();
	for (size_t i = 0; i < n_listeners; i++)
		p[2 + i] = (struct pollfd){.fd = closed ? -1 : o->launch->listener[i].fd, .events = POLLIN};
	p[0] = (struct pollfd){.fd = o->leaving ? -1 : STATUS_FD, .events = POLLIN};
	p[1] = (struct pollfd){.fd = crowd.wake[0], .events = POLLIN};
	if (poll(p, 2 + n_listeners, patience(o, count)) <= 0)
		return true;
	if (p[1].revents)
		(void)!read(crowd.wake[0], drain, sizeof drain);
	accept_ready(o, p + 2, n_listeners);
	return true;
}

/* Before begin(), whose tasks may want to know when to stop. */
void
tasks_prepare(struct launch *l)
{
	if (pipe2(crowd.wake, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(crowd.stop, O_CLOEXEC) < 0)
		log_fatal("pipe: %s", strerror(errno));
	threads = l->facts.tasks > 1;
	if (threads)
		stop_fd = crowd.stop[0];
	session_count = crowd_count;
	peer_stop_fd(stop_fd);
}

void
tasks_serve(struct launch *l)
{
	struct loop    o = {.launch = l, .idle_since = clock_now()};
	struct pollfd *p = mem_array(l->n_listeners + 2, sizeof *p);

	status_send("ready");
	while (turn(&o, p, l->n_listeners))
		;
	free(p);
}
