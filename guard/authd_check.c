/* SPDX-License-Identifier: ISC */
/*
 * authd_check.c - may they log in? The passdbs, asked in the order of the configuration (authd_users.h)
 */
#include <stdio.h>
#include <string.h>

#include "authd_cache.h"
#include "authd_database.h"
#include "authd_helper.h"
#include "authd_oauth.h"
#include "authd_route.h"
#include "authd_source.h"
#include "authd_try.h"
#include "base/log.h"
#include "base/task.h"
#include "mail/netaddr.h"

/* ------------------------------------------------------------ what a check costs */

/* With what somebody logged in last, by the place of the database: refusals without a hash of their own take as long. */
static struct {
	struct monitor lock;
	struct text    passdb[DATABASES_MAX], master[DATABASES_MAX];
} examples = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static struct text *
example_of(const struct database *d)
{
	bool is_master = d >= databases.master && d < databases.master + DATABASES_MAX;

	return is_master ? &examples.master[d - databases.master] : &examples.passdb[d - databases.passdb];
}

static struct span
example(const struct database *d, struct arena *a)
{
	struct span stored;

	monitor_enter(&examples.lock);
	stored = arena_span(a, text_span(example_of(d)));
	monitor_leave(&examples.lock);
	return stored;
}

static void
note_example(const struct database *d, struct span stored)
{
	monitor_enter(&examples.lock);
	text_set(example_of(d), stored);
	monitor_leave(&examples.lock);
}

/* ------------------------------------------------------------ a password */

static bool
from_allowed_net(struct span nets, struct span peer)
{
	struct netaddr     address;
	struct netaddr_net net;
	struct span        one;

	if (!netaddr_parse(peer, &address))
		return false;
	while (span_next(&nets, ",", &one)) {
		if (span_is(one, "local"))
			continue;
		if (netaddr_parse_net(one, &net, NULL) == 0 && netaddr_in(&address, &net))
			return true;
	}
	return false;
}

static int
denied(const struct question *q, const char *driver, const char *reason)
{
	log_info("auth: %s(%s,%.*s): %s", driver, q->user, SPAN_ARGS(q->from->peer), reason);
	return 0;
}

/* 1 the entry lets him in, as far as it is not the password's to say; 0 denied. */
static int
may_log_in(const struct database *d, const struct question *q, const struct passwd_entry *e)
{
	if (e->has_nets && !from_allowed_net(e->allow_nets, q->from->peer))
		return denied(q, d->name, "allow_nets check failed: IP not in allowed networks");
	if (e->unknown.len)
		log_warning("auth: %s(%s): extra field %.*s is not supported: login denied", d->name, q->user, SPAN_ARGS(e->unknown));
	if (!q->from->route && e->route.len)
		return denied(q, d->name, "a mailbox at another server cannot be had this way: login denied");
	if ((e->nologin && !q->from->route) || e->unknown.len)
		return denied(q, d->name, "login is disabled");
	return 1;
}

/* "proxy=y host=%d.example", of the configuration */
static void
add_fields(const char *words, const struct question *q)
{
	struct span rest = span_of(words ? words : ""), value, name;

	while (span_next(&rest, " \t", &value)) {
		autotext struct text full = {0};
		autofree char       *format = NULL;

		span_split(&value, '=', &name);
		format = mem_span(value);
		expand_variables(format, q->user, "", &full);
		route_add(q->from->route, name, text_span(&full));
	}
}

/* What one that lets him in says of where his mailbox is; what one before it has said stays.  e: NULL for one without entries. */
static void
note_route(const struct database *d, const struct question *q, const struct passwd_entry *e)
{
	struct text *route = q->from->route;

	if (!route)
		return;
	add_fields(d->fields, q);
	add_fields(d->default_fields, q);
	if (e && e->nologin)
		route_add(route, SPAN("nologin"), SPAN("y"));
	if (e ? e->nopassword : d->nopassword)
		route_add(route, SPAN("nopassword"), SPAN("y"));
	if (e && e->route.len)
		text_add_format(route, "%s%.*s", route->len ? "\t" : "", SPAN_ARGS(e->route));
	add_fields(d->override_fields, q);
}

static int
become(const struct database *d, const struct question *q, const struct passwd_entry *e)
{
	note_route(d, q, e);
	if (e->user.len)
		snprintf(q->user, USER_NAME_SIZE, "%.*s", SPAN_ARGS(e->user));
	if (q->admin)
		*q->admin = e->admin;
	return 1;
}

/* The directory has been asked whether the password is good. */
static int
check_answer(const struct database *d, const struct question *q, const struct passwd_entry *e, int answer)
{
	if (answer == IDENTITY_WRONG)
		return denied(q, d->name, *q->password ? "Password mismatch" : "empty password");
	return may_log_in(d, q, e) == 1 ? become(d, q, e) : 0;
}

/* Who is refused for another reason than his password hears it as late as if it had been the password: else the time would
 * tell names (SECURITY.md 2, row 23). */
static int
check_entry(const struct database *d, const struct question *q)
{
	struct passwd_entry e;
	struct fault        why = {0};
	int                 verdict = database_prove(d, q, &e);
	bool                known = verdict == IDENTITY_KNOWN, allowed = known && may_log_in(d, q, &e) == 1;
	struct span         stored = known ? database_scheme(q->arena, d->scheme, e.password) : SPAN_NONE;

	if (verdict < 0)
		return -1;
	if (verdict == IDENTITY_PROVED || verdict == IDENTITY_WRONG)
		return check_answer(d, q, &e, verdict);
	if (allowed && e.nopassword)
		return become(d, q, &e);
	if (!allowed) {
		helper_check(stored.len ? stored : example(d, q->arena), span_of(q->password), NULL);
		return known ? 0 : denied(q, d->name, "unknown user");
	}
	verdict = helper_check(stored, span_of(q->password), &why);
	if (verdict == 1)
		note_example(d, stored);
	if (verdict < 0 && why.class != FAULT_TIME)
		log_error("auth: %s(%s,%.*s): %s", d->name, q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
	return verdict == 0 ? denied(q, d->name, "Password mismatch") : verdict < 0 ? -1 : become(d, q, &e);
}

static int
check_pam(const struct database *d, const struct question *q)
{
	struct fault why = {0};
	int          verdict = helper_pam(*d->argument ? d->argument : databases.pam_service, q->user, q->password, q->from->peer, &why);

	if (verdict < 0)
		log_error("auth: pam(%s,%.*s): %s", q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
	return verdict == 0 ? denied(q, "pam", fault_text(&why)) : verdict;
}

static int
check_static(const struct database *d, const struct question *q)
{
	struct fault why = {0};
	int          verdict;

	if (d->nopassword)
		return 1;
	if (!d->password)
		return denied(q, "static", "no password is set");
	verdict = helper_check(span_of(arena_format(q->arena, "%s%s", d->password[0] == '{' ? "" : "{PLAIN}", d->password)),
	                       span_of(q->password), &why);
	return verdict == 0 ? denied(q, "static", "Password mismatch") : verdict;
}

static int
check_one(const struct database *d, const struct question *q)
{
	int verdict = 0;                           /* tokens are no passwords */

	if (database_has_entries(d))
		return check_entry(d, q);
	if (d->driver == DRIVER_PAM)
		verdict = check_pam(d, q);
	else if (d->driver == DRIVER_STATIC)
		verdict = check_static(d, q);
	if (verdict == 1)
		note_route(d, q, NULL);
	return verdict;
}

/* Who is in it, whatever his password is: 1, 0 denied, -1. */
static int
check_present(const struct database *d, const struct question *q)
{
	struct passwd_entry e;
	int                 got = database_look_up(d, q, &e);

	if (got == 0)
		return denied(q, d->name, "unknown user");
	return got < 0 ? -1 : may_log_in(d, q, &e) == 1 ? become(d, q, &e) : 0;
}

/* Whether its word on him is wanted.  One with deny=yes has none, but ends it all for who is in it, or while it is away. */
static bool
is_asked(const struct database *d, const struct question *q, struct verdicts *v)
{
	struct passwd_entry e;
	int                 got;

	if (!rules_apply(&d->rules, q->from->mechanism, q->user, v->verified))
		return false;
	if (!d->rules.deny)
		return true;
	got = database_look_up(d, q, &e);
	if (got == 0)
		return false;
	if (got == 1) {
		helper_check(example(d, q->arena), span_of(q->password), NULL);       /* as late as a wrong password */
		denied(q, d->name, "User found from deny passdb");
	}
	*v = (struct verdicts){.over = true, .trouble = got < 0};
	return false;
}

static int
check_all(const struct database *asked, size_t count, char *user, const char *password, const struct origin *from, bool *admin)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, password, from, a, admin};
	struct verdicts         v = {0};

	for (size_t i = 0; i < count && !v.over; i++) {
		const struct database *d = &asked[i];
		int                    verdict;

		if (!is_asked(d, &q, &v))
			continue;
		verdict = v.verified && database_has_entries(d) ? check_present(d, &q) : check_one(d, &q);
		rules_note(&d->rules, verdict, &v);
	}
	return rules_outcome(&v);
}

int
users_check(char *user, const char *password, const struct origin *from)
{
	char     asked[USER_NAME_SIZE];
	uint64_t age;
	int      verdict;

	sources_refresh();
	age = cache_age();
	if (cache_knows(user, password, from))
		return 1;
	snprintf(asked, sizeof asked, "%s", user);
	verdict = check_all(databases.passdb, databases.n_passdb, user, password, from, NULL);
	if (verdict == 1 && from->route && !from->route->len)      /* who is elsewhere is asked for each time */
		cache_note(asked, password, from, user, age);
	return verdict;
}

int
users_check_master(char *user, const char *password, const struct origin *from, bool *admin)
{
	return check_all(databases.master, databases.n_master, user, password, from, admin);
}

/* ------------------------------------------------------------ other proofs */

/* 1 and what is stored; 0 nothing that is of use, which is logged; -1. */
static int
secret_of(const struct database *d, const struct question *q, struct text *stored)
{
	struct passwd_entry e;
	int                 got;

	if (d->driver == DRIVER_STATIC && d->password) {
		text_clear(stored);
		text_add_format(stored, "%s%s", d->password[0] == '{' ? "" : "{PLAIN}", d->password);
		note_route(d, q, NULL);
		return 1;
	}
	if (!database_has_entries(d))
		return 0;
	if ((got = database_look_up(d, q, &e)) < 0)
		return -1;
	if (got == 0)
		return denied(q, d->name, "unknown user");
	if (e.nopassword)
		return denied(q, d->name, "login is disabled");
	if (!e.password.len)
		return denied(q, d->name, "no password is told");       /* auth_bind = yes: the server has it */
	if (may_log_in(d, q, &e) != 1)
		return 0;
	become(d, q, &e);
	text_set(stored, database_scheme(q->arena, d->scheme, e.password));
	return 1;
}

int
users_secret(char *user, const struct origin *from, struct text *stored, const char **driver)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", from, a, NULL};
	struct verdicts         v = {0};

	for (size_t i = 0; i < databases.n_passdb && !v.over; i++) {
		const struct database *d = &databases.passdb[i];
		int                    verdict;

		if (!is_asked(d, &q, &v))
			continue;
		*driver = d->name;
		verdict = v.verified && database_has_entries(d) ? check_present(d, &q) : secret_of(d, &q, stored);
		rules_note(&d->rules, verdict, &v);
	}
	return stored->len ? rules_outcome(&v) : v.trouble ? -1 : 0;
}

/* The token has proved his name; it is judged as one that somebody says with a password: by those who deny, up to the
 * database that the token is good for, and by whom that one is for.  1, 0, -1 */
static int
admits(const struct database *d, char *user, const struct origin *from)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", from, a, NULL};
	struct verdicts         v = {0};

	for (const struct database *before = databases.passdb; before < d && !v.over; before++)
		if (before->rules.deny)
			is_asked(before, &q, &v);
	if (v.over)
		return v.trouble ? -1 : 0;
	return rules_apply(&d->rules, from->mechanism, user, false);
}

int
users_token(struct span token, name_rule *uniform, const struct origin *from, struct text *whose, struct text *scope, struct text *openid)
{
	bool trouble = false;

	for (size_t i = 0; i < databases.n_passdb; i++) {
		const struct database *d = &databases.passdb[i];
		struct fault           why = {0};
		char                   owner[USER_NAME_SIZE];
		int                    verdict;

		if (d->driver != DRIVER_OAUTH)
			continue;
		verdict = helper_token(d->source, token, whose, &why);
		if (verdict == 1) {
			verdict = uniform(text_string(whose), owner) ? admits(d, owner, from) : 0;
			fault_set(&why, FAULT_DENIED, "the token is good, and its owner may not log in with it");
		}
		if (verdict == 1) {
			note_route(d, &(struct question){owner, "", from, NULL, NULL}, NULL);
			return 1;
		}
		trouble = trouble || verdict < 0;
		log_info("auth: oauth2(,%.*s): %s", SPAN_ARGS(from->peer), fault_text(&why));
		text_set(scope, span_of(oauth_scope(databases.oauth[d->source])));
		text_set(openid, span_of(oauth_openid(databases.oauth[d->source])));
	}
	return trouble ? -1 : 0;
}

bool
users_have_tokens(void)
{
	return databases.n_oauth > 0;
}

static int
vouch(char *user, const struct origin *from, struct verdicts *v)
{
	autoarena struct arena *a = arena_new();
	struct question         q = {user, "", from, a, NULL};

	for (size_t i = 0; i < databases.n_passdb && !v->over; i++) {
		const struct database *d = &databases.passdb[i];

		if (!is_asked(d, &q, v))
			continue;
		if (d->driver != DRIVER_STATIC && !database_has_entries(d))
			continue;
		rules_note(&d->rules, d->driver == DRIVER_STATIC ? 1 : check_present(d, &q), v);
		if (d->driver == DRIVER_STATIC)
			note_route(d, &q, NULL);
	}
	return rules_outcome(v);
}

int
users_vouched(char *user, const struct origin *from)
{
	struct verdicts v = {0};

	return vouch(user, from, &v);
}

int
users_exist(char *user, const struct origin *from)
{
	struct user_facts facts = {0};
	struct fault      why = {0};
	struct verdicts   v = {0};
	const struct database *by_pam = NULL;
	int               got = vouch(user, from, &v);

	for (size_t i = 0; i < databases.n_passdb && !by_pam; i++)
		by_pam = databases.passdb[i].driver == DRIVER_PAM ? &databases.passdb[i] : NULL;
	if (got == 0 && by_pam && !v.over) {      /* over: one has denied him, for all that PAM could say */
		got = users_find(user, from, &facts, &why);
		got = got < 0 ? -1 : got == 0;
		user_facts_free(&facts);
		if (got == 1)
			note_route(by_pam, &(struct question){user, "", from, NULL, NULL}, NULL);
	}
	return got;
}
