/* SPDX-License-Identifier: ISC */
/*
 * pop3_proxy.h - logging in at another server in somebody's name, by POP3 (RFC 1939, 4)
 *
 * Steps in order: greeting, STLS, XCLIENT (who the client is; Dovecot's, and only where the greeting says "[XCLIENT]": that
 * server trusts us; "[PROXY-TTL]": it heeds TTL= alone, which bounds loops), UTF8 if the client said it here, USER and PASS or AUTH.  The answer for the client is that server's line.
 */
#ifndef POP3D_POP3_PROXY_H
#define POP3D_POP3_PROXY_H

#include "service/login_proxy.h"

#define POP3_TAKES_CLIENT "[XCLIENT]"
#define POP3_TAKES_TTL    "[PROXY-TTL]"

WAITS enum proxy_said pop3_proxy(struct proxy_talk *, struct text *answer, struct fault *);

#endif
