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

/* 1 yes, 0 no, -1 trouble (nobody knows now). authzid may be "". */
typedef int sasl_check(void *argument, const char *user, const char *authzid, const char *password);

/* For mechanisms that prove a password without telling it (SCRAM, CRAM-MD5): what is stored of the user, as in a passdb
 * ("{PLAIN}secret", "{SCRAM-SHA-256}4096,salt,..").  1 found, 0 not: the exchange goes on as if, and fails; -1 trouble. */
typedef int sasl_secret(void *argument, const char *user, struct text *stored);

enum sasl_state { SASL_MORE, SASL_YES, SASL_NO, SASL_TROUBLE };

int  sasl_library_open(struct sasl_library **, struct fault *);       /* before the sandbox */
bool sasl_mechanism_known(struct sasl_library *, const char *mechanism);
int  sasl_try_start(struct sasl_library *, const char *mechanism, sasl_check *, void *argument, struct sasl_try **, struct fault *);
void sasl_try_secret(struct sasl_try *, sasl_secret *);               /* before the first step; without it these mechanisms fail */
bool sasl_tells_password(const char *mechanism);                      /* PLAIN, LOGIN */
/* input: what the client sent, raw; output: the challenge, raw, with SASL_MORE. */
WAITS enum sasl_state sasl_try_step(struct sasl_try *, struct span input, struct text *output);
const char *sasl_try_user(const struct sasl_try *);                   /* "" until it was told */
void sasl_try_free(struct sasl_try *);

#endif
