/* SPDX-License-Identifier: ISC */
/*
 * server.h - one try to authenticate, by GNU SASL
 *
 * The mechanisms' exchanges are the library's; whether the password is right
 * is the caller's `check`, which may wait. A try is used once: after yes or no
 * it is only freed (SECURITY.md 2, row 9).
 */
#ifndef SASL_SERVER_H
#define SASL_SERVER_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum { SASL_PASSWORD_MAX = 512, SASL_USER_MAX = 255, SASL_INPUT_MAX = 8192 };

struct sasl_library;
struct sasl_try;

/* 1 yes, 0 no, -1 trouble (nobody knows now). authzid may be "", or somebody else's name: whether he may is the check's. */
typedef int sasl_check(void *argument, const char *user, const char *authzid, const char *password);

/* For mechanisms that prove a password without telling it (SCRAM, CRAM-MD5): what is stored of the user, as in a passdb
 * ("{PLAIN}secret", "{SCRAM-SHA-256}4096,salt,..").  1 found, 0 not: the exchange goes on as if, and fails; -1 trouble. */
typedef int sasl_secret(void *argument, const char *user, struct text *stored);

/* EXTERNAL (RFC 4422, appendix A): the caller knows who it is by other means, a certificate. authzid is whom the client
 * wants to be, "" for himself. The name is the caller's to know: sasl_try_user() is authzid. */
typedef int sasl_external(void *argument, const char *authzid);

/* OAUTHBEARER and XOAUTH2 (bearer.h): is the token good, and user's ("" : whosever it is)? The caller knows whose it was.
 * On 0 *refusal may be filled with what the client shall be told (bearer_refusal). */
typedef int sasl_token(void *argument, const char *user, struct span token, bool oauthbearer, struct text *refusal);

enum sasl_state { SASL_MORE, SASL_YES, SASL_NO, SASL_TROUBLE };

int  sasl_library_open(struct sasl_library **, struct fault *);       /* before the sandbox */
bool sasl_mechanism_known(struct sasl_library *, const char *mechanism);
int  sasl_try_start(struct sasl_library *, const char *mechanism, sasl_check *, void *argument, struct sasl_try **, struct fault *);
void sasl_try_secret(struct sasl_try *, sasl_secret *);               /* before the first step; without it these mechanisms fail */
void sasl_try_external(struct sasl_try *, sasl_external *);           /* before the first step; without it EXTERNAL fails */
void sasl_try_token(struct sasl_try *, sasl_token *);                 /* before the first step; without it tokens fail */
/* The TLS session that the exchange runs in: `type` as in "p=tls-exporter"; before the first step. Without it ..-PLUS fails.
 * plus_offered: a client that believes that it was not (a "y" in its first message) was lied to by somebody in between,
 * and is refused (RFC 5802, 6). */
void sasl_try_bind(struct sasl_try *, const char *type, struct span bytes, bool plus_offered);
bool sasl_tells_password(const char *mechanism);                      /* PLAIN, LOGIN; and those that tell a token */
/* input: what the client sent, raw, with a NULL pointer where there was no initial response; output: the challenge, raw,
 * with SASL_MORE. */
WAITS enum sasl_state sasl_try_step(struct sasl_try *, struct span input, struct text *output);
const char *sasl_try_user(const struct sasl_try *);                   /* "" until it was told */
void sasl_try_free(struct sasl_try *);

#endif
