/* SPDX-License-Identifier: ISC */
/*
 * roster.h - who is logged in, and who shall go.  asks: login programs, tools.  answers: anvil.
 *
 * A login program keeps one connection, on which both sides tell and nobody answers:
 *
 *   roster pid=..                                              first
 *   join   session=.. service=imap user=.. peer=.. pid=..      new, or its process is another one now (0: it sleeps)
 *   leave  session=..
 *                                                              | kick session=..
 *
 * What it told is forgotten with the connection; it tells all again on the next.  anvil believes nothing but the form: a
 * session is of 1 to 64 characters without blanks, a user is a name as authd lets one pass, the peer is an address (or "local"), and the
 * login program's process is the one at the other end; otherwise it hangs up.  The tools, as root (or as whoever runs a
 * private system) alone:
 *
 *   who                           | { session session=.. service=.. user=.. peer=.. pid=.. login=.. }* | done
 *   kick session=.. login=..      | done count=0|1
 */
#ifndef IPC_ROSTER_H
#define IPC_ROSTER_H

#include "ipc/frame.h"

struct roster_entry {
	struct span session, service, user, peer;
	int64_t     pid;              /* of the user's process; 0: it sleeps */
	int64_t     login;            /* process of the login program; told by anvil */
};

/* The login program: nothing here waits. 0; 1: not now, as the other end has not taken, or said, enough yet; -1: the
 * connection is of no use (any more). */
int roster_open(int64_t pid, int *sock, struct fault *);     /* never 1 */
int roster_join(int sock, const struct roster_entry *);
int roster_leave(int sock, struct span session);
int roster_hear(int sock, struct frame *, struct span *session);   /* 0 and whom to kick, borrowed from the frame */

/* The tools. */
typedef int roster_reader(void *context, const struct roster_entry *);   /* not 0 ends the walk */
WAITS int roster_who(roster_reader *, void *context, struct fault *);
WAITS int roster_kick(const struct roster_entry *, bool *found, struct fault *);

/* anvil. */
int  roster_entry_take(struct frame *, struct roster_entry *, struct fault *);   /* whole, and of the form above */
void roster_entry_put(struct frame *, const struct roster_entry *);
int  roster_tell_kick(int sock, struct span session);      /* never waits; not 0: not told */

#endif
