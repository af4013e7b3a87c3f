/* SPDX-License-Identifier: ISC */
/*
 * notify.h - "tell the sender": failure, delay and success notices (RFC 3461, 3464)
 * asks: qmgr.  answers: bounce, which submits the notice through cleanup.
 *
 *   notice  kind=failure|delay|success|double|verify queue_id=.. sender=.. envid=.. ret=.. arrival_us=.. size=.. smtputf8=..
 *           pieces=.. content=<fd>
 *   rcpt    { address=.. original=.. orcpt=.. notify=.. action=failed|delayed|delivered|relayed|expanded dsn=.. text=.. mta=.. diagnostic=.. }* [last=yes]  (repeated)
 *                                       | noticed queue_id=..     (durable: the original may go)
 *                                       | refused reason=..       (nothing was sent; ask again later)
 *
 * queue_id is empty when bounce had nobody to tell (a null sender with
 * notify_classes that ask for no copy): the original may go all the same.
 */
#ifndef IPC_NOTIFY_H
#define IPC_NOTIFY_H

#include "base/arena.h"
#include "ipc/frame.h"

struct notice_rcpt {
	struct span address, original, orcpt, action, dsn, text, mta, diagnostic;
	int64_t     notify;
};
struct notice {
	struct span kind, queue_id, sender, envid, ret, pieces;
	int64_t     arrival_us, size, expires_us;
	bool        smtputf8;
	int         content;
	struct notice_rcpt *rcpts;
	size_t      n_rcpts;
};
WAITS int notify_ask(const struct notice *, int64_t deadline, char *queue_id, size_t size, struct fault *);
WAITS int notify_send(int sock, const struct notice *, int64_t deadline, struct fault *);   /* notify_ask's first half */
WAITS int notify_receive(int sock, struct frame *, struct notice *, struct arena *, struct fault *);   /* 0; 1 closed; -1 */
WAITS int notify_done(int sock, const char *queue_id, struct fault *);
WAITS int notify_refuse(int sock, const char *reason, struct fault *);

#endif
