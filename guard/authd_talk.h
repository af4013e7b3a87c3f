/* SPDX-License-Identifier: ISC */
/*
 * authd_talk.h - one of ours that asks authd (ipc/ask_auth.h): where the conversation stands
 */
#ifndef GUARD_AUTHD_TALK_H
#define GUARD_AUTHD_TALK_H

#include <sys/types.h>

#include "authd_ticket.h"
#include "ipc/peer.h"

enum { AT_START, IN_TRY, REDEEMED, ADMINISTERS = PEER_RESTS };   /* REDEEMED: whose mailboxes that user may share; from the last on his limits alone */

struct try;
struct talk {
	struct try *try;
	char        service[32];
	uid_t       peer;
	struct ticket_of of;
	int         owners;          /* that were asked for */
	bool        admin;           /* limits of this user may be set here: */
	char        user[256];
};

#endif
