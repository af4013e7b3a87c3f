/* SPDX-License-Identifier: ISC */
/*
 * remote_types.c - which tables of remote.h this build can ask
 *
 * Those without a library of theirs (configure --without-ldap ...) fail when they are asked, and say why.
 */
#include "guard/remote.h"

#if !defined HAVE_LDAP || !defined HAVE_MYSQL || !defined HAVE_PGSQL || !defined HAVE_SQLITE
static int
open_absent(struct table *t, struct fault *why)
{
	return fault_set(why, FAULT_SYSTEM, "this build has no client library for %s tables (configure --with-%s)", t->type->name,
	                 t->type->name);
}
#endif

#define ABSENT(name) {name, true, false, open_absent, remote_find, remote_close, NULL}

#ifdef HAVE_LDAP
#define LDAP_TYPE &remote_ldap
#else
static const struct table_type no_ldap = ABSENT("ldap");
#define LDAP_TYPE &no_ldap
#endif
#ifdef HAVE_MYSQL
#define MYSQL_TYPE &remote_mysql
#else
static const struct table_type no_mysql = ABSENT("mysql");
#define MYSQL_TYPE &no_mysql
#endif
#ifdef HAVE_PGSQL
#define PGSQL_TYPE &remote_pgsql
#else
static const struct table_type no_pgsql = ABSENT("pgsql");
#define PGSQL_TYPE &no_pgsql
#endif
#ifdef HAVE_SQLITE
#define SQLITE_TYPE &remote_sqlite
#else
static const struct table_type no_sqlite = ABSENT("sqlite");
#define SQLITE_TYPE &no_sqlite
#endif

const struct table_type *const remote_types[] = {
	LDAP_TYPE, &remote_memcache, MYSQL_TYPE, PGSQL_TYPE, &remote_socketmap, SQLITE_TYPE, &remote_tcp, NULL,
};

static const struct { const char *name; const struct remote_driver *driver; } drivers[] = {
#ifdef HAVE_LDAP
	{"ldap", &remote_ldap_users_driver}, {"ldap-bind", &remote_ldap_binds_driver},
#endif
#ifdef HAVE_MYSQL
	{"mysql", &remote_mysql_driver},
#endif
#ifdef HAVE_PGSQL
	{"pgsql", &remote_pgsql_driver},
#endif
#ifdef HAVE_SQLITE
	{"sqlite", &remote_sqlite_driver},
#endif
	{NULL, NULL},
};

const struct remote_driver *
remote_driver_named(const char *name)
{
	for (size_t i = 0; drivers[i].name; i++)
		if (strcmp(drivers[i].name, name) == 0)
			return drivers[i].driver;
	return NULL;
}
