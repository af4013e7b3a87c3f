/* SPDX-License-Identifier: ISC */
/*
 * poller.h - which of many descriptors are ready: one loop for a crowd
 *
 * A descriptor is watched for POLLER_IN, POLLER_OUT or both; 0 forgets it, which
 * must happen before it is closed.  Level-triggered: what is still ready is told again.  An
 * event that is an error or a hang-up is told as both.  The cost of a wait does not grow with the descriptors that are quiet
 * on Linux (epoll); elsewhere it is poll(2).  Used by one thread.
 */
#ifndef BASE_POLLER_H
#define BASE_POLLER_H

#include "base/fault.h"

enum { POLLER_IN = 1, POLLER_OUT = 2 };

struct poller;
struct poller_event {
	void    *key;
	unsigned events;
};

struct poller *poller_new(void);           /* ends the process when there is none to be had */
void poller_free(struct poller *);
int  poller_set(struct poller *, int fd, unsigned events, void *key, struct fault *);
/* WAITS; ms < 0: for ever. How many of `room` were filled; 0 also when a signal came. */
int  poller_wait(struct poller *, struct poller_event *, int room, int ms);

#endif
