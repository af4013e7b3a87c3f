/* SPDX-License-Identifier: ISC */
/*
 * lmtp.h - lmtpd: takes mail of other MTAs by LMTP (RFC 2033) and delivers it at once
 *
 *   dovecot-lmtp unix - n n - - lmtpd        in master.cf: virtual_transport = lmtp:unix:private/dovecot-lmtp
 *   127.0.0.1:24 inet n n n - - lmtpd
 *
 * Three processes a connection, as in quota_status.c.  The front (lmtp_front.c) has no right but to the
 * client and to the inside: it speaks the protocol and TLS, and writes the content into a descriptor that it
 * was given.  The inside (lmtp_deliver.c) is root, believes of the front what it would believe of any
 * client, asks authd whose an address is, and lets a worker become that user and store the message.
 * A recipient's reply is sent when his copy is durable, not before: there is no queue (RFC 2033, 5).
 *
 * The front asks, the inside answers:
 *
 *   rcpt address=..                         | known | refused reply="550 5.1.1 ..."
 *   content                                 | content file=<fd> | refused reply=..
 *   deliver sender=.. length=.. helo=.. client=.. protocol=.. message_id=.. [smtputf8=yes]
 *                                           | { status reply=.. }* one a recipient, in their order | done
 *   reset                                   | (nothing)
 *
 * `deliver` ends the transaction, as reset does.  Out of turn: the inside hangs up.
 */
#ifndef LOCAL_LMTP_H
#define LOCAL_LMTP_H

#include "net/conn.h"
#include "service/privilege.h"

struct tls_context;

enum { LMTP_RCPTS_MAX = 1000, LMTP_REPLY_MAX = 900, LMTP_ASK_MS = 100 * 1000 };

struct lmtp_settings {
	int64_t             timeout_ms, delivery_ms;     /* silence of the client; one recipient's delivery */
	bool                received_header, to_detail;
	struct tls_context *tls;                         /* NULL: no STARTTLS */
};
extern struct lmtp_settings lmtp_settings;

/* The front, in its own confined process: until the client or the inside is gone. */
WAITS void lmtp_front(struct conn *client, const char *peer, int inside);

/* The inside: until the front is gone. */
WAITS void lmtp_inside(int front);

#endif
