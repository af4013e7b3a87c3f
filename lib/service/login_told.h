/* SPDX-License-Identifier: ISC */
/*
 * login_told.h - what a proxy says of the client for whom it speaks: the fields of ID (IMAP) and the words of XCLIENT (POP3,
 * ManageSieve), as Dovecot's proxies say them
 *
 *   ID ("x-originating-ip" "192.0.2.1" "x-originating-port" "4711" "x-connected-ip" "192.0.2.9" "x-connected-port" "143"
 *       "x-session-id" "ab/c" "x-proxy-ttl" "4")
 *   XCLIENT ADDR=192.0.2.1 PORT=4711 SESSION=ab/c TTL=4
 *
 * Pure: whether it is believed is login_trust.h's business.  Other fields (x-forward-.., FORWARD=) are passed over.  A field that is
 * said twice, an address that is none, a port that is none are faults, and then nothing of it shall hold.  A session's name that
 * is too long, or has what a log line or a command is made of, is as if it were not said, as Dovecot has it.
 */
#ifndef SERVICE_LOGIN_TOLD_H
#define SERVICE_LOGIN_TOLD_H

#include "base/fault.h"
#include "mail/netaddr.h"

enum { TOLD_SESSION_MAX = 60 };

struct told {
	unsigned said;                                    /* which fields */
	char     peer[NETADDR_TEXT_SIZE], local[NETADDR_TEXT_SIZE], session[TOLD_SESSION_MAX + 1];    /* empty: not said */
	int      peer_port, local_port;                   /* 0: not said */
	char     ttl[4];                                  /* digits; empty: not said */
};

enum told_style { TOLD_BY_ID, TOLD_BY_XCLIENT };

/* 0, also for a name that is not known; -1 why, and the field is not taken. */
int  told_take(struct told *, enum told_style, struct span name, struct span value, struct fault *);
/* All of a line's words, behind XCLIENT. */
int  told_xclient(struct span words, struct told *, struct fault *);
void told_no_client(struct told *);                       /* forgets all but the TTL */
bool told_who(const struct told *);                       /* it says more than a TTL */
bool told_same(const struct told *, const struct told *); /* of the same client */

#endif
