/* SPDX-License-Identifier: ISC */
/*
 * tls_global.h - what holds for all TLS of a program: the tls_* parameters
 *
 * Set once, at start, before the first context is made; strings are borrowed for good.
 */
#ifndef NET_TLS_GLOBAL_H
#define NET_TLS_GLOBAL_H

#include "base/fault.h"

struct tls_global {
	const char *high, *medium, *low, *export, *null;   /* what the grades mean: OpenSSL's lists; NULL: built in */
	bool        preempt;          /* a server's own order of ciphers counts */
	const char *options;          /* tls_ssl_options: "NO_TICKET, NO_RENEGOTIATION", or a hex mask */
	const char *groups;           /* "X25519 X448 prime256v1 ..."; those that the library has */
	const char *config_file;      /* of OpenSSL: "default", "none", or a path */
	const char *config_name;      /* of the application in it; "": openssl_conf */
};

int tls_set_global(const struct tls_global *, struct fault *);

#endif
