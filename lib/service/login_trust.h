/* SPDX-License-Identifier: ISC */
/*
 * login_trust.h - who a client of a login program is: whom its socket shows, or whom a proxy has told
 *
 * Proxies and webmails of login_trusted_networks may say for whom they speak (login_told.h).  Then the log, penalties, limits,
 * allow_nets, who and kick go by that; what decides whether a server is this one goes by the socket.  Nobody else is believed.
 * One connection is one client:
 *
 * - it is told once, before the first try to log in.  Whoever tells of another one then is sent away: neither may be taken for
 *   the other;
 * - what is said inside TLS replaces what was said in clear, for anybody on the way may have said that.  If nothing is said there,
 *   STARTTLS has forgotten it, but in IMAP: Dovecot's proxies say it before STARTTLS, and not again;
 * - once somebody was logged in it is neither told nor forgotten: behind a proxy the client itself speaks then, and could name
 *   its own address, or take the proxy's, behind UNAUTHENTICATE (RFC 8437);
 * - what is said of loops (TTL) only ever takes away: it holds whoever says it.
 */
#ifndef SERVICE_LOGIN_TRUST_H
#define SERVICE_LOGIN_TRUST_H

#include "service/login.h"

enum login_telling {
	TELLING_TAKEN,
	TELLING_STRANGER,          /* not of login_trusted_networks: ignored */
	TELLING_AGAIN,             /* of another client than before, or too late: over, with TELLING_AGAIN_WORDS */
	TELLING_TOO_MANY           /* its address has too many connections: over */
};
#define TELLING_AGAIN_WORDS "A connection is one client's: open another one."

int  login_trust_prepare(struct fault *);
int  login_trust_begin(struct login *, int fd);                /* whom the socket shows; -1: gone already */
bool login_trust_count(struct login *);                        /* false: too many of that address */
WAITS enum login_telling login_tell(struct login *, const struct told *);
void login_untell(struct login *);                             /* behind STARTTLS */

#endif
