/* SPDX-License-Identifier: ISC */
/*
 * deliver.h - "deliver this to these recipients"
 * asks: qmgr.  answers: smtp lmtp relay local virtual pipe error discard ...
 *
 *   deliver  queue_id=.. nexthop=.. sender=.. size=.. pieces=.. content=<fd> count=N ...
 *            { index=0 address=.. [original=.. orcpt=.. notify=..] }* [last=yes]
 *   rcpt     { index=1 address=.. ... }* [last=yes]                (only what did not fit; no answer)
 *                                      | status index=0 action=sent dsn=2.0.0 text=.. ...   (one a recipient)
 *                                      | done [destination=dead dsn=4.4.1 text=..]
 *
 * The content descriptor is read-only. A status is sent as soon as it is
 * known, so that what was delivered stays delivered when the agent dies: qmgr
 * defers the recipients without one ("agent died"). `destination` in done
 * says that nobody at this next hop can be reached now.
 */
#ifndef IPC_DELIVER_H
#define IPC_DELIVER_H

#include "ipc/frame.h"

enum deliver_action { DELIVER_SENT, DELIVER_DEFERRED, DELIVER_BOUNCED };

struct deliver_rcpt {
	int64_t     index;
	struct span address;      /* where to: local@domain, unquoted */
	struct span original;     /* as it came in, or empty: orig_to= */
	struct span orcpt;
	int64_t     notify;
	bool        reported;     /* the agent's side: a status was sent */
};

struct delivery {
	struct span queue_id, transport, nexthop, sender, envid, ret, body;
	struct span log_client, client_name, client_address, client_port, helo, protocol; /* pipe(8) macros, XFORWARD */
	struct span sasl_method, sasl_sender, sasl_user;
	int64_t     size;
	int64_t     arrival_us, active_us, handed_us;   /* delays: a = active - arrival, b = handed - active */
	bool        smtputf8, verify_only, trace;
	bool        wants_8bit;
	bool        first_try;                  /* fresh from incoming/: no agent has had it before */
	bool        soft_bounce;                /* deliver_report turns bounced into deferred */
	struct span pieces;
	int         content;                    /* owned by the conversation */
	struct deliver_rcpt *rcpts;
	size_t      n_rcpts;
	/* private to deliver.c */
	int         sock;
	int64_t     connected_us;               /* the agent sets it when the connection stands: delays c and d */
	struct arena *arena;
};

struct deliver_status {
	enum deliver_action action;
	const char *dsn;                        /* "2.0.0" */
	struct span text;                       /* one line, for log, mailq and notice */
	struct span relay;                      /* "mx.example[192.0.2.1]:25", "local", "virtual", "none" */
	struct span mta;                        /* Remote-MTA, name only, or empty */
	struct span diagnostic;                 /* the remote reply "550 5.1.1 no" (Diagnostic-Code: smtp; ...), or empty */
	bool        conn_used;  int64_t conn_use;
	struct span tls;
	bool        logged;                     /* another agent has written the log line already (mailbox_transport) */
	const char *report;                     /* what a success notice says: "delivered", "relayed", "expanded"; "none": the
	                                         * next MTA speaks DSN and will say it. NULL: relayed when `relay` has a [, else delivered */
};

/* qmgr's side. */
WAITS int deliver_ask(int sock, const struct delivery *, int64_t deadline, struct fault *);
/* 0: a status arrived (spans borrowed from the frame); 1: done; -1 */
struct deliver_answer { struct deliver_status status; int64_t index; bool destination_dead; char dsn[16], report[16]; };
WAITS int deliver_next(int sock, struct frame *, struct deliver_answer *, int64_t deadline, struct fault *);

/* The agent's side: receives one request whole (0; 1 the peer closed; -1). */
WAITS int deliver_receive(int sock, struct delivery *, struct fault *);
/* Sends the status and logs the line "QID: to=<..>, relay=.., delay=.., delays=.., dsn=.., status=.. (..)". */
WAITS int deliver_report(struct delivery *, struct deliver_rcpt *, const struct deliver_status *, struct fault *);
/* Reports everyone who has no status yet the same. */
WAITS int deliver_report_rest(struct delivery *, const struct deliver_status *, struct fault *);
WAITS int deliver_done(struct delivery *, const struct deliver_status *destination_dead, struct fault *);
void deliver_free(struct delivery *);

/* The log line alone, for whoever decides without an agent; word: "expired", or NULL for the action's own. */
void deliver_log(const struct delivery *, const struct deliver_rcpt *, const struct deliver_status *, const char *word);
void deliver_print_status(struct text *, const struct delivery *, const struct deliver_rcpt *,
                          const struct deliver_status *, const char *word);
void deliver_print_delay(struct text *, int64_t us);   /* "1.2": as Postfix prints delays */

#endif
