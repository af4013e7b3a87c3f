/* SPDX-License-Identifier: ISC */
/*
 * authd_users.h - passdb and userdb: who may log in, and who that is
 *
 * auth_passdb and auth_userdb name databases, asked in order:
 *
 *   passwd-file:PATH [scheme=S]     user:password:uid:gid:gecos:home:shell:extra ...
 *   pam[:SERVICE]                   passdb only; the service is imap, pop3, smtp by default: "dovecot"
 *   oauth2:PATH                     passdb only, for tokens only (authd_oauth.h)
 *   passwd                          userdb only: the system's users
 *   static:uid=.. gid=.. home=..    userdb; passdb: static:password=.. or static:nopassword=y
 *
 * A passwd-file is read at start and again when it changes; while the new one
 * cannot be read the old one is used. Monitors inside.
 */
#ifndef GUARD_AUTHD_USERS_H
#define GUARD_AUTHD_USERS_H

#include <sys/types.h>

#include "config/list.h"
#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct user_facts {
	char        user[256];
	uid_t       uid;
	gid_t       gid;
	struct text home, mail, quota;       /* mail: userdb_mail or mail=, not expanded; "" for mail_location */
};
void user_facts_free(struct user_facts *);

struct users_settings {
	struct list passdb, userdb;
	const char *default_pam_service;
};

int users_prepare(const struct users_settings *, struct fault *);     /* opens, forks helpers: before the sandbox */

/* 1 yes, 0 no, -1 trouble. Logs each database's refusal in Dovecot's words. */
WAITS int users_check(const char *user, const char *password, struct span peer, const char *service);
/* What is stored of the password, with its scheme, for mechanisms that prove it; as users_check otherwise. */
WAITS int users_secret(const char *user, struct span peer, struct text *stored);
/* Is the token good, and whose is it? 1 and the name as the token has it; 0 with what a refusal shall say; -1. */
WAITS int users_token(struct span token, struct span peer, struct text *whose, struct text *scope, struct text *openid);
bool users_have_tokens(void);
/* May he log in who has proved who he is by other means (a certificate)? Asks no password; as users_check otherwise. */
WAITS int users_vouched(const char *user, struct span peer);
WAITS int users_find(const char *user, struct user_facts *, struct fault *);   /* 0; 1 none; -1 */

#endif
