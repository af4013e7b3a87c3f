/* SPDX-License-Identifier: ISC */
/*
 * authd_owner.h - whose mailbox it is: uid, home, mailbox and limits, for those who go on to become that user
 *
 * The handlers of these verbs of lib/ipc/ask_auth.h.  Tickets are redeemed, sleepers woken and names looked up for those alone who
 * were started as authd was; who has redeemed one may ask for the owners who share with that user, and an administrator, at last,
 * may set limits (authd_limits.h).
 */
#ifndef GUARD_AUTHD_OWNER_H
#define GUARD_AUTHD_OWNER_H

#include "authd_talk.h"
#include "base/fault.h"
#include "base/task.h"
#include "ipc/frame.h"

void owner_start(void);                         /* as it was started: before the sandbox */

WAITS int owner_redeem(void *talk, struct frame *request, struct frame *answer, struct fault *);
WAITS int owner_wake(void *talk, struct frame *request, struct frame *answer, struct fault *);
WAITS int owner_find(void *talk, struct frame *request, struct frame *answer, struct fault *);
WAITS int owner_lookup(void *talk, struct frame *request, struct frame *answer, struct fault *);
int       owner_confined(void *talk, struct frame *request, struct frame *answer, struct fault *);
WAITS int owner_administer(void *talk, struct frame *request, struct frame *answer, struct fault *);
WAITS int owner_limit(void *talk, struct frame *request, struct frame *answer, struct fault *);

#endif
