/* SPDX-License-Identifier: ISC */
/*
 * pump_seat.h - one parked session, as the files of the pump see it
 *
 *   pump.c          the loop: who is looked at when, and the tasks that wake
 *   pump_crowd.c    the list of all seats, which any task may ask
 *   pump_seat.c     a seat: its begin, what it waits for after each event, its end
 *   pump_move.c     its bytes
 *   pump_sleep.c    a client without a process
 *   pump_back.c     a client who is nobody again
 *   pump_roster.c   anvil is told who is seated
 *
 * A seat is the loop's thread's alone, but for its begin (seat_new) and its waking (seat_wake), which are its own task's.
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
	struct wire       *server;                /* instead of a process; NULL: there is one */
	char              *words_before, *words_behind;   /* of its line in the log; owned */
	uint64_t           bytes_in, bytes_out;   /* the client's, and for the client; counted with a server alone */
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

/* pump_seat.c */
struct seat *seat_new(struct conn *, int process, int control, const struct pump_client *);   /* all given, the client copied */
void seat_set_server(struct seat *, struct conn *server, const char *before, const char *behind);
void seat_drop(struct seat *);                    /* before it was seated */
void seat_free(struct seat *);
void seat_handle(struct seat *, enum seat_end);   /* something happened at this end */
void seat_settle(struct seat *);                  /* to be called when it has changed: what it waits for now; it may end */
void seat_tick(struct seat *, int64_t now, bool ending);   /* now and then: is it too late for something? */
void seat_end(struct seat *);                     /* unless it has ended, or is being woken */
void seat_forget(struct seat *, enum seat_end);   /* and close */

/* pump_move.c */
void seat_client_ready(struct seat *);            /* it has bytes, or takes some */
void seat_process_ready(struct seat *);
void seat_give_process(struct seat *);            /* what waits for it */
void seat_say(struct seat *, struct span);        /* to the client: now, or as soon as it takes it */
void seat_lose_client(struct seat *);             /* it takes nothing more, and says nothing */

/* pump_crowd.c: a monitor */
void pump_crowd_add(struct seat *);               /* and among the fresh ones */
void pump_crowd_remove(struct seat *);
void pump_crowd_woken(struct seat *);             /* its task is done */
struct seat *pump_crowd_take_fresh(void);         /* linked by `queued`; NULL: none */
struct seat *pump_crowd_take_woken(void);
void pump_each(void (*look)(struct seat *, void *), void *context);   /* in the loop */
bool pump_crowd_evict(const char *user, const char *peer, int64_t idle_ms);   /* marks it, as pump_evict says */
int  pump_crowd_count(void);

/* pump.c: the poller, the loop's lists, and its counts */
void pump_watch(struct seat *, enum seat_end, unsigned events);
void pump_remove(struct seat *);                  /* everywhere; it is freed when this turn is over */
void pump_give_back(struct seat *);               /* its client is nobody again: the seat ends, the connection goes on */
void pump_look_again(struct seat *);              /* in this turn, if TLS holds bytes for it */
void pump_queue_sleepy(struct seat *);            /* if it wants to be woken: as soon as fewer are */
void pump_kick(struct seat *);
void pump_asleep(int more);
int  pump_roster_watch(int fd, unsigned events, const void *key);   /* among the loop's descriptors */
void pump_roster_unwatch(int fd);

#endif
