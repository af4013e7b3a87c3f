/* SPDX-License-Identifier: ISC */
/*
 * ask_dial.c - the asker's end (the grammar is in ask_dial.h; guard/dialer.c answers)
 */
#include "ipc/ask_dial.h"

#include <unistd.h>

#include "ipc/peer.h"

int
ask_dial(struct span endpoint, int64_t deadline, int *out, struct fault *why)
{
	autoframe struct frame f = {0};
	int                    fd;

	frame_start(&f, "dial");
	frame_put(&f, "endpoint", endpoint);
	if (peer_call("dialer", &f, deadline, why) < 0)
		return -1;
	if (!frame_is(&f, "dialed") || (fd = frame_take_fd(&f, "stream")) < 0)
		return fault_set(why, FAULT_INPUT, "dialer: malformed answer");
	*out = fd;
	return 0;
}
