/* SPDX-License-Identifier: ISC */
/*
 * pop3_proxy.h - logging in at another server in somebody's name, by POP3 (RFC 1939, 4)
 *
 * Steps in order: greeting, STLS, XCLIENT (who the client is; of Dovecot, and only where the greeting says "[XCLIENT]"), UTF8 if
 * the client said it here, USER and PASS or AUTH.  The answer for the client is that server's line.
 */
#ifndef POP3D_POP3_PROXY_H
#define POP3D_POP3_PROXY_H

#include "service/login_proxy.h"

WAITS enum proxy_said pop3_proxy(struct proxy_talk *, struct text *answer, struct fault *);

#endif
