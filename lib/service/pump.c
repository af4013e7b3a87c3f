/* SPDX-License-Identifier: ISC */
/*
 * pump.c - passes bytes between a client and its user's process until one ends
 *
 * Backpressure is natural: nothing is read from one side while the other has
 * not taken what was read before.
 */
#include "service/pump.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "service/service.h"

enum { PART = 16384, CLIENT_STALLS_MS = 600000 };

/* A client that takes nothing for ten minutes is gone. */
static int
to_client(struct conn *client, struct span bytes)
{
	conn_deadline(client, clock_after(CLIENT_STALLS_MS));
	return conn_write(client, bytes, NULL) < 0 ? -1 : conn_flush(client, NULL);
}

static int
to_process(int process, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = send(process, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (task_wait_fd(process, POLLOUT, CLOCK_NEVER, NULL) < 0)
				return -1;
			continue;
		}
		if (n < 0)
			return -1;
		bytes = span_from(bytes, (size_t)n);
	}
	return 0;
}

static int
from_client(struct conn *client, int process)
{
	struct span bytes;

	conn_deadline(client, clock_after(CLIENT_STALLS_MS));
	if (conn_some(client, PART, &bytes, NULL) < 0)
		return -1;
	return to_process(process, bytes);
}

static int
from_process(struct conn *client, int process)
{
	autofree char *buffer = mem_alloc(PART);
	ssize_t        n = recv(process, buffer, PART, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n <= 0 ? -1 : to_client(client, span_at(buffer, (size_t)n));
}

static void
drain_process(struct conn *client, int process)
{
	shutdown(process, SHUT_WR);
	while (task_wait_fd(process, POLLIN, clock_after(CLIENT_STALLS_MS), NULL) == 0)
		if (from_process(client, process) < 0)
			return;
}

void
pump_run(struct conn *client, int process)
{
	for (;;) {
		struct pollfd p[3] = {{.fd = conn_fd(client), .events = POLLIN}, {.fd = process, .events = POLLIN},
		                      {.fd = service_end_fd(), .events = SERVICE_END_EVENT}};
		bool          ready = conn_pending(client) > 0;

		if (poll(p, 3, ready ? 0 : -1) < 0 && errno != EINTR)
			return;
		if (p[2].revents & (SERVICE_END_EVENT | POLLHUP) && !ready && !p[0].revents && !p[1].revents) {
			drain_process(client, process); /* it sees an end of file, and says good-bye */
			return;
		}
		if (p[1].revents && from_process(client, process) < 0)
			return;
		if ((ready || p[0].revents) && from_client(client, process) < 0) {
			drain_process(client, process);
			return;
		}
	}
}
