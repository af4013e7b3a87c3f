/* SPDX-License-Identifier: ISC */
/*
 * conn.h - a buffered byte stream with a deadline, plain or TLS
 *
 * A conn owns its descriptor (non-blocking inside).  Every call that WAITS
 * gives up when the deadline (clock_now() milliseconds; conn_deadline) has
 * come.  A span that a read returns is borrowed: good until the next read on
 * the same conn.  Writes are buffered; a read flushes first, so that nobody
 * waits for an answer to what was not sent.
 *
 * Faults: FAULT_PEER (gone), FAULT_TIME, FAULT_INPUT (line too long),
 * FAULT_SYSTEM.  After FAULT_PEER or FAULT_TIME nothing more is read.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <sys/socket.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct conn;
struct tls_context;
struct tls_wish;

struct conn *conn_new(int fd);                 /* given; sets it non-blocking */
struct conn *conn_new_pair(int in, int out);   /* two descriptors, given: stdin and stdout */
void conn_free(struct conn *);                 /* closes; sends nothing more; NULL is fine */
int  conn_fd(const struct conn *);             /* borrowed */

void conn_deadline(struct conn *, int64_t deadline);
/* Each read and write gives up after this many ms without a byte, besides the
 * deadline; 0: only the deadline counts. */
void conn_patience(struct conn *, int64_t ms);

/*
 * conn_line    next line without its end.  LF ends a line; *ended_crlf tells
 *              whether CR stood before it (may be NULL).  FAULT_INPUT: longer
 *              than limit: the rest of the line is still unread.
 * conn_some    whatever is there, at least one byte, at most limit
 * conn_peek    bytes that are buffered now, without waiting
 * conn_pending bytes that were received but not read: at STARTTLS it must be 0
 */
WAITS int conn_line(struct conn *, size_t limit, struct span *line, bool *ended_crlf, struct fault *);
WAITS int conn_some(struct conn *, size_t limit, struct span *bytes, struct fault *);
struct span conn_peek(struct conn *);
void        conn_unread(struct conn *, size_t count);   /* gives back the tail of the last read */
size_t      conn_pending(const struct conn *);
bool        conn_input_waits(struct conn *);            /* buffered, or readable at once: also at the end */
bool        conn_bytes_wait(struct conn *);             /* the same, but the end alone is no byte */

WAITS int conn_write(struct conn *, struct span, struct fault *);   /* buffered */
WAITS int conn_print(struct conn *, struct fault *, const char *format, ...) __attribute__((format(printf, 3, 4)));
WAITS int conn_flush(struct conn *, struct fault *);
WAITS int conn_send_file(struct conn *, int fd, off_t at, size_t count, struct fault *);  /* after a flush; sendfile when plain */

/* TLS: see tls.h. After success all bytes are TLS; input buffered before must
 * be 0 (asserted): the caller ends the connection otherwise. */
WAITS int conn_accept_tls(struct conn *, struct tls_context *, struct fault *);
WAITS int conn_start_tls(struct conn *, struct tls_context *, const struct tls_wish *, struct fault *);
WAITS void conn_close_notify(struct conn *);             /* polite end, does not wait long */
bool conn_is_tls(const struct conn *);
void *conn_ssl(const struct conn *);                     /* SSL *, borrowed, for tls.c; NULL when plain */

/*
 * A coding between our bytes and the wire's (COMPRESS: conn_deflate.h), both
 * ways from the next byte on; what is buffered of input is coded already.
 *   decode   takes *in, moves it on, gives at most `room` bytes: how many, or -1
 *   encode   adds the coded form of all of `in`, such that it can be decoded at once
 *   at_mark  what was decoded ends where the peer may have ended its coding
 */
struct conn_filter {
	ssize_t (*decode)(struct conn_filter *, struct span *in, char *to, size_t room);
	int     (*encode)(struct conn_filter *, struct span in, struct text *out);
	bool    (*at_mark)(const struct conn_filter *);
	void    (*release)(struct conn_filter *);
};
WAITS int conn_set_filter(struct conn *, struct conn_filter *, struct fault *);   /* given; flushes first */
/* The peer's coding ended behind what was read: waits for its mark, then input is plain again. Coded bytes that mean
 * something are FAULT_INPUT. What is written stays coded until conn_end_filter. */
WAITS int conn_end_decoding(struct conn *, struct fault *);
WAITS int conn_end_filter(struct conn *, struct fault *);
struct conn_filter *conn_filter(const struct conn *);    /* borrowed; NULL: none */

/* Ends the conn and gives away what it was made of: the descriptor and the SSL * (NULL: plain) are the
 * caller's, `unread` gets what was received and not read. All was flushed before, there is no filter. See wire.h. */
void *conn_dismantle(struct conn *, int *fd, struct text *unread);
struct conn *conn_assemble(int fd, void *ssl, struct span unread);   /* the way back; fd and ssl are given */

uint64_t conn_bytes_in(const struct conn *);             /* of content, not of records */
uint64_t conn_bytes_out(const struct conn *);

#endif
