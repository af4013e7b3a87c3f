/* SPDX-License-Identifier: ISC */
/*
 * ask_dial.h - "connect to this endpoint for me"
 * asks: smtpd cleanup pickup smtp.  answers: dialer.
 *
 *   dial  endpoint=inet:127.0.0.1:8891 | unix:private/auth   | dialed stream=<descriptor>
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

/* One way to write an endpoint: "unix:path" or "inet:host:port" in lower case; pure. */
int endpoint_normal(struct span, struct text *out, struct fault *);

/* smtpd_proxy_filter's "host:port" and "port" as an endpoint; what is one already stays. */
void endpoint_of_host(struct span, struct text *out);

#endif
