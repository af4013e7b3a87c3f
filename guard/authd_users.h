/* SPDX-License-Identifier: ISC */
/*
 * authd_users.h - passdb and userdb: who may log in, and who that is
 *
 * auth_passdb and auth_userdb name databases, asked in order:
 *
 *   passwd-file:PATH [scheme=S]     user:password:uid:gid:gecos:home:shell:extra ...
 *   pam[:SERVICE]                   passdb only; the service is imap, pop3, smtp by default: "dovecot"
 *   sql:PATH                        Dovecot's dovecot-sql.conf.ext; proxymap asks (guard/identity.h)
 *   ldap:PATH                       Dovecot's dovecot-ldap.conf.ext; the same
 *   checkpassword:PATH, :{PATH args}  a command of the administrator's (authd_command.h)
 *   prefetch                        userdb only, of logins: what the passdb sql: or ldap: says with userdb_ before it
 *   oauth2:PATH                     passdb only, for tokens only (authd_oauth.h)
 *   passwd                          userdb only: the system's users
 *   static:uid=.. gid=.. home=..    userdb, of those whom a passdb knows, where all passdbs can be asked by name;
 *                                   allow_all_users=yes: of everybody.  passdb: static:password=.. or static:nopassword=y
 *
 * default_fields={proxy=y host=..} and override_fields={..} behind a passdb, and the same words behind static, are fields of
 * authd_route.h that hold for all who are in it: unless, or whatever, their entries say.  %u %n %d are the user's.
 *
 * Behind a passdb may stand for whom it is asked and what follows from its answer, behind a userdb the latter (authd_rules.h).
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
	char        user[256];               /* as the userdb has it (user=), or as it was asked for */
	uid_t       uid;
	gid_t       gid;
	struct text home, mail, quota;       /* mail: userdb_mail or mail=, not expanded; "" for mail_location */
	struct text groups;                  /* acl_groups: "staff,sales" */
	struct text sieve;                   /* his own parameters of Sieve: "sieve=.." joined by TAB */
	bool        admin;                   /* admin=y */
	bool        has_ids;                 /* uid and gid are told */
};
void user_facts_free(struct user_facts *);

struct users_settings {
	struct list passdb, userdb, master;
	const char *default_pam_service;
	int64_t     cache_size, cache_ttl, command_ms;
};

int users_prepare(const struct users_settings *, struct fault *);     /* opens, forks helpers: before the sandbox */

/* Where a client comes from: for allow_nets, PAM, and a database's %s %r %l. */
struct origin {
	const char *service;
	struct span peer, local;
	const char *mechanism;       /* "PLAIN"; NULL: nobody tries to log in */
	struct text *route;          /* gets where his mailbox is (authd_route.h); NULL: nobody asks, and who is elsewhere is not let in */
};
enum { USER_NAME_SIZE = 256 };

/* 1 yes, 0 no, -1 trouble. Logs each database's refusal in Dovecot's words. `user` is USER_NAME_SIZE bytes, and is
 * rewritten where a database says that he is another (user=). */
WAITS int users_check(char *user, const char *password, const struct origin *);
/* The same of auth_master_passdb: may he log in as anybody?  *admin: and set limits there (userdb_admin=y). */
WAITS int users_check_master(char *user, const char *password, const struct origin *, bool *admin);
/* What is stored of the password, with its scheme, for mechanisms that prove it; as users_check otherwise. */
WAITS int users_secret(char *user, const struct origin *, struct text *stored, const char **driver);   /* driver: whose it is, for the log */
/* Is there such a user, for a master: by a passdb that lets him in, or where none can say so (PAM) by the userdb. */
WAITS int users_exist(char *user, const struct origin *);
/* How names are made uniform (authd_try.c); false: it is nobody's. */
typedef bool name_rule(const char *name, char uniform[USER_NAME_SIZE]);
/* Is the token good, and may its owner log in with it? 1 and the name as the token has it; 0 with what a refusal shall say; -1. */
WAITS int users_token(struct span token, name_rule *uniform, const struct origin *from, struct text *whose, struct text *scope, struct text *openid);
bool users_have_tokens(void);
/* May he log in who has proved who he is by other means (a certificate)? Asks no password; as users_check otherwise. */
WAITS int users_vouched(char *user, const struct origin *);
/* 0; 1 none; -1. `from`: of his login, which prefetch needs; NULL: somebody asks who has mail for him. */
WAITS int users_find(const char *user, const struct origin *from, struct user_facts *, struct fault *);

#endif
