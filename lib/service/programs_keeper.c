/* SPDX-License-Identifier: ISC */
/*
 * programs_keeper.c - the keeper: sockets of user processes, each with the identity that goes with it
 *
 * It is root, so that a runner can become anybody, and hears only of those who are root.  What comes from a user's process it
 * does not read: a runner does, which is that user by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/poller.h"
#include "ipc/frame.h"
#include "service/programs_private.h"
#include "service/sandbox_private.h"
#include "service/service_private.h"

enum { KEEPER_FD = FIRST_LISTENER, EVENTS = 16 };

struct kept { struct identity who; struct program_owner owner; int sock; };

struct keeper {
	struct poller             *poller;
	const struct program_kind *kinds;
	size_t                     n_kinds, n_kept;
	bool                       over;
	struct rlimit              files;          /* as it was: many sockets are for the keeper, not for programs */
};

static bool
take_identity(struct frame *f, struct identity *who)
{
	struct span name, value;
	int64_t     uid = -1, gid = -1;
	size_t      at = 0;

	*who = (struct identity){0};
	if (!frame_get_number(f, "uid", &uid) || !frame_get_number(f, "gid", &gid) || uid < 0 || uid >= UINT32_MAX ||
	    gid < 0 || gid >= UINT32_MAX)
		return false;
	who->uid = (uid_t)uid;
	who->gid = (gid_t)gid;
	while (frame_next(f, &at, &name, &value)) {
		uint64_t group = 0;

		if (span_is(name, "name") && value.len < sizeof who->name)
			memcpy(who->name, value.at, value.len);
		if (!span_is(name, "group"))
			continue;
		if (who->group_count == (int)COUNT(who->groups) || !span_number(value, &group) || group >= UINT32_MAX)
			return false;
		who->groups[who->group_count++] = (gid_t)group;
	}
	return true;
}

static void
forget(struct keeper *k, struct kept *one)
{
	poller_set(k->poller, one->sock, 0, NULL, NULL);
	close(one->sock);
	free(one->owner.user);
	free(one->owner.home);
	free(one);
	k->n_kept--;
}

static void
hear_service(struct keeper *k, int control)
{
	autoframe struct frame f = {0};
	struct identity        who;
	struct kept           *one;
	struct span            user, home;
	struct fault           why = {0};
	int                    sock, heard = frame_receive(control, &f, clock_after(0), &why);

	if (heard != 0) {
		k->over = heard > 0 || why.class == FAULT_PEER;
		if (k->over)
			poller_set(k->poller, control, 0, NULL, NULL);
		return;
	}
	sock = frame_take_fd(&f, "socket");
	if (sock < 0 || !frame_is(&f, "user") || !take_identity(&f, &who) || !frame_get(&f, "user", &user) || !frame_get(&f, "home", &home)) {
		log_warning("keeper of programs: malformed request");
		if (sock >= 0)
			close(sock);
		return;
	}
	one = mem_alloc(sizeof *one);
	*one = (struct kept){who, {mem_span(user), mem_span(home)}, sock};
	k->n_kept++;
	if (poller_set(k->poller, sock, POLLER_IN, one, &why) < 0) {
		log_warning("keeper of programs: %s", fault_text(&why));
		forget(k, one);
	}
}

/* The runner: nothing of the keeper's but this socket. */
static _Noreturn void
be_runner(const struct keeper *k, const struct kept *one)
{
	struct fault why = {0};

	poller_free(k->poller);       /* which a user would share with root */
	setsid();
	signal(SIGCHLD, SIG_DFL);
	if (dup2(one->sock, KEEPER_FD) < 0)
		_exit(1);
	fcntl(KEEPER_FD, F_SETFD, FD_CLOEXEC);
	sandbox_close_descriptors(KEEPER_FD + 1);
	if (k->files.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &k->files);
	if (user_become(&one->who, &why) < 0)
		log_fatal("runner of programs: %s", fault_text(&why));
	programs_serve(KEEPER_FD, k->kinds, k->n_kinds, &one->owner);
}

static void
hear_user(struct keeper *k, struct kept *one)
{
	struct pollfd p = {.fd = one->sock, .events = POLLIN};
	pid_t         pid = 0;

	if (poll(&p, 1, 0) == 1 && p.revents & POLLIN && (one->who.uid != 0 || geteuid() != 0)) {
		char c;

		/* an end that is closed is readable, too */
		if (recv(one->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0 && (pid = fork()) == 0)
			be_runner(k, one);
	}
	if (pid < 0)
		log_warning("runner of programs: fork: %s", strerror(errno));
	forget(k, one);
}

_Noreturn void
programs_keep(int control, const struct program_kind *kinds, size_t count)
{
	struct keeper k = {.kinds = kinds, .n_kinds = count};
	struct fault  why = {0};

	setsid();
	signal(SIGCHLD, SIG_IGN);              /* runners are not waited for */
	if (dup2(control, KEEPER_FD) < 0)
		_exit(1);
	fcntl(KEEPER_FD, F_SETFD, FD_CLOEXEC);
	close(STATUS_FD);
	sandbox_close_descriptors(KEEPER_FD + 1);
	if (getrlimit(RLIMIT_NOFILE, &k.files) == 0) {
		const struct rlimit most = {k.files.rlim_max, k.files.rlim_max};

		setrlimit(RLIMIT_NOFILE, &most);
	}
	k.poller = poller_new();
	if (poller_set(k.poller, KEEPER_FD, POLLER_IN, &k, &why) < 0)
		log_fatal("keeper of programs: %s", fault_text(&why));
	while (!k.over || k.n_kept) {
		struct poller_event events[EVENTS];
		int                 n = poller_wait(k.poller, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].key == &k)
				hear_service(&k, KEEPER_FD);
			else
				hear_user(&k, events[i].key);
	}
	_exit(0);
}
