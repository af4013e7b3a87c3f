/* SPDX-License-Identifier: ISC */
/*
 * authd_route.h - what databases say of where somebody's mailbox is: Dovecot's extra fields of a passdb for proxies and referrals
 *
 *   proxy=y               his mailbox is at another server: the login program logs in there in his name, and moves the bytes
 *   proxy_maybe=y         the same, unless that server is this one (and has looked at the password: not with nopassword)
 *   host= hostip= port=   which one: a name or an address, an address that saves looking the name up, 143, 110 .. by default
 *   destuser= pass=       as whom there, and with which password: his own by default
 *   master=               who logs in there, in his name (AUTHENTICATE PLAIN)
 *   proxy_mech=           plain login oauthbearer xoauth2 external, instead of LOGIN, or USER and PASS
 *   proxy_timeout=        how long connecting and logging in may take: seconds, or with a unit
 *   ssl=yes|any-cert      TLS from the first byte;  starttls=yes|any-cert: by STARTTLS; any-cert: whatever certificate it has
 *   proxy_not_trusted=y   that server is not told who the client is
 *   nologin=y             nobody logs in: with host= he is told to go there, and with reason= why
 *
 * The fields stand as "name=value" joined by TAB, in the order in which they were said: the last of a name holds.  A field that is
 * not as it should be is a fault, and he is not let in: Dovecot would go on without it.  Pure.
 */
#ifndef GUARD_AUTHD_ROUTE_H
#define GUARD_AUTHD_ROUTE_H

#include "base/fault.h"
#include "base/text.h"

struct route {
	bool        proxy, maybe, nologin, nopassword;      /* nopassword: nobody has asked for his */
	bool        tls, starttls, any_certificate, not_trusted;
	int64_t     port, timeout;                          /* 0: not said; ms */
	struct span host, address, user, password, master, mechanism, reason;      /* empty: not said */
	bool        has_password;
};

bool route_knows(struct span name);
/* A value with a TAB, a NUL or a line end in it becomes one that route_parse refuses. */
void route_add(struct text *fields, struct span name, struct span value);
/* Spans are borrowed from the fields. */
int  route_parse(struct span fields, struct route *, struct fault *);

#endif
