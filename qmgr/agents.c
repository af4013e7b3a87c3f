/* SPDX-License-Identifier: ISC */
/*
 * agents.c - kept connections to delivery agents, by transport
 *
 * A connection occupies a session of the agent, so that an idle one is kept
 * for a few seconds only, and taken before a new one is made.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"
#include "qmgr.h"

enum { KEPT_MAX = 200, KEEP_MS = 5000, CONNECT_MS = 2000 };

struct kept {
	char    transport[64];
	int     sock;
	int64_t since;
};

struct agents {
	struct monitor lock;
	struct kept    kept[KEPT_MAX];
	size_t         count;
};

struct agents *
agents_new(void)
{
	struct agents *a = mem_alloc(sizeof *a);

	monitor_init(&a->lock);
	return a;
}

static int
take_kept(struct agents *a, struct span transport)
{
	int sock = -1;

	monitor_enter(&a->lock);
	for (size_t i = a->count; i > 0 && sock < 0; i--)
		if (span_is(transport, a->kept[i - 1].transport)) {
			sock = a->kept[i - 1].sock;
			a->kept[i - 1] = a->kept[--a->count];
		}
	monitor_leave(&a->lock);
	return sock;
}

int
agents_take(struct qmgr *q, struct span transport, int *sock, bool *kept, struct fault *why)
{
	autofree char *path = mem_format("%s/%.*s", config.private_directory, SPAN_ARGS(transport));
	int            old;

	while ((old = take_kept(q->agents, transport)) >= 0) {
		struct pollfd p = {.fd = old, .events = POLLIN};

		if (poll(&p, 1, 0) == 0) {
			*sock = old;
			*kept = true;
			return 0;
		}
		close(old); /* the agent hung up while it was idle */
	}
	*kept = false;
	if (span_has(transport, '/') || transport.len == 0 || transport.at[0] == '.')
		return fault_set(why, FAULT_INPUT, "not a service name");
	return peer_connect(path, clock_after(CONNECT_MS), sock, why);
}

void
agents_give(struct qmgr *q, struct span transport, int sock)
{
	struct agents *a = q->agents;
	bool           keep;

	monitor_enter(&a->lock);
	keep = a->count < KEPT_MAX && transport.len < sizeof a->kept[0].transport;
	if (keep) {
		struct kept *k = &a->kept[a->count++];

		snprintf(k->transport, sizeof k->transport, "%.*s", SPAN_ARGS(transport));
		k->sock = sock;
		k->since = clock_now();
	}
	monitor_leave(&a->lock);
	if (!keep)
		close(sock);
}

void
agents_expire(struct qmgr *q)
{
	struct agents *a = q->agents;
	int64_t        before = clock_now() - KEEP_MS;

	monitor_enter(&a->lock);
	for (size_t i = a->count; i > 0; i--)
		if (a->kept[i - 1].since <= before) {
			close(a->kept[i - 1].sock);
			a->kept[i - 1] = a->kept[--a->count];
		}
	monitor_leave(&a->lock);
}
