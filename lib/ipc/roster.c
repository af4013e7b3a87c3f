/* SPDX-License-Identifier: ISC */
/*
 * roster.c - who is logged in, and who shall go: both ends
 */
#include "ipc/roster.h"

#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { OPEN_MS = 200, TOOL_MS = 30000 };

void
roster_entry_put(struct frame *f, const struct roster_entry *e)
{
	frame_put(f, "session", e->session);
	frame_put(f, "service", e->service);
	frame_put(f, "user", e->user);
	frame_put(f, "peer", e->peer);
	frame_put_number(f, "pid", e->pid);
	if (e->login)
		frame_put_number(f, "login", e->login);
}

int
roster_entry_take(struct frame *f, struct roster_entry *e, struct fault *why)
{
	static const struct field fields[] = {
		FIELD_TEXT(struct roster_entry, session, "session", FIELD_NEEDED),
		FIELD_TEXT(struct roster_entry, service, "service", FIELD_NEEDED),
		FIELD_TEXT(struct roster_entry, user, "user", FIELD_NEEDED),
		FIELD_TEXT(struct roster_entry, peer, "peer", FIELD_NEEDED),
		FIELD_NUMBER(struct roster_entry, pid, "pid", FIELD_NEEDED),
		FIELD_NUMBER(struct roster_entry, login, "login", 0),
		FIELD_END
	};

	return frame_decode(f, fields, e, why);
}

/* ------------------------------------------------------------ the login program */

/* A socket that is full is one whose other end has stopped: it is given up, not waited for. */
static int
tell(int sock, struct frame *f)
{
	return frame_send(sock, f, clock_now(), NULL);
}

int
roster_open(int64_t pid, int *sock, struct fault *why)
{
	autoframe struct frame f = {0};
	autofree char         *path = peer_path("anvil");
	autoclose int          fd = -1;

	if (peer_connect(path, clock_after(OPEN_MS), &fd, why) < 0)
		return -1;
	frame_start(&f, "roster");
	frame_put_number(&f, "pid", pid);
	if (tell(fd, &f) < 0)
		return fault_set(why, FAULT_PEER, "anvil does not listen");
	*sock = fd;
	fd = -1;
	return 0;
}

int
roster_join(int sock, const struct roster_entry *e)
{
	autoframe struct frame f = {0};

	frame_start(&f, "join");
	roster_entry_put(&f, e);
	return tell(sock, &f);
}

static int
tell_session(int sock, const char *verb, struct span session)
{
	autoframe struct frame f = {0};

	frame_start(&f, verb);
	frame_put(&f, "session", session);
	return tell(sock, &f);
}

int
roster_leave(int sock, struct span session)
{
	return tell_session(sock, "leave", session);
}

int
roster_hear(int sock, struct frame *f, struct span *session)
{
	if (frame_receive(sock, f, clock_now(), NULL) != 0)
		return -1;
	return frame_is(f, "kick") && frame_get(f, "session", session) ? 0 : -1;
}

/* ------------------------------------------------------------ anvil */

int
roster_tell_kick(int sock, struct span session)
{
	return tell_session(sock, "kick", session);
}

/* ------------------------------------------------------------ the tools */

int
roster_who(roster_reader *read, void *context, struct fault *why)
{
	autoframe struct frame f = {0};
	autoclose int          sock = -1;
	int64_t                deadline = clock_after(TOOL_MS);

	if (peer_take("anvil", deadline, &sock, why) < 0)
		return -1;
	frame_start(&f, "who");
	if (frame_send(sock, &f, deadline, why) < 0)
		return -1;
	for (;;) {
		struct roster_entry e = {.pid = 0};

		if (frame_receive(sock, &f, deadline, why) != 0)
			return why->class ? -1 : fault_set(why, FAULT_PEER, "anvil hung up");
		if (frame_is(&f, "done"))
			return 0;
		if (!frame_is(&f, "session"))
			return fault_set(why, FAULT_DENIED, "anvil does not say who is logged in");
		if (roster_entry_take(&f, &e, why) < 0)
			return -1;
		if (read(context, &e) != 0)
			return 0;
	}
}

int
roster_kick(const struct roster_entry *e, bool *found, struct fault *why)
{
	autoframe struct frame f = {0};
	int64_t                count = 0;

	frame_start(&f, "kick");
	frame_put(&f, "session", e->session);
	frame_put_number(&f, "login", e->login);
	if (peer_call("anvil", &f, clock_after(TOOL_MS), why) < 0)
		return -1;
	if (!frame_is(&f, "done") || !frame_get_number(&f, "count", &count))
		return fault_set(why, FAULT_INPUT, "anvil: strange answer");
	*found = count > 0;
	return 0;
}
