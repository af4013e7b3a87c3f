/* SPDX-License-Identifier: ISC */
/*
 * tls_internal.h - what conn.c and tls.c share
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "base/fault.h"

struct tls_context;
struct tls_wish;

SSL *tls_session(struct tls_context *, const struct tls_wish *, struct fault *);   /* owned; NULL and why */
/* The oldest error of the library, in words. */
int tls_fault(struct fault *, enum fault_class, const char *what);

#endif
