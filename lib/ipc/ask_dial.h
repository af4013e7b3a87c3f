/* SPDX-License-Identifier: ISC */
/*
 * ask_dial.h - "connect to this endpoint for me"
 * asks: smtpd cleanup pickup smtp, the login programs.  answers: dialer.
 *
 *   dial  endpoint=inet:127.0.0.1:8891 | unix:private/auth   | dialed stream=<descriptor>
 *
 *   way   ticket=.. local=<address> port=<ours>             | dialed stream=<descriptor> address=.. | itself address=..
 *
 * way: to the server where somebody's mailbox is.  authd has given the ticket when he logged in, and tells the dialer, and nobody
 * else, where it leads; it is good once.  Whoever asks cannot say where to.  itself: that server is the very socket at which he
 * logged in, and authd had said that it may be (proxy_maybe).
 *
 * Only endpoints that the configuration names are dialed; a relative Unix path
 * is below queue_directory, and so is an absolute one that does not exist
 * elsewhere (sites with chroot=y).
 *
 * Forms: inet:host:port, inet:[::1]:port, inet:port@host (Sendmail's), unix:path,
 * local:path; a port may be a name.
 */
#ifndef IPC_ASK_DIAL_H
#define IPC_ASK_DIAL_H

#include "ipc/frame.h"

WAITS int ask_dial(struct span endpoint, int64_t deadline, int *fd, struct fault *);   /* fd owned */

enum { DIAL_ITSELF = 1 };
/* 0, DIAL_ITSELF, -1. *fd owned. */
WAITS int ask_dial_way(const char *ticket, const char *local, int port, int64_t deadline, int *fd, char address[64], struct fault *);

/* One way to write an endpoint: "unix:path" or "inet:host:port" in lower case; pure. */
int endpoint_normal(struct span, struct text *out, struct fault *);

/* smtpd_proxy_filter's "host:port" and "port" as an endpoint; what is one already stays. */
void endpoint_of_host(struct span, struct text *out);

#endif
