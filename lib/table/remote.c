/* SPDX-License-Identifier: ISC */
/*
 * remote.c - tables that a server answers, seen from a program that has no client for it
 *
 * The client libraries are linked by proxymap alone.  Whoever else opens mysql:x asks proxymap
 * for it, as if proxy:mysql:x stood there; proxymap answers, since the configuration names it.
 */
#include "table/table_type.h"

static const struct { const char *name; bool is_pattern, is_built; } remote[] = {
	{"memcache", false, true}, {"socketmap", true, true}, {"tcp", true, true},
#ifdef HAVE_LDAP
	{"ldap", false, true},
#else
	{"ldap", false, false},
#endif
#ifdef HAVE_MYSQL
	{"mysql", false, true},
#else
	{"mysql", false, false},
#endif
#ifdef HAVE_PGSQL
	{"pgsql", false, true},
#else
	{"pgsql", false, false},
#endif
#ifdef HAVE_SQLITE
	{"sqlite", false, true},
#else
	{"sqlite", false, false},
#endif
};

static table_proxy_ask                *ask;
static const struct table_type *const *modules;

void
table_use_remote(table_proxy_ask *with)
{
	ask = with;
}

void
table_use_modules(const struct table_type *const *given)
{
	modules = given;
}

const char *
table_remote_at(size_t index)
{
	for (size_t i = 0; i < COUNT(remote); i++)
		if (remote[i].is_built && index-- == 0)
			return remote[i].name;
	return NULL;
}

/* Its full keys only: lookups of parts make no sense there, and are not sent. */
static bool
asks_whole_keys(struct span type)
{
	for (size_t i = 0; i < COUNT(remote); i++)
		if (span_is(type, remote[i].name))
			return remote[i].is_pattern;
	return false;
}

bool
table_is_remote(struct span spec)
{
	struct span type;

	if (!span_split(&spec, ':', &type) || span_starts(spec, "//")) /* ldap://host is no table */
		return false;
	for (size_t i = 0; spec.len && i < COUNT(remote); i++)
		if (span_is(type, remote[i].name))
			return true;
	return false;
}

static int
open_remote(struct table *t, struct fault *why)
{
	struct span spec = span_of(t->spec), type;

	span_split(&spec, ':', &type);
	t->is_pattern = asks_whole_keys(type);
	if (ask)
		return 0;
	return fault_set(why, FAULT_SYSTEM, "this table is asked through proxymap, which this program cannot");
}

static int
find_remote(struct table *t, struct span key, struct text *value, struct fault *why)
{
	return ask(t->spec, key, value, why);
}

static void
close_remote(struct table *t)
{
	(void)t;
}

static bool
remote_changed(const struct table *t)
{
	(void)t;
	return false;
}

static const struct table_type distant = {"remote", false, false, open_remote, find_remote, close_remote, remote_changed};

const struct table_type *
table_remote_type(struct span name)
{
	for (size_t i = 0; modules && modules[i]; i++)
		if (span_is(name, modules[i]->name))
			return modules[i];
	for (size_t i = 0; i < COUNT(remote); i++)
		if (span_is(name, remote[i].name))
			return &distant;
	return NULL;
}
