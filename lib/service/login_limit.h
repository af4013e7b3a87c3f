/* SPDX-License-Identifier: ISC */
/*
 * login_limit.h - how many connections a user from an address, and an address, may have
 *
 * anvil counts over all login programs (ipc/ask_rate.h); when it is away nobody is refused.  A limit that is
 * reached ends the session of the same user and address (or the same address) that has been idle longest, of
 * those in this process, and lets the new one in: a client that lost its connections without saying so
 * gets in again.  Only when all are busy the new one is refused.  Addresses alone (user NULL) are counted by
 * /64 where they are IPv6; a user's by the whole address, as in Dovecot.
 */
#ifndef SERVICE_LOGIN_LIMIT_H
#define SERVICE_LOGIN_LIMIT_H

#include "base/task.h"

/* True: counted, and in; login_limit_leave belongs to it. False: refused, nothing is counted. */
WAITS bool login_limit_enter(const char *service, const char *user, const char *peer, int most);
/* In the background: waits for nobody. */
void login_limit_leave(const char *service, const char *user, const char *peer);
/* At once: what is entered next is counted without it. */
WAITS void login_limit_left(const char *service, const char *user, const char *peer);

#endif
