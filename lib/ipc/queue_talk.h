/* SPDX-License-Identifier: ISC */
/*
 * queue_talk.h - what others tell and ask qmgr
 *
 * A notice that a message was committed: one datagram "new QUEUE_ID" to the
 * unix-dgram socket private/qmgr-notice, never blocking, allowed to be lost;
 * qmgr also looks into incoming/.
 *
 * The tools ask on public/qmgr (SOCK_SEQPACKET, owner root or mail_owner for
 * changes, everyone in setgid_group for flush and list):
 *
 *   flush                               | done
 *   flush_one queue_id=..               | done
 *   flush_site site=..                  | done          (ETRN, postqueue -s: all that net_owner may ask)
 *   change    what=delete|hold|release|requeue|expire queue_id=..|ALL [queue=..]   | done count=..
 *   list                                | { message queue=.. queue_id=.. arrival_us=.. size=.. sender=.. [expired=yes]
 *                                       |   { rcpts { address=.. reason=.. }* }* }* | done count=..
 *
 * `count` is how many messages were changed. A change that cannot be made now
 * ("still being delivered") is "refused"; an id that is nowhere gives count=0.
 */
#ifndef IPC_QUEUE_TALK_H
#define IPC_QUEUE_TALK_H

#include "ipc/frame.h"

/* sock: a connected datagram socket. Never waits; loss is fine. */
void queue_notice(int sock, struct span queue_id);
WAITS int queue_flush(const char *public_directory, struct span queue_id_or_none, struct span site_or_none, struct fault *);
/* ETRN: from a role's directory, where only this may be asked. */
WAITS int queue_flush_site(struct span site, struct fault *);
WAITS int queue_change(const char *public_directory, const char *what, struct span queue_id, struct span queue, int64_t *count, struct fault *);


/* What postqueue shows of a message. Spans are borrowed for the call. */
struct queue_listed {
	struct span queue, queue_id, sender;    /* queue: "active", "deferred", "hold", "incoming" */
	int64_t     arrival_us, size;
	bool        expired;                    /* postsuper -e: forced_expire */
};
struct queue_listed_rcpt {
	struct span address, reason;            /* reason: why it waits, or empty */
};

/* The client: calls back for each message, then for each of its recipients that are not done.
 * A callback that returns not 0 ends the walk. */
struct queue_list_reader {
	void *context;
	int (*message)(void *context, const struct queue_listed *);
	int (*rcpt)(void *context, const struct queue_listed_rcpt *);
};
WAITS int queue_list(const char *public_directory, const struct queue_list_reader *, struct fault *);

/* The server (qmgr): requests decoded, answers written. */
struct queue_change_request {
	struct span what, queue_id, queue;      /* queue may be empty: all but maildrop and corrupt */
};
int queue_decode_change(struct frame *, struct queue_change_request *, struct fault *);
int queue_decode_flush(struct frame *, struct span *queue_id, struct span *site, struct fault *);
void queue_answer_done(struct frame *answer, int64_t count);

struct queue_list_writer {                      /* zero it, set sock */
	int          sock;
	struct frame rcpts;
	int64_t      count;
};
WAITS int queue_list_write_message(struct queue_list_writer *, const struct queue_listed *, struct fault *);
WAITS int queue_list_write_rcpt(struct queue_list_writer *, const struct queue_listed_rcpt *, struct fault *);
WAITS int queue_list_write_done(struct queue_list_writer *, struct fault *);   /* frees what it holds */

#endif
