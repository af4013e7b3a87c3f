/* SPDX-License-Identifier: ISC */
/*
 * schedule.h - what is delivered next
 *
 * Pure: no descriptors, no clock, no lock; the caller (qmgr's monitor) holds
 * the lock and says what time it is (clock_now() milliseconds).
 *
 *   transport     a delivery agent's service; at most `process_limit` deliveries at once
 *   destination   a next hop of a transport, with a window: how many deliveries at once
 *   job           a message (embedded in the caller's struct)
 *   entry         up to `recipient_limit` recipients of one job for one destination:
 *                 what one delivery carries
 *
 * Order. Jobs stand in lanes by their number of recipients (up to 2, 10, 100,
 * 1,000, more). In a lane the oldest job goes first; the lanes that have
 * something ready take turns. So a new small message waits for at most a few
 * deliveries of a thousand-recipient job, never for its end, and no lane can
 * starve another: each gets at least a fifth.
 *
 * Windows. A destination begins with `initial` and moves by feedback as
 * postconf(5) says: a delivery that reached it widens the window, one that did
 * not narrows it, and when `cohort_limit` windows full of failures came in
 * without a success between, it is dead: what waits for it is given back to be deferred
 * ("delivery temporarily suspended"), and so is what comes until its rest is over.
 *
 * Entries are owned by the schedule until they are picked or given back, then
 * by the caller, who ends with schedule_finish (picked) or entry_free (given back).
 */
#ifndef QMGR_SCHEDULE_H
#define QMGR_SCHEDULE_H

#include "base/span.h"

enum { LANES = 5, ENTRY_RCPTS_MAX = 10000 };

/* "1", "0.5 / concurrency", "1 / sqrt_concurrency". */
enum feedback_divisor { FEEDBACK_PLAIN, FEEDBACK_CONCURRENCY, FEEDBACK_SQRT };
struct feedback {
	double                value;
	enum feedback_divisor divisor;
};
bool feedback_parse(struct span, struct feedback *);      /* 0 .. 1 */

struct transport_limits {
	int             process_limit;
	int             initial, concurrency_limit;       /* 0: no limit */
	int             recipient_limit;                  /* 0: ENTRY_RCPTS_MAX */
	int             cohort_limit;                     /* 0: never dead */
	struct feedback positive, negative;
	int64_t         rate_delay;                       /* ms between deliveries to a destination, one at a time */
	int64_t         transport_rate_delay;             /* ms between deliveries of all, one at a time */
	int64_t         destination_rest, transport_rest; /* ms that a dead one rests */
};

struct destination;
struct transport;
struct schedule;

struct entry {
	struct job         *job;
	struct destination *destination;
	void              **rcpts;                        /* the caller's */
	size_t              n_rcpts, room;
	struct entry       *lane_before, *lane_next;      /* private */
	struct entry       *job_before, *job_next;        /* private; job_next links lists given back */
};

struct job {
	uint64_t      number;       /* order of arrival; smaller is older */
	int           lane;
	struct entry *waiting;      /* private */
	void         *owner;        /* the caller's */
};

struct suspension {
	int64_t until;              /* 0: none */
	char    dsn[16];
	char    text[400];
};

struct schedule *schedule_new(void (*limits)(void *context, struct span transport, struct transport_limits *),
                              void *context);
void schedule_free(struct schedule *);

void job_begin(struct job *, uint64_t number, int64_t rcpts, void *owner);

/* NULL, or why nothing goes there now. A transport of that name alone: key SPAN_NONE. */
const struct suspension *schedule_suspended(struct schedule *, struct span transport, struct span key, int64_t now);

/* Puts a recipient behind those of the same job for the same destination. `key` names the
 * destination: the next hop, or the recipient where the recipient limit is 1. */
void schedule_add(struct schedule *, struct job *, struct span transport, struct span nexthop, struct span key,
                  void *rcpt);
int  schedule_recipient_limit(struct schedule *, struct span transport);

/* The next entry to deliver, or NULL; *wake_at (may be NULL) is when it is worth asking again without news. */
struct entry *schedule_pick(struct schedule *, int64_t now, int64_t *wake_at);

/* Would schedule_pick find something (but for rate delays)? */
bool schedule_has_work(const struct schedule *, int64_t now);

enum delivery_result {
	DELIVERY_REACHED,           /* the destination answered */
	DELIVERY_DEAD,              /* nobody there: why says */
	DELIVERY_UNKNOWN            /* says nothing about the destination */
};
/* Ends a picked entry (freed). Entries that wait for what died are given back, linked by job_next. */
struct entry *schedule_finish(struct schedule *, struct entry *, enum delivery_result, const struct suspension *why,
                              int64_t now);
/* The agents of this transport cannot be reached: everything that waits is given back. */
struct entry *schedule_transport_dead(struct schedule *, struct span transport, const struct suspension *why, int64_t now);
/* All waiting entries of a job. */
struct entry *schedule_drop(struct schedule *, struct job *);
void entry_free(struct entry *);

/* `postqueue -f`: whatever rests is tried again. */
void schedule_revive(struct schedule *);
/* Frees destinations that nobody needs; now and then. */
void schedule_sweep(struct schedule *, int64_t now);

struct span entry_transport(const struct entry *);
struct span entry_nexthop(const struct entry *);
/* For tests. */
size_t schedule_destination_count(const struct schedule *);

#endif
