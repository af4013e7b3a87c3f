/* SPDX-License-Identifier: ISC */
/*
 * pump_sleep.c - a client that idles, without a process (the talk is in ipc/login.h)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/login.h"
#include "service/pump_seat.h"

enum { AGAIN_MS = 200 };      /* a process that falls asleep as soon as it is woken keeps nobody busy */

void
sleeper_free(struct sleeper *s)
{
	if (!s)
		return;
	text_free(&s->user);
	text_free(&s->token);
	text_free(&s->proof);
	text_free(&s->state);
	text_free(&s->notice);
	text_free(&s->bye);
	text_free(&s->stats);
	free(s);
}

/* No larger than it is: a crowd of them lies here. */
static void
keep(struct text *to, struct span from)
{
	to->at = mem_span(from);
	to->len = from.len;
	to->room = from.len + 1;
}

static void
refuse(struct seat *s, struct login_sleep *ask)
{
	if (ask->watch >= 0)
		close(take_fd(ask->watch));
	login_sleep_answer(s->fd[SEAT_CONTROL], false);
}

static void
begin_sleep(struct seat *s, struct login_sleep *ask)
{
	bool too_soon = s->woke && clock_now() - s->woke < AGAIN_MS;

	if (s->sleeper || s->asleep || s->up.len || s->down.len || s->client_ended || too_soon ||
	    wire_pending(s->wire)) {
		refuse(s, ask);
		return;
	}
	s->sleeper = mem_alloc(sizeof *s->sleeper);
	keep(&s->sleeper->user, ask->user);
	keep(&s->sleeper->token, ask->token);
	keep(&s->sleeper->proof, ask->proof);
	keep(&s->sleeper->state, ask->state);
	keep(&s->sleeper->notice, ask->notice);
	keep(&s->sleeper->bye, ask->bye);
	keep(&s->sleeper->stats, ask->stats);
	s->sleeper->interval = ask->interval;
	s->fd[SEAT_WATCH] = take_fd(ask->watch);
	s->held = true;
	login_sleep_answer(s->fd[SEAT_CONTROL], true);
}

static void
stay_awake(struct seat *s)
{
	seat_forget(s, SEAT_WATCH);
	sleeper_free(take(s->sleeper));
	s->held = false;
}

void
seat_hear(struct seat *s)
{
	autoframe struct frame f = {0};
	struct login_sleep     ask = {.watch = -1};
	struct span            input;

	if (s->fd[SEAT_CONTROL] < 0)
		return;
	switch (login_hear(s->fd[SEAT_CONTROL], &f, &ask, &input)) {
	case LOGIN_SAID_NOTHING:
		break;
	case LOGIN_SAID_SLEEP:
		begin_sleep(s, &ask);
		break;
	case LOGIN_SAID_STAY:
		stay_awake(s);
		break;
	case LOGIN_SAID_GONE:
		s->leaving = s->sleeper != NULL;
		break;
	case LOGIN_SAID_LEAVE:
		seat_leaves(s);
		break;
	case LOGIN_SAID_BACK:
		s->back = s->returning;
		text_set(&s->input, input);
		break;
	case LOGIN_SAID_END:
		seat_forget(s, SEAT_CONTROL);
		if (!s->leaving && s->sleeper) /* it died between two words: its end of file comes too */
			stay_awake(s);
		break;
	}
}

bool
seat_may_fall_asleep(struct seat *s)
{
	if (s->sleeper && !s->leaving)
		seat_hear(s); /* its last word came before its end */
	if (!s->sleeper || !s->leaving || s->client_ended)
		return false;
	seat_forget(s, SEAT_PROCESS);
	seat_forget(s, SEAT_CONTROL);
	s->asleep = true;
	s->held = s->leaving = s->process_gone = false;
	s->sleeper->next_notice = clock_after(s->sleeper->interval);
	text_free(&s->up);
	text_free(&s->down);
	pump_asleep(+1);
	pump_roster_say(s);
	return true;
}

void
seat_asleep_end(struct seat *s, const char *why, bool bye)
{
	if (bye)
		seat_say(s, text_span(&s->sleeper->bye));
	log_info("%s-hibernate(%s)<%s>: Disconnected: %s %s", s->client.service, s->client.user, s->client.session, why,
	         text_string(&s->sleeper->stats));
}

/* A byte wakes it; what is only TLS's own does not. */
void
seat_asleep_client(struct seat *s, char *room, size_t size)
{
	ssize_t n = wire_read(s->wire, room, size);

	if (n > 0) {
		text_set(&s->up, span_at(room, (size_t)n));
		s->active = clock_now();
		s->wants_waking = true;
	} else if (n < 0) {
		s->client_ended = true;
		seat_asleep_end(s, "Connection closed", false);
	}
}

void
seat_asleep_tick(struct seat *s)
{
	if (!s->sleeper->interval || clock_now() < s->sleeper->next_notice)
		return;
	s->sleeper->next_notice = clock_after(s->sleeper->interval);
	seat_say(s, text_span(&s->sleeper->notice));
}

void
seat_wake(struct seat *s)
{
	const struct sleeper *z = s->sleeper;
	struct login_session  in = {
		.ticket = SPAN(""), .session = span_of(s->client.session), .peer = span_of(s->client.peer),
		.local = span_of(s->client.local), .tag = SPAN(""), .input = SPAN(""), .tls = wire_is_tls(s->wire),
		.user = text_span(&z->user), .token = text_span(&z->token), .proof = text_span(&z->proof), .state = text_span(&z->state),
	};
	struct fault why = {0};
	int          pair[2] = {-1, -1};

	s->new_process = s->new_control = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		log_error("socketpair: %s", strerror(errno));
		return;
	}
	in.stream = pair[1];
	if (login_hand_over(s->client.service, &in, &s->new_pid, &s->new_control, &why) < 0) {
		log_error("%s-login: user=<%s>, session=<%s>: cannot be woken: %s", s->client.service, s->client.user,
		          s->client.session, fault_text(&why));
		close(pair[0]);
	} else {
		s->new_process = pair[0];
	}
	close(pair[1]);
}

void
seat_woken(struct seat *s)
{
	seat_forget(s, SEAT_WATCH);
	sleeper_free(take(s->sleeper));
	s->fd[SEAT_PROCESS] = s->new_process;
	s->fd[SEAT_CONTROL] = s->new_control;
	s->client.pid = s->new_pid;
	s->asleep = s->process_gone = s->told_end = false;
	s->woke = clock_now();
}
