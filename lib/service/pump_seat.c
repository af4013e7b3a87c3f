/* SPDX-License-Identifier: ISC */
/*
 * pump_seat.c - one seat: its begin, what it waits for after each event, and its end
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/pump_seat.h"
#include "service/service.h"

enum { CLIENT_STALLS_MS = 600000, PROCESS_ENDS_MS = 60000 };

static const char *
copy(const char *s)
{
	return mem_string(s ? s : "");
}

struct seat *
seat_new(struct conn *c, int process, int control, const struct pump_client *client)
{
	struct seat *s = mem_alloc(sizeof *s);

	s->wire = wire_new(c, &s->up);
	s->fd[SEAT_CLIENT] = wire_fd(s->wire);
	s->fd[SEAT_PROCESS] = process;
	s->fd[SEAT_CONTROL] = control;
	s->fd[SEAT_WATCH] = -1;
	s->client = (struct pump_client){client->service, copy(client->user), copy(client->peer), copy(client->local),
	                                 copy(client->session), client->near, client->over, client->back, client->pid};
	s->active = clock_now();
	if (process >= 0)
		fcntl(process, F_SETFL, O_NONBLOCK);
	return s;
}

void
seat_set_server(struct seat *s, struct conn *server, const char *before, const char *behind)
{
	s->server = wire_new(server, &s->down);
	s->fd[SEAT_PROCESS] = wire_fd(s->server);
	s->words_before = mem_string(before);
	s->words_behind = mem_string(behind);
	s->bytes_out = s->down.len;
}

void
seat_forget(struct seat *s, enum seat_end end)
{
	pump_watch(s, end, 0);
	s->set[end] = 0;
	if (s->fd[end] >= 0 && end != SEAT_CLIENT && !(end == SEAT_PROCESS && s->server)) /* those are the wires' */
		close(s->fd[end]);
	s->fd[end] = -1;
}

void
seat_free(struct seat *s)
{
	text_free(&s->up);
	text_free(&s->down);
	text_free(&s->input);
	sleeper_free(s->sleeper);
	free(s->words_before);
	free(s->words_behind);
	free((char *)(uintptr_t)s->client.user);
	free((char *)(uintptr_t)s->client.peer);
	free((char *)(uintptr_t)s->client.local);
	free((char *)(uintptr_t)s->client.session);
	free(s);
}

void
seat_drop(struct seat *s)
{
	for (int end = 0; end < SEAT_ENDS; end++)
		seat_forget(s, (enum seat_end)end);
	wire_free(s->server);
	wire_free(s->wire);
	seat_free(s);
}

static void
log_end(const struct seat *s)
{
	const char *who = s->kicked ? "by the administrator" : s->evict ? "for too many connections" : s->client_ended ? "by client" : "by server";

	log_info("%sDisconnected %s (%llds idle, in=%llu, out=%llu)%s", s->words_before, who, (long long)(clock_now() - s->active) / 1000,
	         (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out, s->words_behind);
}

void
seat_end(struct seat *s)
{
	if (s->over || s->waking)
		return;
	if (s->server)
		log_end(s);
	pump_remove(s);
	if (s->client.over)
		s->client.over(&s->client);
	if (service_makes_threads())
		service_session_over();
}

static void
begin_waking(struct seat *s)
{
	if (!s->wants_waking || s->waking)
		return;
	pump_watch(s, SEAT_CLIENT, 0);
	pump_watch(s, SEAT_WATCH, 0);
}

void
seat_settle(struct seat *s)
{
	unsigned client = 0, process = 0;

	if (s->over || s->waking || s->wants_waking) {
		begin_waking(s);
		return;
	}
	if (s->client_ended && !s->up.len && !s->told_end && !s->asleep && s->fd[SEAT_PROCESS] >= 0) {
		shutdown(s->fd[SEAT_PROCESS], SHUT_WR);
		s->told_end = true;
		s->ended = clock_now();
	}
	if (s->process_gone && !s->down.len && !s->asleep && seat_comes_back(s)) {
		pump_give_back(s);
		return;
	}
	if (s->process_gone && !s->down.len && !s->asleep && !seat_may_fall_asleep(s)) {
		seat_end(s);
		return;
	}
	if (s->asleep)
		process = 0;
	else if (!s->process_gone)
		process = (s->down.len ? 0u : POLLER_IN) | (s->up.len && !s->returning ? POLLER_OUT : 0u);
	if (!s->client_ended && !s->up.len && !s->held)
		client = POLLER_IN;
	if (s->down.len && !s->client_lost)
		client |= POLLER_OUT;
	pump_watch(s, SEAT_CLIENT, wire_wants(s->wire, client));
	pump_watch(s, SEAT_PROCESS, s->server ? wire_wants(s->server, process) : process);
	pump_watch(s, SEAT_CONTROL, POLLER_IN);
	pump_watch(s, SEAT_WATCH, s->asleep ? POLLER_IN : 0u);
	pump_look_again(s);
}

void
seat_handle(struct seat *s, enum seat_end end)
{
	if (s->over || s->waking || s->wants_waking)
		return;
	switch (end) {
	case SEAT_CLIENT:
		seat_client_ready(s);
		break;
	case SEAT_PROCESS:
		seat_process_ready(s);
		break;
	case SEAT_CONTROL:
		seat_hear(s);
		break;
	case SEAT_WATCH:
		s->wants_waking = true;
		break;
	default:
		break;
	}
	if (s->asleep && s->client_ended) {
		seat_end(s);
		return;
	}
	seat_settle(s);
	pump_queue_sleepy(s);
}

static void
evict(struct seat *s)
{
	if (s->server) {
		seat_end(s);
		return;
	}
	if (s->asleep) {
		seat_asleep_end(s, s->kicked ? "Disconnected by the administrator" : "Too many connections: the one that was idle longest ends", true);
		seat_end(s);
		return;
	}
	s->client_ended = true;
	text_free(&s->up);
	seat_settle(s);
}

void
seat_tick(struct seat *s, int64_t now, bool ending)
{
	if (!s->seated || s->over || s->waking || s->wants_waking)
		return;
	if (s->evict && !s->client_ended) {
		evict(s);
		return;
	}
	if (s->stalled && now - s->stalled >= CLIENT_STALLS_MS)
		seat_lose_client(s);
	if (s->told_end && now - s->ended >= PROCESS_ENDS_MS) {
		seat_end(s);
		return;
	}
	if (ending && s->asleep) {
		seat_asleep_end(s, "Server shutting down.", true);
		seat_end(s);
		return;
	}
	if (ending && s->server) {
		seat_end(s);
		return;
	}
	if (ending && !s->up.len)
		s->client_ended = true;
	if (s->asleep)
		seat_asleep_tick(s);
	seat_settle(s);
}
