/* SPDX-License-Identifier: ISC */
/*
 * proxy_protocol.h - the header that a load balancer sends first: who its client is
 *
 * Version 1 is a line, "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25"; version 2 is binary.
 * Source: HAProxy's proxy-protocol.txt, 2.1 and 2.2.  The header is the first
 * thing on the connection, before TLS and before any greeting: whoever is believed
 * here says who he is, so only a listener behind a proxy may read it.
 */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "base/fault.h"
#include "base/span.h"
#include "base/task.h"

enum { PROXY_LINE_MAX = 107, PROXY_BINARY_MAX = 16 + 4096 };

struct proxy_header {
	bool     local;              /* LOCAL, UNKNOWN: the connection's own ends are meant */
	bool     ipv6;
	char     source[46], destination[46];
	uint16_t source_port, destination_port;
};

/* 0: *used bytes are the header; 1: it goes on behind these bytes; -1: it is none.  Pure. */
int proxy_header_parse(struct span bytes, struct proxy_header *, size_t *used, struct fault *);

/* Takes the header, and not a byte more, off a socket. */
WAITS int proxy_header_read(int fd, int64_t deadline, struct proxy_header *, struct fault *);

#endif
