/* SPDX-License-Identifier: ISC */
/*
 * login.c - both ends of handing a session to a user's process
 */
#include "ipc/login.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { LOGIN_MS = 30000 };

int
login_hand_over(const char *service, const struct login_session *s, int64_t *pid, int *control, struct fault *why)
{
	autoframe struct frame f = {0}, answer = {0};
	autoclose int          sock = -1;
	struct span            reason = SPAN_NONE;
	int64_t                process;
	int                    got;

	frame_start(&f, "session");
	frame_put(&f, "ticket", s->ticket);
	frame_put(&f, "session", s->session);
	frame_put(&f, "peer", s->peer);
	frame_put(&f, "local", s->local);
	frame_put(&f, "tag", s->tag);
	frame_put(&f, "input", s->input);
	frame_put_flag(&f, "tls", s->tls);
	if (s->utf8)
		frame_put_flag(&f, "utf8", true);
	if (s->capabilities.len)
		frame_put(&f, "capabilities", s->capabilities);
	if (s->token.len) {
		frame_put(&f, "user", s->user);
		frame_put(&f, "token", s->token);
		frame_put(&f, "proof", s->proof);
		frame_put(&f, "state", s->state);
	}
	frame_put_fd(&f, "stream", s->stream);
	if (peer_take(service, clock_after(LOGIN_MS), &sock, why) < 0 ||
	    frame_send(sock, &f, clock_after(LOGIN_MS), why) < 0)
		return -1;
	got = frame_receive(sock, &answer, clock_after(LOGIN_MS), why);
	if (got == 1)
		return fault_set(why, FAULT_PEER, "%s: hung up", service);
	if (got < 0)
		return -1;
	if (frame_is(&answer, "begun")) {
		/* the user's word: anvil would hang up on us, and on all sessions that we list, if it were none */
		if (!frame_get_number(&answer, "pid", &process) || process <= 0 || process > INT32_MAX)
			return fault_set(why, FAULT_INPUT, "%s: no such process", service);
		*pid = process;
		*control = take_fd(sock);
		return 0;
	}
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
		FIELD_TEXT(struct login_session, user, "user", 0),
		FIELD_TEXT(struct login_session, token, "token", 0),
		FIELD_TEXT(struct login_session, proof, "proof", 0),
		FIELD_TEXT(struct login_session, state, "state", 0),
		FIELD_FLAG(struct login_session, tls, "tls", FIELD_NEEDED),
		FIELD_FLAG(struct login_session, utf8, "utf8", 0),
		FIELD_TEXT(struct login_session, capabilities, "capabilities", 0),
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

int
login_sleep_ask(int control, const struct login_sleep *s, struct fault *why)
{
	autoframe struct frame f = {0}, answer = {0};

	frame_start(&f, "sleep");
	frame_put(&f, "user", s->user);
	frame_put(&f, "token", s->token);
	frame_put(&f, "proof", s->proof);
	frame_put(&f, "state", s->state);
	frame_put(&f, "notice", s->notice);
	frame_put(&f, "bye", s->bye);
	frame_put(&f, "stats", s->stats);
	frame_put_number(&f, "interval", s->interval);
	if (s->watch >= 0)
		frame_put_fd(&f, "watch", s->watch);
	if (frame_send(control, &f, clock_after(LOGIN_MS), why) < 0)
		return -1;
	if (frame_receive(control, &answer, clock_after(LOGIN_MS), why) != 0)
		return -1;
	return frame_is(&answer, "slept") ? 0 : 1;
}

int
login_sleep_end(int control, bool gone, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, gone ? "gone" : "stay");
	return frame_send(control, &f, clock_after(LOGIN_MS), why);
}

int
login_leave_ask(int control, struct fault *why)
{
	autoframe struct frame f = {0}, answer = {0};

	frame_start(&f, "leave");
	if (frame_send(control, &f, clock_after(LOGIN_MS), why) < 0)
		return -1;
	if (frame_receive(control, &answer, clock_after(LOGIN_MS), why) != 0 || !frame_is(&answer, "left"))
		return fault_set(why, FAULT_PEER, "the login program takes nobody back");
	return 0;
}

int
login_back(int control, struct span input, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "back");
	frame_put(&f, "input", input);
	return frame_send(control, &f, clock_after(LOGIN_MS), why);
}

static bool
plausible(const struct login_sleep *s)
{
	return s->state.len > 0 && s->state.len <= LOGIN_STATE_MAX && s->notice.len <= LOGIN_NOTICE_MAX && s->bye.len <= LOGIN_NOTICE_MAX &&
	       s->stats.len <= LOGIN_NOTICE_MAX && s->user.len <= 255 && s->token.len <= 128 && s->proof.len <= 128 && s->interval >= 0;
}

static enum login_said
take_sleep(struct frame *f, struct login_sleep *out)
{
	static const struct field fields[] = {
		FIELD_TEXT(struct login_sleep, user, "user", FIELD_NEEDED),
		FIELD_TEXT(struct login_sleep, token, "token", FIELD_NEEDED),
		FIELD_TEXT(struct login_sleep, proof, "proof", FIELD_NEEDED),
		FIELD_TEXT(struct login_sleep, state, "state", FIELD_NEEDED),
		FIELD_TEXT(struct login_sleep, notice, "notice", FIELD_NEEDED),
		FIELD_TEXT(struct login_sleep, bye, "bye", FIELD_NEEDED),
		FIELD_TEXT(struct login_sleep, stats, "stats", FIELD_NEEDED),
		FIELD_NUMBER(struct login_sleep, interval, "interval", FIELD_NEEDED),
		FIELD_FD(struct login_sleep, watch, "watch", 0),
		FIELD_END
	};
	struct login_sleep s = {.watch = -1};

	if (frame_decode(f, fields, &s, NULL) == 0 && plausible(&s)) {
		*out = s;
		return LOGIN_SAID_SLEEP;
	}
	if (s.watch >= 0)
		close(s.watch);
	return LOGIN_SAID_END;
}

enum login_said
login_hear(int control, struct frame *f, struct login_sleep *out, struct span *input)
{
	struct pollfd p = {.fd = control, .events = POLLIN};

	if (poll(&p, 1, 0) <= 0)
		return LOGIN_SAID_NOTHING;
	if (frame_receive(control, f, clock_now(), NULL) != 0)
		return LOGIN_SAID_END;
	if (frame_is(f, "sleep"))
		return take_sleep(f, out);
	if (frame_is(f, "leave"))
		return LOGIN_SAID_LEAVE;
	if (frame_is(f, "back"))
		return frame_get(f, "input", input) && input->len <= LOGIN_BACK_MAX ? LOGIN_SAID_BACK : LOGIN_SAID_END;
	return frame_is(f, "gone") ? LOGIN_SAID_GONE : frame_is(f, "stay") ? LOGIN_SAID_STAY : LOGIN_SAID_END;
}

void
login_sleep_answer(int control, bool slept)
{
	autoframe struct frame f = {0};

	frame_start(&f, slept ? "slept" : "awake");
	frame_send(control, &f, clock_now(), NULL); /* lost: its end will be heard of */
}

void
login_leave_answer(int control)
{
	autoframe struct frame f = {0};

	frame_start(&f, "left");
	frame_send(control, &f, clock_now(), NULL);
}
