/* SPDX-License-Identifier: ISC */
/*
 * login_proxy.h - somebody whose mailbox is at another server: the login program logs in there in his name
 *
 * authd says so with its yes (guard/authd_route.h), and gives a ticket for one connection, which the dialer makes: a login
 * program reaches no server but by a good login, and never one of its own choice.  Here TLS to that server is begun, the
 * protocol's own dialogue is held, and all that is bounded in time (proxy_timeout=, login_proxy_timeout) and in bytes
 * (PROXY_INPUT_MAX).  Then the pump moves the bytes: such a session has no process.
 *
 *   switch (login_proxy(l, dialogue, &answer)) ...      PROXY_YES: the client is told, and login_proxy_enter(l)
 *
 * Whoever that server is told the client is (ID, XCLIENT: login_told.h), it believes if it trusts us.  Log lines are Dovecot's.
 */
#ifndef SERVICE_LOGIN_PROXY_H
#define SERVICE_LOGIN_PROXY_H

#include "service/login.h"

enum { PROXY_INPUT_MAX = 65536, PROXY_LINE_MAX = 16384, PROXY_TTL = 5 };

/* What is said to that server. */
struct proxy_talk {
	struct conn *conn;
	struct span  user, password, master, mechanism;   /* mechanism: empty for LOGIN, or USER and PASS */
	struct span  session, peer, local;                /* of the client */
	int          peer_port, local_port, ttl;
	bool         trusted;                             /* it is told these; ttl alone, if not */
	bool         utf8;                                /* POP3: the client has said UTF8 */
	bool         starttls;
	WAITS int  (*start_tls)(struct proxy_talk *, struct fault *);
	const struct auth_route *route;
};

enum proxy_said {
	PROXY_YES,
	PROXY_NO,           /* it refuses him: `answer` is for the client */
	PROXY_TROUBLE,      /* now: why is for the log */
	PROXY_MISFIT,       /* so it will never work: the same */
	PROXY_ITSELF        /* login_proxy alone: his mailbox is here (proxy_maybe) */
};
typedef WAITS enum proxy_said proxy_dialogue(struct proxy_talk *, struct text *answer, struct fault *);

#define PROXY_UNAVAILABLE "Account is temporarily unavailable."

/* A server that hands somebody on to us says how many more may (x-proxy-ttl of ID, TTL= of XCLIENT), so that two that send him to
 * each other stop. */
void login_proxy_ttl(struct login *, struct span said);
void login_proxy_prepare(void);                           /* before the sandbox; TLS that cannot be had is missed when it is wanted */
WAITS enum proxy_said login_proxy(struct login *, proxy_dialogue *, struct text *answer);    /* logs what is not yes */
WAITS int login_proxy_enter(struct login *);              /* -1: the client is gone */
void login_proxy_end(struct login *);                     /* forgets a server that was not entered */

/* For dialogues. A line of that server, within its bounds. */
WAITS int proxy_line(struct proxy_talk *, struct span *line, struct fault *);
/* The mechanism's only message, raw: -1 when it has none. LOGIN has two, and this is neither. */
int proxy_initial(const struct proxy_talk *, struct text *out);

#endif
