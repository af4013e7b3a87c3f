/* SPDX-License-Identifier: ISC */
/*
 * pump_move.c - the bytes of a seat, from its client to its process and back
 *
 * What one side does not take at once is kept, and until it is taken nothing more is read from the other.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "service/pump_seat.h"

static char scratch[PUMP_PART];                 /* of the loop */

static void
keep_rest(struct text *to, struct span rest)
{
	if (rest.len)
		text_set(to, rest);
	else
		text_free(to);
}

/* Its process hears of it by its next write: nobody takes what it says. */
void
seat_lose_client(struct seat *s)
{
	s->client_lost = s->client_ended = true;
	if (s->fd[SEAT_PROCESS] >= 0)
		shutdown(s->fd[SEAT_PROCESS], SHUT_RD);
	text_free(&s->down);
	text_free(&s->up);
}

/* What the client took of it; the rest stays in s->down. */
static void
give_client(struct seat *s, struct span bytes, bool from_down)
{
	if (s->client_lost)
		return;
	while (bytes.len) {
		ssize_t n = wire_write(s->wire, bytes);

		if (n < 0) {
			seat_lose_client(s);
			return;
		}
		if (n == 0)
			break;
		s->stalled = 0;
		bytes = span_from(bytes, (size_t)n);
	}
	if (bytes.len && !s->stalled)
		s->stalled = clock_now();
	if (!from_down)
		keep_rest(&s->down, bytes);
	else if (bytes.len)
		text_drop(&s->down, s->down.len - bytes.len);
	else
		text_free(&s->down);
}

void
seat_say(struct seat *s, struct span bytes)
{
	if (s->down.len)
		return; /* it does not take what it has */
	give_client(s, bytes, false);
}

/* As send() and recv() without waiting. */
static ssize_t
write_process(struct seat *s, struct span bytes)
{
	ssize_t n;

	if (!s->server)
		return send(s->fd[SEAT_PROCESS], bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	n = wire_write(s->server, bytes);
	if (n > 0)
		s->bytes_in += (uint64_t)n;
	errno = n == 0 ? EAGAIN : EPIPE;
	return n > 0 ? n : -1;
}

static ssize_t
read_process(struct seat *s)
{
	ssize_t n;

	if (!s->server)
		return recv(s->fd[SEAT_PROCESS], scratch, sizeof scratch, MSG_DONTWAIT);
	n = wire_read(s->server, scratch, sizeof scratch);
	if (n > 0)
		s->bytes_out += (uint64_t)n;
	errno = EAGAIN;
	return n > 0 ? n : n == 0 ? -1 : 0;
}

static void
give_process(struct seat *s, struct span bytes, bool from_up)
{
	while (bytes.len) {
		ssize_t n = write_process(s, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			bytes = SPAN_NONE; /* it takes no more: its end will be read */
		if (n < 0)
			break;
		bytes = span_from(bytes, (size_t)n);
	}
	if (!from_up)
		keep_rest(&s->up, bytes);
	else if (bytes.len)
		text_drop(&s->up, s->up.len - bytes.len);
	else
		text_free(&s->up);
}

static void
move_up(struct seat *s)
{
	ssize_t n;

	if (s->up.len && !s->returning)
		give_process(s, text_span(&s->up), true);
	if (s->up.len || s->held || s->client_ended)
		return;
	n = wire_read(s->wire, scratch, sizeof scratch);
	if (n < 0) {
		s->client_ended = true;
		s->ended = clock_now();
	}
	if (n <= 0)
		return;
	s->active = clock_now();
	give_process(s, span_at(scratch, (size_t)n), false);
}

static void
move_down(struct seat *s)
{
	ssize_t n;

	if (s->down.len)
		give_client(s, text_span(&s->down), true);
	if (s->down.len || s->process_gone)
		return;
	n = read_process(s);
	if (n > 0)
		give_client(s, span_at(scratch, (size_t)n), false);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->process_gone = true;
}

void
seat_give_process(struct seat *s)
{
	if (s->up.len)
		give_process(s, text_span(&s->up), true);
}

void
seat_client_ready(struct seat *s)
{
	if (s->asleep) {
		if (s->down.len)
			give_client(s, text_span(&s->down), true);
		seat_asleep_client(s, scratch, sizeof scratch);
		return;
	}
	if (s->down.len)
		move_down(s);
	move_up(s);
}

void
seat_process_ready(struct seat *s)
{
	if (s->up.len)
		move_up(s);
	move_down(s);
}
