/* SPDX-License-Identifier: ISC */
/*
 * xclient.h - what others say about the client: XCLIENT, XFORWARD and a load balancer's header
 *
 * XCLIENT (XCLIENT_README) changes who the client is, for all rules; XFORWARD
 * (XFORWARD_README) only what is logged and kept of the client of one message; both are taken from hosts
 * of smtpd_authorized_xclient_hosts and smtpd_authorized_xforward_hosts alone, as they
 * were when they connected.
 */
#ifndef SMTPD_XCLIENT_H
#define SMTPD_XCLIENT_H

#include "base/task.h"
#include "base/text.h"

struct client;
struct session;

/* Of the first client, as a filter's XFORWARD tells; until the message ends. */
struct forwarded {
	bool known;
	char name[256], address[64], port[8], protocol[8], helo[256], ident[256];
};

void xclient_add_offer(struct session *, struct text *ehlo);
WAITS void do_xclient(struct session *, struct span argument);
WAITS void do_xforward(struct session *, struct span argument);

/* smtpd_upstream_proxy_protocol: reads the header; on trouble client.broken. Before conn_new. */
WAITS void client_behind_proxy(int fd, struct client *);

#endif
