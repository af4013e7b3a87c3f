/* SPDX-License-Identifier: ISC */
/*
 * tls_internal.h - what the conn and the tls files share
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "base/fault.h"
#include "net/tls.h"

struct tls_context;
struct tls_settings;
struct tls_wish;
struct text;

SSL *tls_session(struct tls_context *, const struct tls_wish *, struct fault *);   /* owned; NULL and why */
/* The oldest error of the library, in words. */
int tls_fault(struct fault *, enum fault_class, const char *what);

/* tls_wish.c: a client's wish applied to its session, and how far it came true. */
int  tls_apply_wish(SSL *, const struct tls_wish *, struct fault *);
enum tls_trust tls_trust_of(SSL *);

/* tls_cache.c: sessions of clients that may be resumed. A monitor. */
void tls_cache_enable(SSL_CTX *, int64_t ms);
void tls_cache_use(SSL *, const char *key);      /* sets one, if there is one, and keeps those to come */

/* tls_global.c: the list of a grade, or NULL; and what a new context gets of it. */
const char *tls_global_list(const char *grade);
int tls_global_apply(SSL_CTX *, bool server, struct fault *);

/* tls_names.c: certificates by SNI; the first call makes *names. */
struct tls_names;
int  tls_names_add(SSL_CTX *, struct tls_names **, struct span name, const char *chain_files, struct fault *);
void tls_names_free(struct tls_names *);

const char *tls_context_digest(const SSL_CTX *);   /* of fingerprints */

/* tls_keys.c: certificates with their keys, and authorities, into the context. */
int tls_load_keys(SSL_CTX *, const struct tls_settings *, struct fault *);
int tls_load_authorities(SSL_CTX *, const struct tls_settings *, struct fault *);

/* tls_words.c: Postfix's words for protocols and ciphers. Pure. */
struct tls_protocols {
	int      low, high;       /* TLS1_2_VERSION...; high 0: the newest */
	uint64_t without;         /* SSL_OP_NO_TLSv1_2 ... */
};
int  tls_parse_protocols(const char *words, struct tls_protocols *, struct fault *);
int  tls_cipher_list(const char *grade, const char *exclude, struct text *out, struct fault *);

#endif
