/* SPDX-License-Identifier: ISC */
/*
 * authd_users.c - who is it? The userdbs, asked in the order of the configuration
 */
#include "authd_users.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "authd_cache.h"
#include "authd_database.h"
#include "authd_helper.h"
#include "authd_limits.h"
#include "authd_source.h"
#include "base/log.h"
#include "base/strmap.h"

enum { TOLD_MOST = 100 };

void
user_facts_free(struct user_facts *u)
{
	text_free(&u->home);
	text_free(&u->mail);
	text_free(&u->quota);
	text_free(&u->groups);
	text_free(&u->sieve);
}

int
users_prepare(const struct users_settings *s, struct fault *why)
{
	const char *const *paths;
	size_t             n_paths;

	cache_prepare(s->cache_size, s->cache_ttl);
	if (databases_prepare(s, why) < 0 || sources_open(why) < 0)
		return -1;
	paths = sources_paths(&n_paths);
	return helpers_start(paths, n_paths, databases.oauth, databases.n_oauth, databases.n_passdb || databases.n_userdb,
	                     databases.n_command > 0, why);
}

static int
numeric_uid(struct span s, uid_t *uid)
{
	uint64_t n;

	if (!span_number(s, &n) || n > UINT32_MAX - 1)
		return -1;
	*uid = (uid_t)n;
	return 0;
}

/* A name in a uid or gid field is a system user's: its uid, or its group. */
static int
resolve_ids(struct span uid, struct span gid, struct user_facts *out, struct fault *why)
{
	autotext struct text home = {0};
	autofree char       *name = mem_span(uid), *group = mem_span(gid);
	uid_t                u = geteuid(), ignored;
	gid_t                g = getegid(), unused;

	/* A private instance serves its own user; otherwise nobody guesses whose a mailbox is. */
	if (!uid.len && !gid.len && databases.root)
		return 0;              /* another database says it, or none (users_find) */
	if (databases.root && (!uid.len || !gid.len))
		return fault_set(why, FAULT_INPUT, "no uid or no gid");
	if (uid.len && numeric_uid(uid, &u) < 0 && helper_passwd(name, &u, &g, &home, why) != 0)
		return fault_set(why, FAULT_INPUT, "unknown system user %s", name);
	if (gid.len && numeric_uid(gid, &g) < 0) {
		if (helper_passwd(group, &ignored, &unused, &home, why) != 0)
			return fault_set(why, FAULT_INPUT, "unknown group %s", group);
		g = unused;
	}
	out->uid = u;
	out->gid = g;
	out->has_ids = true;
	return 0;
}

/* What it does not say stays as one before it has said. */
static void
put(struct text *to, struct span own, const char *given)
{
	if (own.len || (given && *given))
		text_set(to, own.len ? own : span_of(given));
}

static void
put_quota(const struct database *d, struct span own, struct user_facts *out)
{
	if (own.len || d->quota)
		text_clear(&out->quota);
	if (own.len)
		text_add(&out->quota, own);
	else if (d->quota)
		text_add_format(&out->quota, "quota_rule=%s", d->quota);
}

/* What a site may rely on and nobody here does: told once of each database, not at each login. */
static struct {
	struct monitor lock;
	struct strmap *names;
} told = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static void
tell_ignored(const struct database *d, struct span names)
{
	static char is_told;
	struct span name;

	monitor_enter(&told.lock);
	if (!told.names)
		told.names = strmap_new();
	while (span_next(&names, " ", &name)) {
		autofree char *key = mem_format("%s %.*s", d->spec, SPAN_ARGS(name));

		if (strmap_get(told.names, span_of(key)) || strmap_count(told.names) >= TOLD_MOST)
			continue;
		strmap_put(told.names, span_of(key), &is_told);
		log_warning("auth: %s: the field %.*s of the userdb has no effect here", d->spec, SPAN_ARGS(name));
	}
	monitor_leave(&told.lock);
}

static int
take_entry(const struct database *d, const struct passwd_entry *e, struct user_facts *out, struct fault *why)
{
	put(&out->home, e->home, d->home);
	put(&out->mail, e->mail, d->mail);
	put_quota(d, e->quota, out);
	put(&out->groups, e->groups, d->groups);
	put(&out->sieve, e->sieve, NULL);
	out->admin |= e->admin;
	tell_ignored(d, e->ignored);
	if (e->admin && !limits_are_kept())
		tell_ignored(d, SPAN("admin"));
	return resolve_ids(e->uid.len ? e->uid : span_of(d->uid), e->gid.len ? e->gid : span_of(d->gid), out, why);
}

/* What the passdb said of him with userdb_ before it: it is asked again, from where he logged in.  One that is away has
 * not let him in, if another knows him. */
static int
find_prefetched(const struct database *d, const struct question *q, struct user_facts *out, struct fault *why)
{
	bool trouble = false;

	for (size_t i = 0; i < databases.n_passdb; i++) {
		const struct database *p = &databases.passdb[i];
		struct passwd_entry    e;
		int                    got = 0;

		if (!rules_concern(&p->rules, q->user))
			continue;
		if (database_has_entries(p) && (got = database_look_up(p, q, &e)) < 0)
			trouble = fault_set(why, FAULT_SYSTEM, "prefetch: a passdb cannot say who he is") < 0;
		if (got == 1 && (e.home.len || e.uid.len || e.mail.len))
			return take_entry(d, &e, out, why);
	}
	return trouble ? -1 : 1;
}

/* A static userdb has a place for every name; whether there is such a user the passdbs say, as far as one can ask them
 * without a password.  1, 0, -1 */
static int
is_known(const struct question *q, struct fault *why)
{
	bool trouble = false;

	for (size_t i = 0; i < databases.n_passdb; i++) {
		const struct database *d = &databases.passdb[i];
		struct passwd_entry    e;
		int                    got;

		if (!rules_concern(&d->rules, q->user))
			continue;
		got = database_has_entries(d) ? database_look_up(d, q, &e) : 1;
		if (got == 1)
			return 1;
		trouble = trouble || got < 0;
	}
	if (trouble)
		return fault_set(why, FAULT_SYSTEM, "static: a passdb cannot say whether there is such a user");
	return databases.n_passdb == 0;
}

static int
find_static(const struct database *d, const struct question *q, bool logged_in, struct user_facts *out, struct fault *why)
{
	int known = logged_in || d->all_users ? 1 : is_known(q, why);

	if (known != 1)
		return known == 0 ? 1 : -1;
	put(&out->home, SPAN_NONE, d->home);
	put(&out->mail, SPAN_NONE, d->mail);
	put_quota(d, SPAN_NONE, out);
	put(&out->groups, SPAN_NONE, d->groups);
	return resolve_ids(span_of(d->uid), span_of(d->gid), out, why);
}

static int
find_in(const struct database *d, char *user, const struct origin *from, struct arena *a, struct user_facts *out, struct fault *why)
{
	static const struct origin nowhere = {"", {"", 0}, {"", 0}, NULL, NULL};
	struct question            q = {user, "", from ? from : &nowhere, a, NULL};
	struct passwd_entry        e;
	int                        got;

	switch (d->driver) {
	case DRIVER_FILE:
		return source_find(d->source, user, a, &e) ? take_entry(d, &e, out, why) : 1;
	case DRIVER_SQL:
	case DRIVER_LDAP:
	case DRIVER_COMMAND:
		got = database_ask(d, IDENTITY_USERDB, &q, &e, why);
		if (got == IDENTITY_KNOWN && e.user.len)
			snprintf(out->user, sizeof out->user, "%.*s", SPAN_ARGS(e.user));
		return got == IDENTITY_KNOWN ? take_entry(d, &e, out, why) : got < 0 ? -1 : 1;
	case DRIVER_PREFETCH:
		return from ? find_prefetched(d, &q, out, why) : 1;
	case DRIVER_PASSWD:
		got = helper_passwd(user, &out->uid, &out->gid, &out->home, why);
		out->has_ids |= got == 0;
		return got;
	case DRIVER_STATIC:
		return find_static(d, &q, from != NULL, out, why);
	default:
		return 1;
	}
}

int
users_find(const char *user, const struct origin *from, struct user_facts *out, struct fault *why)
{
	autoarena struct arena *a = arena_new();
	struct verdicts         v = {0};
	int                     outcome;

	snprintf(out->user, sizeof out->user, "%s", user);
	for (size_t i = 0; i < databases.n_userdb && !v.over; i++) {
		const struct database *d = &databases.userdb[i];
		int                    got;

		if (d->rules.skip == (v.verified ? SKIP_FOUND : SKIP_NOT_FOUND))
			continue;
		got = find_in(d, out->user, from, a, out, why);
		rules_note(&d->rules, got < 0 ? -1 : got == 0, &v);
		if (got < 0 && !v.over)
			log_error("auth: userdb(%s): %s: %s", out->user, d->spec, fault_text(why));
	}
	outcome = rules_outcome(&v);
	if (outcome == 1 && !out->has_ids)
		return fault_set(why, FAULT_INPUT, "no uid or no gid");
	return outcome == 1 ? 0 : outcome == 0 ? 1 : -1;
}
