/* SPDX-License-Identifier: ISC */
/*
 * roster.c - who is logged in, and who shall go: both ends
 */
#include "ipc/roster.h"

#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"
#include "mail/charset.h"
#include "mail/netaddr.h"

enum { TOOL_MS = 30000, SESSION_MOST = 64, SERVICE_MOST = 32, USER_MOST = 255, PEER_MOST = 64 };

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

/* One word for a line, a table and a terminal. */
static bool
is_word(struct span s, size_t most)
{
	if (!s.len || s.len > most || (utf8_valid(s) && !utf8_printable(s)))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] <= ' ' || s.at[i] == 0x7f)
			return false;
	return true;
}

static int
check_entry(const struct roster_entry *e, struct fault *why)
{
	struct netaddr from;

	if (!is_word(e->session, SESSION_MOST) || !is_word(e->service, SERVICE_MOST) || !is_word(e->user, USER_MOST))
		return fault_set(why, FAULT_INPUT, "the name of a session, a service or a user is none");
	if (e->peer.len > PEER_MOST || (!span_is(e->peer, "local") && !netaddr_parse(e->peer, &from)))
		return fault_set(why, FAULT_INPUT, "the peer is no address");
	return e->pid < 0 || e->pid > INT32_MAX ? fault_set(why, FAULT_INPUT, "no such process") : 0;
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

	if (frame_decode(f, fields, e, why) < 0)
		return -1;
	return check_entry(e, why);
}

/* ------------------------------------------------------------ the login program */

static int
tell(int sock, struct frame *f)
{
	struct fault why = {0};

	if (frame_send(sock, f, clock_now(), &why) == 0)
		return 0;
	return why.class == FAULT_TIME ? 1 : -1;
}

int
roster_open(int64_t pid, int *sock, struct fault *why)
{
	autoframe struct frame f = {0};
	autofree char         *path = peer_path("anvil");
	autoclose int          fd = -1;

	if (peer_connect(path, clock_now(), &fd, why) < 0)
		return -1;
	frame_start(&f, "roster");
	frame_put_number(&f, "pid", pid);
	if (tell(fd, &f) != 0)
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
	struct fault why = {0};
	int          got = frame_receive(sock, f, clock_now(), &why);

	if (got != 0)
		return why.class == FAULT_TIME ? 1 : -1;
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
