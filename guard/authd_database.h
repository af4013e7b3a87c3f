/* SPDX-License-Identifier: ISC */
/*
 * authd_database.h - the databases that auth_passdb, auth_userdb and auth_master_passdb name, and asking one for an entry
 *
 * Read-only after databases_prepare. The forms are told in authd_users.h.
 */
#ifndef GUARD_AUTHD_DATABASE_H
#define GUARD_AUTHD_DATABASE_H

#include "authd_command.h"
#include "authd_file.h"
#include "authd_rules.h"
#include "authd_users.h"
#include "base/arena.h"
#include "ipc/ask_table.h"

struct oauth;
enum { DATABASES_MAX = 16 };

enum driver { DRIVER_FILE, DRIVER_PAM, DRIVER_PASSWD, DRIVER_STATIC, DRIVER_OAUTH, DRIVER_SQL, DRIVER_LDAP, DRIVER_PREFETCH, DRIVER_COMMAND };

struct database {
	enum driver driver;
	const char *name, *spec;         /* "sql", "sql:/path" */
	const char *argument;            /* path, or PAM service */
	const char *scheme;              /* passwd-file: of passwords without one */
	const char *uid, *gid, *home, *mail, *password, *quota, *groups;
	const char *fields, *default_fields, *override_fields;       /* of a passdb: "proxy=y host=.." (authd_route.h) */
	bool        nopassword, all_users;
	struct rules rules;              /* of a passdb */
	size_t      source;              /* passwd-file: its index in authd_source.h; oauth2: which of `oauth`; checkpassword: which of `command` */
};

struct databases {
	struct database passdb[DATABASES_MAX], userdb[DATABASES_MAX], master[DATABASES_MAX];
	size_t          n_passdb, n_userdb, n_master;
	struct oauth   *oauth[DATABASES_MAX];
	size_t          n_oauth;
	char           *command[2 * DATABASES_MAX][COMMAND_WORDS_MAX + 2];
	size_t          n_command;
	int64_t         command_ms;
	const char     *pam_service;
	bool            root;            /* started as root: uids are real */
};
extern struct databases databases;

int databases_prepare(const struct users_settings *, struct fault *);

/* What is asked of one, for the length of an arena. */
struct question {
	char                *user;      /* rewritten where the database says that it is another */
	const char          *password;
	const struct origin *from;
	struct arena        *arena;
	bool                *admin;     /* set when who logs in is one; NULL: nobody asks */
};

/* A passwd-file, sql:, ldap: or checkpassword:, which have entries by name. */
bool database_has_entries(const struct database *);
/* Of such a one: 1 and the entry; 0 none; -1 trouble, which is logged. */
WAITS int database_look_up(const struct database *, const struct question *, struct passwd_entry *);
/* The same for who logs in with q->password: IDENTITY_KNOWN (the password is for us to check), IDENTITY_UNKNOWN, and where a
 * server has tried the password IDENTITY_PROVED or IDENTITY_WRONG; -1. */
WAITS int database_prove(const struct database *, const struct question *, struct passwd_entry *);
/* sql: or ldap: alone, asked of proxymap: as ask_table_identify, with an entry when it is known or proved. */
WAITS int database_ask(const struct database *, enum identity_kind, const struct question *, struct passwd_entry *, struct fault *);
/* A stored password without a scheme has its database's. */
struct span database_scheme(struct arena *, const char *scheme, struct span stored);

#endif
