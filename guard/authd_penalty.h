/* SPDX-License-Identifier: ISC */
/*
 * authd_penalty.h - who guesses passwords waits longer each time (Dovecot's auth_penalty)
 *
 * Each failure of an address makes its next answers, good or bad, 4, 8 and then 15 seconds late; a minute without a
 * failure, or a success, forgives.  The same user with the same wrong password again (a device that was not told the new one)
 * does not count twice.  IPv6 addresses count by their /48, as in Dovecot; this machine
 * is never late.  authd only says how late: the asker waits (ipc/ask_auth.c), so that no task of authd is held.
 * A monitor; of fixed size: an entry that is needed for another address is overwritten.
 */
#ifndef GUARD_AUTHD_PENALTY_H
#define GUARD_AUTHD_PENALTY_H

#include <stdint.h>

#include "base/span.h"

/* ms that this answer shall be late, with what the outcome adds to the address' record. `what` tells users
 * and passwords apart: a hash of both, by a key that nobody knows. */
uint64_t penalty_what(const char *user, const char *password);
int64_t penalty_note(struct span peer, bool failed, uint64_t what);
int64_t penalty_late(struct span peer);         /* the same where nothing was proved yet: nothing is noted */

#endif
