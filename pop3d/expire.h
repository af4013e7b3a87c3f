/* SPDX-License-Identifier: ISC */
/*
 * expire.h - EXPIRE (RFC 2449, 6.7): how long mail stays, as pop3-login and pop3d tell it
 *
 * Nothing here removes mail by its age.  A site that does (postern expunge mailbox INBOX savedbefore 30d, by cron) says so
 * by pop3_expire, and clients can warn their users; whole days, of which what is begun does not count: a promise.
 */
#ifndef POP3D_EXPIRE_H
#define POP3D_EXPIRE_H

#include "base/fault.h"
#include "config/param.h"

enum { POP3_DAY_MS = 86400000 };

#define POP3_EXPIRE_ROW(ms) DURATION("pop3_expire", ms, "0s", "0s", "10000d", \
	"least time that mail stays before the site removes it, as told by EXPIRE (RFC 2449, 6.7), one day or more; 0: never. Nothing is removed because of it")

/* Less than a day would be EXPIRE 0: that nothing may be left. */
static inline int
pop3_expire_check(int64_t ms, struct fault *why)
{
	return ms == 0 || ms >= POP3_DAY_MS ? 0 : fault_set(why, FAULT_INPUT, "pop3_expire: a day at least, or 0");
}

#endif
