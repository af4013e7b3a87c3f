/* SPDX-License-Identifier: ISC */
/*
 * anvil_roster.c - anvil's list of those who are logged in
 */
#include "anvil_roster.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strmap.h"
#include "ipc/peer.h"
#include "service/service.h"

enum { TELL_MS = 10000 };

struct roster_login {
	struct roster_login *next;
	int64_t              pid;
	int                  sock;         /* borrowed: closed after roster_forget */
	struct strmap       *sessions;     /* id -> the frame's fields, as a struct kept */
};

struct kept { char *service, *user, *peer; int64_t pid; };

static struct {
	struct monitor       lock;
	struct roster_login *logins;
	size_t               count;
} roster = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static void
kept_free(void *value)
{
	struct kept *k = value;

	free(k->service);
	free(k->user);
	free(k->peer);
	free(k);
}

int
do_roster(void *talk, struct frame *request, struct frame *answer, struct fault *why)
{
	struct roster_talk  *t = talk;
	struct roster_login *l;
	int64_t              pid = 0;
	pid_t                real;

	(void)answer;
	if (t->login || !frame_get_number(request, "pid", &pid) || pid <= 0)
		return fault_set(why, FAULT_INPUT, "no pid");
	if (peer_pid(t->sock, &real) && real != pid)        /* so that whoever lists strange sessions can be found */
		return fault_set(why, FAULT_DENIED, "process %ld says that it is %lld", (long)real, (long long)pid);
	l = mem_alloc(sizeof *l);
	l->pid = pid;
	l->sock = t->sock;
	l->sessions = strmap_new();
	t->login = l;
	monitor_enter(&roster.lock);
	l->next = roster.logins;
	roster.logins = l;
	monitor_leave(&roster.lock);
	return 0;
}

int
do_join(void *talk, struct frame *request, struct frame *answer, struct fault *why)
{
	struct roster_talk *t = talk;
	struct roster_entry e = {.pid = 0};
	struct kept        *k;

	(void)answer;
	if (!t->login)
		return fault_set(why, FAULT_INPUT, "no login program");
	if (roster_entry_take(request, &e, why) < 0)
		return -1;
	k = mem_alloc(sizeof *k);
	*k = (struct kept){mem_span(e.service), mem_span(e.user), mem_span(e.peer), e.pid};
	monitor_enter(&roster.lock);
	if (roster.count < ROSTER_MAX || strmap_get(t->login->sessions, e.session)) {
		k = strmap_put(t->login->sessions, e.session, k);
		roster.count += !k;
	}
	monitor_leave(&roster.lock);
	if (k)
		kept_free(k);
	return 0;
}

int
do_leave(void *talk, struct frame *request, struct frame *answer, struct fault *why)
{
	struct roster_talk *t = talk;
	struct span         session;
	struct kept        *k;

	(void)answer;
	if (!t->login || !frame_get(request, "session", &session))
		return fault_set(why, FAULT_INPUT, "no session");
	monitor_enter(&roster.lock);
	k = strmap_remove(t->login->sessions, session);
	roster.count -= k != NULL;
	monitor_leave(&roster.lock);
	if (k)
		kept_free(k);
	return 0;
}

void
roster_forget(struct roster_talk *t)
{
	struct roster_login **at;

	if (!t->login)
		return;
	monitor_enter(&roster.lock);
	for (at = &roster.logins; *at != t->login; at = &(*at)->next)
		;
	*at = t->login->next;
	roster.count -= strmap_count(t->login->sessions);
	monitor_leave(&roster.lock);
	strmap_free(t->login->sessions, kept_free);
	free(t->login);
	t->login = NULL;
}

/* Who reads mail and from where is not for every program of net_owner. */
static int
may_ask(struct roster_talk *t, struct fault *why)
{
	uid_t uid;

	if (peer_uid(t->sock, &uid, why) < 0)
		return -1;
	if (uid != (service->root ? 0 : getuid()))
		return fault_set(why, FAULT_DENIED, "asked by uid %ld", (long)uid);
	return 0;
}

/* The list as it is now, in frames of its own; sent when the lock is left. */
static void
copy_all(struct text *out)
{
	monitor_enter(&roster.lock);
	for (struct roster_login *l = roster.logins; l; l = l->next) {
		size_t      at = 0;
		struct span session;
		void       *value;

		while (strmap_next(l->sessions, &at, &session, &value)) {
			const struct kept *k = value;

			text_add_format(out, "%.*s%c%s%c%s%c%s%c%lld%c%lld%c", SPAN_ARGS(session), 0, k->service, 0, k->user, 0, k->peer, 0,
				(long long)k->pid, 0, (long long)l->pid, 0);
		}
	}
	monitor_leave(&roster.lock);
}

int
do_who(void *talk, struct frame *request, struct frame *answer, struct fault *why)
{
	struct roster_talk    *t = talk;
	autotext struct text   all = {0};
	autoframe struct frame f = {0};
	struct span            rest, part[6];

	(void)request;
	if (may_ask(t, why) < 0)
		return -1;
	copy_all(&all);
	for (rest = text_span(&all); rest.len;) {
		uint64_t pid = 0, login = 0;

		for (size_t i = 0; i < COUNT(part); i++)
			span_split(&rest, '\0', &part[i]);
		span_number(part[4], &pid);
		span_number(part[5], &login);
		frame_start(&f, "session");
		roster_entry_put(&f, &(struct roster_entry){part[0], part[1], part[2], part[3], (int64_t)pid, (int64_t)login});
		if (frame_send(t->sock, &f, clock_after(TELL_MS), why) < 0)
			return -1;
	}
	frame_start(answer, "done");
	return 0;
}

int
do_kick(void *talk, struct frame *request, struct frame *answer, struct fault *why)
{
	struct roster_talk *t = talk;
	struct span         session;
	int64_t             login = 0, count = 0;

	if (may_ask(t, why) < 0)
		return -1;
	if (!frame_get(request, "session", &session) || !frame_get_number(request, "login", &login))
		return fault_set(why, FAULT_INPUT, "whom?");
	monitor_enter(&roster.lock);
	for (struct roster_login *l = roster.logins; l; l = l->next)
		if (l->pid == login && strmap_get(l->sessions, session))
			count += roster_tell_kick(l->sock, session) == 0;
	monitor_leave(&roster.lock);
	frame_start(answer, "done");
	frame_put_number(answer, "count", count);
	return 0;
}
