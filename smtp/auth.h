/* SPDX-License-Identifier: ISC */
/*
 * auth.h - what auth.c and auth_prove.c share: one login, by one mechanism
 *
 * Each speaks until the server's last word, which is left in s->reply: 0; -1 the connection is lost.
 */
#ifndef SMTP_AUTH_H
#define SMTP_AUTH_H

#include "client.h"

struct auth_login {
	struct span user, password;
};

/* A line, `before` and the bytes in base64, that stays out of transcripts. */
int auth_send_base64(struct session *, const char *before, struct span bytes);

WAITS int auth_prove(struct session *, const char *mechanism, const struct auth_login *, struct fault *);
WAITS int auth_bearer(struct session *, const char *mechanism, const struct auth_login *, struct fault *);

#endif
