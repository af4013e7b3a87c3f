/* SPDX-License-Identifier: ISC */
/*
 * authd_cache.h - who was right a moment ago need not be asked of a slow database again (auth_cache_size, auth_cache_ttl)
 *
 * Only successes are kept, as keyed hashes of everything that the answer may depend on: service, both addresses,
 * user and password; so a password that was changed is tried at the databases, and the old one lasts for the ttl, as in
 * Dovecot.  A passwd-file that changes empties it.  A monitor of fixed size: the newer entry takes the older's place.
 */
#ifndef GUARD_AUTHD_CACHE_H
#define GUARD_AUTHD_CACHE_H

#include "authd_users.h"

void cache_prepare(int64_t bytes, int64_t ttl_ms);      /* 0: none; before the first task */
/* True, and *user is as it was rewritten then. */
bool cache_knows(char *user, const char *password, const struct origin *);
/* `age`: cache_age() before the databases were asked; what was emptied meanwhile takes no answer of before. */
uint64_t cache_age(void);
void     cache_note(const char *asked, const char *password, const struct origin *, const char *became, uint64_t age);
void     cache_empty(void);

#endif
