/* SPDX-License-Identifier: ISC */
/*
 * identity.h - sql:PATH and ldap:PATH of auth_passdb and auth_userdb: users in a database, for authd (ipc/ask_table.h, "identify")
 *
 * PATH of sql: is Dovecot's dovecot-sql.conf.ext, "name = value" lines:
 *
 *   driver = mysql | pgsql | sqlite
 *   connect = host=.. [host=.. ..] [port=..] dbname=.. user=.. password=..  [ssl_ca= ssl_cert= ssl_key= option_file= option_group=]
 *             or the file's path with sqlite
 *   password_query, user_query = SELECT .. '%u' ..       variables: identity_words.h
 *   default_pass_scheme = ..                             put before passwords that have none
 *
 * A query's columns are fields by their names: password, user, nopassword, allow_nets, userdb_home ... of one row.
 *
 * PATH of ldap: is dovecot-ldap.conf.ext: hosts or uris, dn, dnpass, base, scope, deref, ldap_version, tls, tls_*, pass_filter,
 * pass_attrs, user_filter, user_attrs (identity_attrs.h), default_pass_scheme; with auth_bind = yes the server is asked whether
 * a password is good, as the entry that pass_filter finds or as auth_bind_userdn, over connections of their own.
 *
 * iterate_query gives all users, a row each: user, or username and domain; iterate_filter finds their entries, and iterate_attrs
 * says what of one is user.  Asked for by root (postern user '*', -A).
 */
#ifndef GUARD_IDENTITY_H
#define GUARD_IDENTITY_H

#include "base/arena.h"
#include "base/task.h"
#include "guard/identity_attrs.h"
#include "ipc/ask_table.h"

/* The text of such a file. Strings are the arena's; NULL what is not there. Pure. */
struct identity_settings {
	const char *driver, *password_query, *user_query, *default_pass_scheme;      /* ldap: the queries are filters */
	struct identity_connect {
		const char *name, *value;        /* as the tables' modules call them: hosts, user, password ... */
	} connect[20];
	size_t n_connect;
	const char *list_query;          /* iterate_query; ldap: iterate_filter */
	/* of ldap alone */
	bool                  binds;              /* auth_bind */
	const char           *bind_name;          /* auth_bind_userdn; NULL: as the entry that is found */
	struct identity_attrs password_attrs, user_attrs, list_attrs;
};
int identity_sql_parse(struct span, struct arena *, struct identity_settings *, struct fault *);
int identity_ldap_parse(struct span, struct arena *, struct identity_settings *, struct fault *);

struct identity_base;
struct identity_base *identity_open(struct span spec, struct fault *);       /* before the sandbox; owned; NULL and why */

struct table;
struct table *identity_table(struct identity_base *);       /* borrowed: to watch its file */

/* As ask_table_identify. */
WAITS int identity_look(struct identity_base *, const struct identity_question *, struct text *fields, struct fault *);

/* Adds the name of each user, and a NUL: 0, or -1 why. */
WAITS int identity_list(struct identity_base *, struct text *names, struct fault *);

#endif
