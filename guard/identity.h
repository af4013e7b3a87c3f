/* SPDX-License-Identifier: ISC */
/*
 * identity.h - sql:PATH of auth_passdb and auth_userdb: users in a database, for authd (ipc/ask_table.h, "identify")
 *
 * PATH is Dovecot's dovecot-sql.conf.ext, "name = value" lines:
 *
 *   driver = mysql | pgsql | sqlite
 *   connect = host=.. [host=.. ..] [port=..] dbname=.. user=.. password=..  [ssl_ca= ssl_cert= ssl_key= option_file= option_group=]
 *             or the file's path with sqlite
 *   password_query, user_query = SELECT .. '%u' ..       variables: identity_words.h
 *   default_pass_scheme = ..                             put before passwords that have none
 *
 * A query's columns are fields by their names: password, user, nopassword, allow_nets, userdb_home ... of one row.
 */
#ifndef GUARD_IDENTITY_H
#define GUARD_IDENTITY_H

#include "base/arena.h"
#include "base/task.h"
#include "guard/identity_words.h"

/* The text of such a file. Strings are the arena's; NULL what is not there. Pure. */
struct identity_settings {
	const char *driver, *password_query, *user_query, *default_pass_scheme;
	struct identity_connect {
		const char *name, *value;        /* as the tables' modules call them: hosts, user, password ... */
	} connect[16];
	size_t n_connect;
};
int identity_sql_parse(struct span, struct arena *, struct identity_settings *, struct fault *);

struct identity_base;
struct identity_base *identity_open(struct span spec, struct fault *);       /* before the sandbox; owned; NULL and why */

struct table;
struct table *identity_table(struct identity_base *);       /* borrowed: to watch its file */

/* Adds "name=value" and a NUL for each field: 0; 1 there is no such user; -1 why. */
WAITS int identity_look(struct identity_base *, bool passdb, const struct identity_words *, struct text *fields, struct fault *);

#endif
