/* SPDX-License-Identifier: ISC */
/*
 * schedule_private.h - what schedule.c and destination.c share
 */
#ifndef QMGR_SCHEDULE_PRIVATE_H
#define QMGR_SCHEDULE_PRIVATE_H

#include "base/strmap.h"
#include "schedule.h"

struct lane {
	struct entry *first, *last;
	size_t        place;                    /* in the transport's heap, from 1; 0: not in it */
};

struct destination {
	struct transport *transport;
	char             *key, *nexthop;        /* owned; a key may hold NUL */
	size_t            key_len;
	struct lane       lanes[LANES];
	struct entry     *filling;              /* takes further recipients of the same job */
	int               busy, window;
	double            success, failure, failed_cohorts;
	int64_t           not_before;           /* rate delay */
	int64_t           failed_at;            /* its failures count for as long as a dead one rests */
	struct suspension dead;
};

/* Destinations that could deliver now, by the age of the lane's first job. */
struct ready {
	struct destination **at;                /* from 1 */
	size_t               count, room;
};

struct transport {
	char                   *name;           /* owned */
	struct transport_limits limits;
	struct strmap          *destinations;   /* by key */
	struct ready            ready[LANES];
	int                     busy, turn;     /* turn: the lane that was served last */
	int64_t                 not_before;     /* transport_rate_delay */
	struct suspension       dead;
	struct transport       *next;
};

struct schedule {
	struct strmap    *transports;
	struct transport *list;                 /* in a ring's order: rotated as they are served */
	void            (*limits)(void *, struct span, struct transport_limits *);
	void             *context;
	size_t            delayed;              /* destinations with a rate delay running, at least */
};

struct destination *destination_find(struct transport *, struct span key);
struct destination *destination_get(struct transport *, struct span key, struct span nexthop);
void destination_free(struct destination *);
void destination_put(struct destination *, struct entry *);       /* in the order of jobs */
void destination_take(struct destination *, struct entry *);      /* out of its lane */
void destination_settle(struct destination *, int64_t now);       /* in or out of the heaps */
bool destination_is_dead(struct destination *, int64_t now);
void destination_reached(struct destination *);
bool destination_failed(struct destination *);                    /* true: it is dead now */
void suspension_set(struct suspension *, const struct suspension *why, int64_t until);

#endif
