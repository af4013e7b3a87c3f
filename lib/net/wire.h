/* SPDX-License-Identifier: ISC */
/*
 * wire.h - a stream, plain or TLS, for a loop that never waits
 *
 * What conn.h is to a task, a wire is to a loop: nothing is buffered here and no
 * call waits.  A read or write moves some bytes, or none (0), or finds the stream
 * ended (-1; whoever has ended may still listen: go on writing).  With TLS a read may have to write first and the other way round
 * (KeyUpdate, RFC 8446, 4.6.3): wire_wants adds that to what the caller wants.
 * One call handles at most one record that brings no content, so that a peer who sends only
 * such records cannot keep the loop.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <sys/types.h>

#include "base/text.h"

struct conn;
struct wire;

struct wire *wire_new(struct conn *, struct text *unread);   /* the conn is given, flushed */
struct conn *wire_unmake(struct wire *, struct span unread); /* the way back: a task speaks with the client again */
void wire_free(struct wire *);                               /* says good-bye in TLS, closes; NULL is fine */
int  wire_fd(const struct wire *);                           /* borrowed */
bool wire_is_tls(const struct wire *);

ssize_t wire_read(struct wire *, char *to, size_t room);
/* After 0 the next write begins with the same bytes. */
ssize_t wire_write(struct wire *, struct span);
bool     wire_pending(const struct wire *);                  /* a read gives more though the descriptor is quiet */
unsigned wire_wants(const struct wire *, unsigned events);   /* of poller.h */

#endif
