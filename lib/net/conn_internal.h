/* SPDX-License-Identifier: ISC */
/*
 * conn_internal.h - what the files of a conn share
 *
 *   conn.c          buffers and deadlines: lines, writes
 *   conn_filter.c   a coding, where there is one: between the buffers and the stream
 *   conn_bytes.c    the stream: plain or TLS
 *   conn_tls.c      the switch from the one to the other
 *
 * What is written goes down through them, what is read comes up.
 */
#ifndef NET_CONN_INTERNAL_H
#define NET_CONN_INTERNAL_H

#include <openssl/ssl.h>

#include "net/conn.h"

enum { CONN_IN_SIZE = 16384 };

struct conn {
	unsigned    magic;
	int         in_fd, out_fd;
	SSL        *ssl;
	int64_t     deadline, patience;
	struct text in, out;
	size_t      in_start;            /* what was read of `in` */
	struct conn_filter *filter;      /* owned; NULL: none */
	struct text raw;                 /* with a filter: received, not yet decoded */
	bool        more;                /* the filter may give more without more input */
	bool        decoded;             /* the filter is for what we write alone */
	bool        dead;
	uint64_t    bytes_in, bytes_out;
};

/* conn_bytes.c: at least one byte is read, all are written; -1: a fault, as in conn.h. */
WAITS ssize_t conn_read_bytes(struct conn *, char *to, size_t len, struct fault *);
WAITS int conn_write_raw(struct conn *, struct span, struct fault *);
WAITS int conn_wait(struct conn *, int fd, short events, struct fault *);      /* until the deadline or the patience ends */
int conn_gone(struct conn *, struct fault *);                                 /* -1: FAULT_PEER; nothing more is tried */
WAITS int conn_tls_step(struct conn *, int n, struct fault *);                 /* of an SSL call that returned n <= 0: 0 try again, -1 */

/* conn_filter.c: the same through the coding; read_decoded while there is one that the peer has not ended. */
WAITS ssize_t conn_read_decoded(struct conn *, char *to, size_t len, struct fault *);
WAITS int conn_write_bytes(struct conn *, struct span, struct fault *);        /* with or without one */

#endif
