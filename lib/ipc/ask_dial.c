/* SPDX-License-Identifier: ISC */
/*
 * ask_dial.c - asking for a connection to an endpoint
 */
#include "ipc/ask_dial.h"

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
