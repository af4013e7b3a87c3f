/* SPDX-License-Identifier: ISC */
/*
 * imap_proxy.h - logging in at another server in somebody's name, by IMAP (RFC 3501, 6.2)
 *
 * Steps in order: greeting, STARTTLS, ID (who the client is: x-originating-ip and its like, as Dovecot tells servers that it
 * trusts), CAPABILITY where the greeting has not told it, LOGIN or AUTHENTICATE.  The answer for the client: behind PROXY_YES
 * "[CAPABILITY ..] text" without "OK"; behind PROXY_NO "NO [..] text" or, where that server gives no code (its words might tell
 * which users exist), "NO [AUTHENTICATIONFAILED] ..".
 */
#ifndef IMAPD_IMAP_PROXY_H
#define IMAPD_IMAP_PROXY_H

#include "service/login_proxy.h"

WAITS enum proxy_said imap_proxy(struct proxy_talk *, struct text *answer, struct fault *);

#endif
