/* SPDX-License-Identifier: ISC */
/*
 * pump_seat.h - one parked session, as the files of the pump see it
 */
#ifndef SERVICE_PUMP_SEAT_H
#define SERVICE_PUMP_SEAT_H

#include <stdatomic.h>

#include "base/poller.h"
#include "base/text.h"
#include "net/wire.h"
#include "service/pump.h"

enum seat_end { SEAT_CLIENT, SEAT_PROCESS, SEAT_CONTROL, SEAT_WATCH, SEAT_ENDS };

/* What is left of a user's process while it sleeps. */
struct sleeper {
	struct text user, token, proof, state, notice, bye, stats;
	int64_t     interval, next_notice;
};

struct seat {
	struct seat       *next, *before;         /* of all; under the lock */
	struct seat       *queued;                /* in one of the pump's lists */
	struct wire       *wire;
	int                fd[SEAT_ENDS];         /* CLIENT borrowed from the wire; -1: none */
	unsigned           set[SEAT_ENDS];        /* what the poller was told */
	struct text        up, down;              /* to the process, to the client: what was not taken yet */
	struct sleeper    *sleeper;               /* NULL: nothing was said of sleeping */
	struct pump_client client;                /* its strings are owned */
	int64_t            stalled;               /* since when the client takes nothing; 0: it does */
	int64_t            woke;
	_Atomic int64_t    active;                /* the client's last byte */
	atomic_bool        evict;
	bool               kicked;                /* by the administrator: why it is evicted */
	bool               seated;                /* the loop knows it */
	bool               listed, news;          /* anvil was told of it; is to be told (anew) */
	bool               held;                  /* asked to sleep: nothing more from the client */
	bool               leaving;               /* the process said "gone" */
	bool               returning;             /* asked to leave: nothing more to the process */
	bool               back;                  /* the process has let its client go, */
	struct text        input;                 /* with this, which it did not hear */
	bool               asleep, waking, wants_waking;
	bool               client_ended, client_lost, told_end, process_gone;
	int64_t            ended;
	bool               over;
	int                new_process, new_control;   /* of the task that wakes it; -1: it failed */
	int64_t            new_pid;
};

/* pump_sleep.c */
void seat_hear(struct seat *);                 /* a frame waits on the control connection */
bool seat_may_fall_asleep(struct seat *);      /* the process is gone: it sleeps from now on */
void seat_asleep_client(struct seat *, char *room, size_t size);
void seat_asleep_tick(struct seat *);
void seat_asleep_end(struct seat *, const char *why, bool bye);
WAITS void seat_wake(struct seat *);           /* in a task: new_process, new_control */
void seat_woken(struct seat *);
void sleeper_free(struct sleeper *);

/* pump_back.c */
void seat_leaves(struct seat *);               /* its process asks */
bool seat_comes_back(struct seat *);           /* its process is gone: it has let the client go */
struct conn *seat_give_back(struct seat *);    /* with all that nobody has heard yet; the seat keeps no wire */
void pump_go_back(struct conn *, const struct pump_client *);   /* in a task of its own; the conn is given */

/* pump_roster.c: in the loop */
void pump_roster_say(struct seat *);              /* it is here, or its process is another */
void pump_roster_over(const struct seat *);
void pump_roster_tick(void);                      /* now and then: is there a connection? */
bool pump_roster_event(const void *key, unsigned events);   /* false: it was not the roster's */

/* pump.c */
int  pump_roster_watch(int fd, unsigned events, const void *key);   /* among the loop's descriptors */
void pump_roster_unwatch(int fd);
void pump_each(void (*look)(struct seat *, void *), void *context);   /* in the loop */
void pump_kick(struct seat *);
void pump_asleep(int more);
void seat_forget(struct seat *, enum seat_end);   /* and close */
void seat_say(struct seat *, struct span);        /* to the client: now, or as soon as it takes it */

#endif
