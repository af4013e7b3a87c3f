/* SPDX-License-Identifier: ISC */
/*
 * login.c - both ends of handing a session to a user's process
 */
#include "ipc/login.h"

#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { LOGIN_MS = 30000 };

int
login_hand_over(const char *service, const struct login_session *s, int64_t *pid, struct fault *why)
{
	autoframe struct frame f = {0}, answer = {0};
	autoclose int          sock = -1;
	struct span            reason = SPAN_NONE;
	int                    got;

	frame_start(&f, "session");
	frame_put(&f, "ticket", s->ticket);
	frame_put(&f, "session", s->session);
	frame_put(&f, "peer", s->peer);
	frame_put(&f, "local", s->local);
	frame_put(&f, "tag", s->tag);
	frame_put(&f, "input", s->input);
	frame_put_flag(&f, "tls", s->tls);
	frame_put_fd(&f, "stream", s->stream);
	if (peer_take(service, clock_after(LOGIN_MS), &sock, why) < 0 ||
	    frame_send(sock, &f, clock_after(LOGIN_MS), why) < 0)
		return -1;
	got = frame_receive(sock, &answer, clock_after(LOGIN_MS), why);
	if (got == 1)
		return fault_set(why, FAULT_PEER, "%s: hung up", service);
	if (got < 0)
		return -1;
	if (frame_is(&answer, "begun") && frame_get_number(&answer, "pid", pid))
		return 0;
	frame_get(&answer, "reason", &reason);
	return fault_set(why, FAULT_DENIED, "%.*s", SPAN_ARGS(reason));
}

int
login_receive(int sock, struct frame *f, struct login_session *out, struct fault *why)
{
	static const struct field fields[] = {
		FIELD_TEXT(struct login_session, ticket, "ticket", FIELD_NEEDED),
		FIELD_TEXT(struct login_session, session, "session", FIELD_NEEDED),
		FIELD_TEXT(struct login_session, peer, "peer", FIELD_NEEDED),
		FIELD_TEXT(struct login_session, local, "local", FIELD_NEEDED),
		FIELD_TEXT(struct login_session, tag, "tag", FIELD_NEEDED),
		FIELD_TEXT(struct login_session, input, "input", FIELD_NEEDED),
		FIELD_FLAG(struct login_session, tls, "tls", FIELD_NEEDED),
		FIELD_FD(struct login_session, stream, "stream", FIELD_NEEDED),
		FIELD_END
	};
	struct login_session s = {.stream = -1};
	int                  got = frame_receive(sock, f, clock_after(LOGIN_MS), why);

	if (got != 0)
		return got;
	if (!frame_is(f, "session"))
		return fault_set(why, FAULT_INPUT, "not a session");
	if (frame_decode(f, fields, &s, why) < 0) {
		if (s.stream >= 0)
			close(s.stream);
		return -1;
	}
	*out = s;
	return 0;
}

int
login_begun(int sock, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "begun");
	frame_put_number(&f, "pid", getpid());
	return frame_send(sock, &f, clock_after(LOGIN_MS), why);
}

int
login_refuse(int sock, const char *reason, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "refused");
	frame_put_string(&f, "reason", reason);
	return frame_send(sock, &f, clock_after(LOGIN_MS), why);
}
