/* SPDX-License-Identifier: ISC */
/*
 * qmgr.h - the rooms of the queue manager, and what they share
 *
 * A message's way through the files:
 *
 *   scan.c      learns of it: notices, walks over incoming/ active/ deferred/, due times
 *   active.c    moves it to active/, reads a range of its recipients
 *   assign.c    asks where they go
 *   schedule.c  says what goes next (pure)
 *   hands.c     the tasks that do all this, no more of them than there is work
 *   handoff.c   gives an entry to a delivery agent and collects the answers
 *   outcome.c   records what became of each recipient
 *   finish.c    when all were tried: notices (notices.c), then remove or defer
 *   control.c   what postqueue, postsuper and smtpd ask; requeue.c
 *
 * struct qmgr is the monitor: everything in it, and the fields of messages that
 * are marked (L), are touched only between qmgr_enter and qmgr_leave. Functions
 * whose name ends in _locked are called in between, all others outside.
 *
 * A message belongs to one task at a time while it is loaded, between ranges,
 * and when it is finished; while recipients are in flight its tasks share the file by
 * turns (turn_take). Exactly one task brings `left` to 0, and goes on with it.
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "base/arena.h"
#include "base/strmap.h"
#include "config/list.h"
#include "due.h"
#include "ipc/deliver.h"
#include "queue/queue_file.h"
#include "retry.h"
#include "schedule.h"

struct qmgr_config {
	struct retry_policy retry;
	int64_t             run_delay, transport_rest, answer_time;
	int                 active_limit, recipient_limit, recipient_minimum, process_limit;
	struct list         defer_transports;
	const char         *default_filter_nexthop;
	const char         *double_bounce_sender;      /* local part */
	const char         *verify_sender;
	int64_t             verify_sender_ttl;
	const char         *private_directory;
	bool                soft_bounce, confirm_delay_cleared, disable_verp_bounces;
	const struct main_cf   *main_cf;
	const struct master_cf *master_cf;
};
extern struct qmgr_config config;                      /* read-only once the first task runs */

struct recipient {
	int64_t     at;                                /* in the queue file */
	struct span address, original, orcpt;
	int64_t     notify;
};

/* What became of a recipient, until it is on disk. */
struct outcome {
	struct outcome     *next;
	struct recipient   *rcpt;
	enum deliver_action action;
	char                dsn[16], report[16];
	struct text         text, mta, diagnostic;
};

enum wish { WISH_NONE, WISH_DELETE, WISH_HOLD, WISH_REQUEUE, WISH_EXPIRE };

struct message {
	char              id[QUEUE_ID_SIZE];
	struct arena     *arena;                       /* the envelope's bytes */
	struct span       sender, envid, ret, body, filter, verp, pieces;
	struct span       client_name, client_address, client_port, helo, protocol, sasl_method, sasl_sender, sasl_user;
	int64_t           size, arrival_us, active_us;
	bool              smtputf8, verify_only, trace;
	bool              probe;                       /* verify asks whether the address exists: tell it, and nobody else */

	struct queue_file *file;                       /* whose turn it is may use it; NULL: closed for a while */
	int               content;                     /* read-only, as the file */
	bool              turn;                        /* (L) somebody has it */

	struct arena     *range;                       /* recipients in memory */
	struct recipient *rcpts;
	size_t            n_rcpts;
	int64_t           next_at;                     /* where the next range begins; 0: all were read */
	size_t            left;                        /* (L) recipients whose outcome is not on disk yet */
	struct outcome   *pending;                     /* (L) */

	struct job        job;                         /* (L) */
	bool              in_job;                      /* a range was assigned once: job is set */
	int64_t           deferred;                    /* (L) recipients to be tried again */
	bool              failed, succeeded;           /* (L) notices are due */
	bool              suspended;                   /* (L) a mark could not be made */
	bool              soon;                        /* (L) it was our own fault: try again in seconds */
	int64_t           tries, killed;
	bool              warned, expired;
	bool              fresh;                       /* from incoming/: never handed out before */
	bool              killed_now;                  /* (L) an agent died over it in this run */
	bool              withdrawn;                   /* (L) qmgr stops: some recipients were not tried; never finish it */
	bool              was_deferred;                /* counts against deferred mail's share */
	enum wish         wish;                        /* (L) */
	bool              finishing;                   /* (L) too late for wishes: they wait until it is forgotten */
};

struct qmgr;

/* qmgr.c */
void qmgr_enter(struct qmgr *);
void qmgr_leave(struct qmgr *);

/* The parts of the monitor, each known to its file. */
struct intake;
struct hands;
struct agents;
struct qmgr {
	struct monitor   lock;
	struct queue    *queue;
	struct schedule *schedule;
	struct intake   *intake;
	struct hands    *hands;
	struct agents   *agents;
	struct strmap   *messages;                     /* by id: loading, active, finishing */
	size_t           n_active, n_deferred_active;  /* of them */
	size_t           rcpts;                        /* in memory */
	size_t           open_files;
	uint64_t         next_job;
	int              turn_waiters;
	pthread_cond_t   turns;
	bool             stopping;
};

/* scan.c: which message is loaded next */
struct intake *intake_new(void);
bool intake_next_locked(struct qmgr *, char id[QUEUE_ID_SIZE], enum queue_state *from);
int64_t intake_wake_locked(struct qmgr *);             /* wall clock us; INT64_MAX: never */
void intake_notice(struct qmgr *, int sock);           /* reads what has come */
void intake_add_locked(struct qmgr *, struct span id, enum queue_state from);
void intake_again_locked(struct qmgr *, const char *id, int64_t when_us);       /* it is in active/ */
void intake_deferred_locked(struct qmgr *, const char *id, int64_t due_us);
void intake_flush_locked(struct qmgr *);
bool intake_flush_one_locked(struct qmgr *, struct span id);
void intake_flush_these_locked(struct qmgr *, struct strmap *ids);   /* takes those out of the map that wait for their time */
WAITS void intake_scan_active(struct qmgr *, bool at_start, bool ended_well);
WAITS void intake_scan_incoming(struct qmgr *);
bool intake_wants_scan_locked(struct qmgr *);
void intake_scan_deferred(void *qmgr);                 /* a task's body */

/* past.c */
int  run_begin(struct queue *, bool *ended_well, struct fault *);      /* a descriptor for run_ended_well */
void run_ended_well(int fd);

/* hands.c */
struct hands *hands_new(void);
void hands_wake_locked(struct qmgr *);                 /* there may be work */
int  hands_busy_locked(struct qmgr *);
int64_t hands_schedule_wake_locked(struct qmgr *);     /* clock_now ms: a rate delay ends */

/* active.c */
WAITS void message_load(struct qmgr *, struct message *, enum queue_state from);
WAITS void message_go_on(struct qmgr *, struct message *);     /* the next range, or the end */
WAITS int  message_open(struct qmgr *, struct message *, struct fault *);   /* in its turn: opens the file again */
void turn_take(struct qmgr *, struct message *);
void turn_give(struct qmgr *, struct message *);
void messages_withdraw(struct qmgr *);                 /* qmgr stops: lets go of what only waits */
void message_forget(struct qmgr *, struct message *);  /* out of memory; the file stays as it is */
struct message *message_new(const char *id);

/* assign.c: outcomes for those that need no agent; the others are in the schedule */
WAITS struct outcome *message_assign(struct qmgr *, struct message *);

/* handoff.c, agents.c */
WAITS void handoff(struct qmgr *, struct entry *);
struct agents *agents_new(void);
WAITS int agents_take(struct qmgr *, struct span transport, int *sock, bool *kept, struct fault *);
void agents_give(struct qmgr *, struct span transport, int sock);
void agents_expire(struct qmgr *);

/* outcome.c */
struct outcome *outcome_new(struct recipient *, enum deliver_action, const char *dsn, struct span text);
/* Records a list and, if that was all, goes on with the message. */
WAITS void outcomes_record(struct qmgr *, struct message *, struct outcome *);
WAITS void outcomes_log(struct message *, const struct outcome *, const char *relay);
/* Entries that a dead destination or transport gave back: deferred, as suspended. */
WAITS void entries_defer(struct qmgr *, struct entry *list, const struct suspension *);

/* finish.c, notices.c */
WAITS void message_finish(struct qmgr *, struct message *);
enum notice_kind { NOTICE_FAILURE, NOTICE_SUCCESS, NOTICE_DELAY, NOTICE_EXPIRED, NOTICE_VERIFY, NOTICE_WAITING };
WAITS int message_notify(struct qmgr *, struct message *, enum notice_kind, struct fault *);
/* The envelope sender for one recipient alone: VERP; in `verp`, or the message's own. */
struct span message_sender(const struct message *, struct span to, struct text *verp);
/* Recipients that are not done, with the reason why (mailq): up to some thousands from *next on, which is
 * 0 behind the last; in the arena. */
struct notice_rcpt;
WAITS int rcpts_waiting(struct queue_file *, int64_t *next, struct arena *, struct notice_rcpt **, size_t *, struct fault *);

/* requeue.c: a new message of the same bytes and the recipients that are not done. */
WAITS int message_requeue(struct queue *, enum queue_state, const char *id, struct fault *);

/* control.c: a task's body; owns what it is given. */
struct control { struct qmgr *qmgr; int sock; };
WAITS void control_serve(void *control);
void control_prepare(void);                            /* at start: who net_owner is */

#endif
