/* SPDX-License-Identifier: ISC */
/*
 * ask_dial.c - asking for a connection to an endpoint
 */
#include "ipc/ask_dial.h"

#include <stdio.h>

#include "ipc/peer.h"

int
ask_dial(struct span endpoint, int64_t deadline, int *fd, struct fault *why)
{
	autoframe struct frame f = {0};
	int                    got;

	frame_start(&f, "dial");
	frame_put(&f, "endpoint", endpoint);
	if (peer_call("dialer", &f, deadline, why) < 0)
		return -1;
	got = frame_is(&f, "dialed") ? frame_take_fd(&f, "stream") : -1;
	if (got < 0)
		return fault_set(why, FAULT_INPUT, "dialer: strange answer");
	*fd = got;
	return 0;
}

int
ask_dial_way(const char *ticket, const char *local, int port, int64_t deadline, int *fd, char address[64], struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            to = SPAN_NONE;
	int                    got;

	frame_start(&f, "way");
	frame_put_string(&f, "ticket", ticket);
	frame_put_string(&f, "local", local);
	frame_put_number(&f, "port", port);
	if (peer_call("dialer", &f, deadline, why) < 0)
		return -1;
	frame_get(&f, "address", &to);
	snprintf(address, 64, "%.*s", SPAN_ARGS(span_first(to, 63)));
	if (frame_is(&f, "itself"))
		return DIAL_ITSELF;
	got = frame_is(&f, "dialed") ? frame_take_fd(&f, "stream") : -1;
	if (got < 0)
		return fault_set(why, FAULT_INPUT, "dialer: strange answer");
	*fd = got;
	return 0;
}
