/* SPDX-License-Identifier: ISC */
/*
 * authd_file.c - a passwd-file in Dovecot's format, as a map
 */
#include "authd_file.h"

#include <stdlib.h>

#include "authd_route.h"
#include "sieve/settings.h"

/* "name=value" joined by TAB, which no value has. */
static void
add_to(struct arena *a, struct span *all, struct span name, struct span value)
{
	if (!span_has(value, '\t'))
		*all = span_of(arena_format(a, "%.*s%s%.*s=%.*s", SPAN_ARGS(*all), all->len ? "\t" : "", SPAN_ARGS(name), SPAN_ARGS(value)));
}

static void
add_route(struct arena *a, struct passwd_entry *e, struct span name, struct span value)
{
	autotext struct text all = {0};

	text_add(&all, e->route);
	route_add(&all, name, value);
	e->route = arena_span(a, text_span(&all));
}

static bool
is_sieve(struct span name)
{
	static const char *const own[] = {SIEVE_OWN};

	for (size_t i = 0; i < COUNT(own); i++)
		if (span_is(name, own[i]))
			return true;
	return false;
}

void
passwd_entry_userdb(struct arena *a, struct passwd_entry *e, struct span name, struct span value)
{
	if (span_is(name, "mail"))
		e->mail = value;
	else if (span_is(name, "home"))
		e->home = value;
	else if (span_is(name, "uid"))
		e->uid = value;
	else if (span_is(name, "gid"))
		e->gid = value;
	else if (span_is(name, "user"))
		e->user = value;
	else if (span_is(name, "acl_groups"))
		e->groups = value;
	else if (span_is(name, "admin"))
		e->admin = value.len && (value.at[0] == 'y' || value.at[0] == 'Y' || value.at[0] == '1');
	else if (span_starts(name, "quota_rule"))
		add_to(a, &e->quota, name, value);
	else if (is_sieve(name))
		add_to(a, &e->sieve, name, value);
	else
		e->ignored = span_of(arena_format(a, "%.*s%s%.*s", SPAN_ARGS(e->ignored), e->ignored.len ? " " : "", SPAN_ARGS(name)));
}

void
passwd_entry_passdb(struct arena *a, struct passwd_entry *e, struct span name, struct span value)
{
	if (span_starts(name, "userdb_"))
		passwd_entry_userdb(a, e, span_from(name, 7), value);
	else if (span_is(name, "mail"))
		e->mail = value;
	else if (span_is(name, "user"))
		e->user = value;
	else if (span_is(name, "password"))
		e->password = value;
	else if (span_is(name, "allow_nets"))
		e->allow_nets = value, e->has_nets = true;
	else if (span_is(name, "nologin"))
		e->nologin = true;
	else if (span_is(name, "nopassword"))
		e->nopassword = true;
	else if (route_knows(name))
		add_route(a, e, name, value);
	else if (!span_is(name, "nodelay")) /* a favour that is not done */
		e->unknown = name;
}

static void
take_extra(struct arena *a, struct passwd_entry *e, struct span extra)
{
	struct span word;

	while (span_next(&extra, " \t", &word)) {
		struct span value = word, name;

		span_split(&value, '=', &name);
		passwd_entry_passdb(a, e, name, value);
	}
}

void
passwd_entry_empty(struct passwd_entry *e)
{
	*e = (struct passwd_entry){.password = SPAN_NONE, .uid = SPAN_NONE, .gid = SPAN_NONE, .home = SPAN_NONE, .mail = SPAN_NONE,
	                           .user = SPAN_NONE, .allow_nets = SPAN_NONE, .unknown = SPAN_NONE, .quota = SPAN_NONE, .groups = SPAN_NONE,
	                           .sieve = SPAN_NONE, .route = SPAN_NONE, .ignored = SPAN_NONE};
}

/* "{SCHEME}hash" may hold no colon; the scheme of DIGEST-MD5 might, and is not known here. */
static void
take_line(struct passwd_file *f, struct span line)
{
	struct span          field[8] = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE};
	struct passwd_entry *e;

	for (size_t i = 0; i < 7; i++)
		if (!span_split(&line, ':', &field[i]))
			break;
	field[7] = line;
	if (field[0].len == 0) {
		f->skipped++;
		return;
	}
	e = arena_alloc(f->arena, sizeof *e);
	passwd_entry_empty(e);
	e->password = field[1];
	e->uid = field[2];
	e->gid = field[3];
	e->home = field[5];
	take_extra(f->arena, e, field[7]);
	strmap_put(f->entries, field[0], e);
}

struct passwd_file *
passwd_file_parse(struct span all)
{
	struct passwd_file *f = mem_alloc(sizeof *f);
	struct span         line;

	f->arena = arena_new();
	f->entries = strmap_new();
	all = arena_span(f->arena, all);
	while (span_next(&all, "\r\n", &line)) {
		line = span_trim(line);
		if (line.len && line.at[0] != '#')
			take_line(f, line);
	}
	return f;
}

void
passwd_file_free(struct passwd_file *f)
{
	if (!f)
		return;
	strmap_free(f->entries, NULL);
	arena_free(f->arena);
	free(f);
}

const struct passwd_entry *
passwd_file_find(const struct passwd_file *f, const char *user)
{
	return strmap_get(f->entries, span_of(user));
}
