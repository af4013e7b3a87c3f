/* SPDX-License-Identifier: ISC */
/*
 * authd_wake.h - a session that slept goes on in another process: as whom?
 *
 * Whoever redeems a ticket is given, beside the user, a token (time and 128 random bits) and
 * a key: HMAC(secret, user, token).  The key is known to authd, which can make it again, and to
 * that one user process, which seals its state with it before it ends.  The login
 * program keeps token, state and seal, never the key.  So
 *
 *  - a login program cannot change a state, make one, or use it for somebody else;
 *  - it can have a state continued that was given to it: what it could do as long as
 *    it held the live stream, which it could hold for as long as it likes;
 *  - once: a token that was used is remembered (in a table of fixed size: after
 *    65,536 others one may be forgotten; and a restarted authd starts anew);
 *  - for a week; a process whose token is older stays awake;
 *  - a user process has no connection to authd, but for an administrator's, which never sleeps (authd_limits.h); a key serves
 *    its own user only;
 *  - users who are gone, or may own no mailbox any more, are not woken: the userdb is asked again, by the name by which
 *    it was asked at the login (`user` here), which with its user= is not the one that he has.
 *
 * The secret lies in data_directory/authd.secret, so that sleepers outlive a reload.
 */
#ifndef GUARD_AUTHD_WAKE_H
#define GUARD_AUTHD_WAKE_H

#include "base/fault.h"
#include "ipc/wake_proof.h"

enum { WAKE_TOKEN = 49 };

int  wake_prepare(const char *data_directory, struct fault *);        /* as root: before the sandbox */
void wake_make(const char *user, char token[WAKE_TOKEN], char key[WAKE_HEX]);
bool wake_take(const char *user, struct span token, struct span proof, struct span digest);

#endif
