/* SPDX-License-Identifier: ISC */
/*
 * hand_over.h - a client that was looked at goes on to its service
 * asks: postscreen.  answers: a service of type "pass" (lib/service/pass.c).
 *
 * Over a stream socket of the service: one message of text with the client's
 * connection beside it, then the end.  No answer: the client is the service's.
 *
 *   "192.0.2.1 40022 198.51.100.7 25"      client address and port, our address and port
 */
#ifndef IPC_HAND_OVER_H
#define IPC_HAND_OVER_H

#include "base/fault.h"
#include "base/task.h"

struct handed {
	char address[64], port[8], server_address[64], server_port[8];
};

WAITS int hand_over(const char *service, int client, const struct handed *, int64_t deadline, struct fault *);
/* Pure. False: it says nothing, or not this. */
bool handed_parse(struct span, struct handed *);

#endif
