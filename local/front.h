/* SPDX-License-Identifier: ISC */
/*
 * front.h - a connection's two processes: one that hears strangers, one that may do things
 *
 * The front is a child with net_owner's uid and no right at all: it reads and writes its client and
 * its socket to the inside. The inside stays what the program is (root, confined as it promises), and
 * takes nothing of the front's for granted.
 */
#ifndef LOCAL_FRONT_H
#define LOCAL_FRONT_H

#include "base/fault.h"
#include "base/task.h"

int front_prepare(struct fault *);       /* in prepare(), as root */

/* A whole connection: `client` is given.  front() gets it in the child, inside() runs here; both get their end
 * of a SOCK_SEQPACKET pair, which is theirs until they return. */
WAITS void front_serve(int client, void (*front)(int client, int inside), void (*inside)(int front));

#endif
