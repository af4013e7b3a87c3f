/* SPDX-License-Identifier: ISC */
/*
 * pump.h - the crowd of those who are logged in: one loop moves all their bytes
 *
 * A parked session is a seat in the loop: the client's wire (plain or TLS), one end of
 * a socket pair whose other end is the user's process, and the control connection to that
 * process (ipc/login.h).  A seat costs no thread and, while nothing moves, no buffer.
 *
 * - Back-pressure: nothing is read from one side while the other has not taken what was
 *   read before, so that a seat holds at most PUMP_PART bytes each way.
 * - Fairness: a turn moves at most one part each way of each seat that is ready.
 * - An end of file goes through: whoever is silent may still listen.  When the process closes, what it said is
 *   still delivered.  A client that takes nothing for ten minutes is gone.
 * - When the whole system stops the processes see an end of file and say good-bye; sleepers are told so.
 *
 * Sleep (pump_sleep.c): an imapd whose client idles hands over its state and ends; the seat keeps a few hundred bytes.
 * A byte of the client or of the watch descriptor starts another process with that state, in a task; few at once.
 *
 * Back (RFC 8437): a process may let its client be nobody again.  The seat ends, and who speaks with strangers has the
 * connection, in a task of its own.
 *
 * Behind (login_proxy.h): in the place of a process may stand the wire to another server.  Such a seat ends at once when it is
 * evicted, or when the whole system stops, and says in the log how many bytes it has moved.
 *
 * Who is seated anvil is told (ipc/roster.h), and who shall go it tells (pump_roster.c).
 *
 * A monitor: pump_park and pump_evict may be called by any task.
 */
#ifndef SERVICE_PUMP_H
#define SERVICE_PUMP_H

#include "net/conn.h"

enum { PUMP_PART = 65536 };

struct pump_client {
	const char *service;              /* "imap": whom to ask when it wakes */
	const char *user, *peer, *local, *session;   /* copied */
	bool        near;                 /* on this machine */
	void      (*over)(const struct pump_client *);   /* the session has ended; must not wait; may be NULL */
	/* Or: the client is nobody again; the connection is given. `over` is not called. NULL: no process may do so. */
	WAITS void (*back)(struct conn *, const struct pump_client *);
	int64_t     pid;                  /* of the user's process */
};

/* All are given; control may be -1. Where the process serves one session at a time it WAITS until
 * that is over, and then a client who is nobody again is given back; else the caller's task may end (service.h,
 * service_session_keep), and NULL is returned. */
WAITS struct conn *pump_park(struct conn *, int process, int control, const struct pump_client *);

/* The same with a connection to another server, which is given too; what stands in the log before and behind the words about
 * its end is copied. */
WAITS void pump_park_behind(struct conn *client, struct conn *server, const struct pump_client *, const char *before, const char *behind);

/* Ends the session of this user from this address that has been idle longest, and longer than `idle_ms`:
 * false when there is none. peer NULL: from anywhere; user NULL: whoever. */
bool pump_evict(const char *user, const char *peer, int64_t idle_ms);

/* For tests and the log: parked, and how many of them sleep. */
void pump_count(int *parked, int *asleep);

#endif
