/* SPDX-License-Identifier: ISC */
/*
 * anvil_roster.h - anvil's list of those who are logged in (ipc/roster.h)
 *
 * A monitor. A login program's part of the list lives as long as its connection.
 */
#ifndef GUARD_ANVIL_ROSTER_H
#define GUARD_ANVIL_ROSTER_H

#include "ipc/roster.h"

enum { ROSTER_MAX = 200000 };            /* sessions; those beyond are not listed */

/* Conversation handlers (ipc/peer.h): the conversation starts with a struct roster_talk. */
struct roster_talk {
	int                  sock;
	struct roster_login *login;      /* NULL: it is no login program's */
};

int  do_roster(void *talk, struct frame *request, struct frame *answer, struct fault *);
int  do_join(void *talk, struct frame *request, struct frame *answer, struct fault *);
int  do_leave(void *talk, struct frame *request, struct frame *answer, struct fault *);
int  do_who(void *talk, struct frame *request, struct frame *answer, struct fault *);
int  do_kick(void *talk, struct frame *request, struct frame *answer, struct fault *);
void roster_forget(struct roster_talk *);

#endif
