/* SPDX-License-Identifier: ISC */
/*
 * sasl.h - who checks passwords: authd, an outside server that speaks Dovecot's protocol, or Cyrus SASL's saslauthd
 *
 * One try is one exchange; nothing of it is left for the next (SECURITY.md 2, 9).
 * Data is raw, not base64.
 */
#ifndef SMTPD_SASL_H
#define SMTPD_SASL_H

#include "ipc/ask_auth.h"

struct session;
struct sasl_try;

/* Adds "PLAIN LOGIN", by smtpd_sasl_security_options. */
WAITS int sasl_mechanisms(struct session *, struct text *names, struct fault *);
/* The answer is auth_answer's; on -1 the server could not be asked. */
WAITS int sasl_start(struct session *, struct span mechanism, const struct span *initial, struct sasl_try **,
                     struct auth_answer *, struct fault *);
WAITS int sasl_more(struct sasl_try *, struct span data, struct auth_answer *, struct fault *);
void sasl_end(struct sasl_try *);     /* NULL is fine */

/* sasl_dovecot.c */
struct dovecot_auth;
WAITS int  dovecot_connect(struct session *, struct dovecot_auth **, struct text *mechanisms, struct fault *);
WAITS int  dovecot_start(struct dovecot_auth *, struct session *, struct span mechanism, const struct span *initial,
                         struct auth_answer *, struct fault *);
WAITS int  dovecot_more(struct dovecot_auth *, struct span data, struct auth_answer *, struct fault *);
void dovecot_free(struct dovecot_auth *);

/* sasl_cyrus.c: Cyrus SASL's saslauthd */
struct cyrus_auth;
WAITS int cyrus_start(struct span mechanism, const struct span *initial, struct cyrus_auth **, struct auth_answer *, struct fault *);
WAITS int cyrus_more(struct cyrus_auth *, struct span data, struct auth_answer *, struct fault *);
void cyrus_free(struct cyrus_auth *);   /* NULL is fine */

#endif
