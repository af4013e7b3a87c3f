/* SPDX-License-Identifier: ISC */
/*
 * conn_deflate.h - a connection whose bytes are deflated (RFC 1951), as COMPRESS wants it (RFC 4978)
 *
 * Raw deflate, both ways, every write flushed so that the peer can read it.
 * Costs 300 KB of memory.  Only who uses it links zlib.
 */
#ifndef NET_CONN_DEFLATE_H
#define NET_CONN_DEFLATE_H

#include "net/conn.h"

struct conn_filter *conn_deflate_new(void);      /* NULL: no memory for it */

/*
 * A stream that goes on in another process.  What we send needs no memory of the past: each write ends at a byte and a
 * new compressor never looks back (RFC 1951, 3.2).  What the peer sends may: its last 32 KiB are kept.
 *
 *   save     adds them; false: the peer is in the middle of a block
 *   restore  as conn_deflate_new, with them
 *   stored   bytes that may be put between two writes of a deflated stream by who has no compressor
 */
bool conn_deflate_save(struct conn_filter *, struct text *dictionary);
struct conn_filter *conn_deflate_restore(struct span dictionary);
void conn_deflate_stored(struct span, struct text *out);      /* at most 65535 bytes */

#endif
