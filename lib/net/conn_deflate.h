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

#endif
