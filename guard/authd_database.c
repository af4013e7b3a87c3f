/* SPDX-License-Identifier: ISC */
/*
 * authd_database.c - what the configuration names as databases of users, and asking one for an entry
 */
#include "authd_database.h"

#include <stdlib.h>
#include <string.h>

#include "authd_helper.h"
#include "authd_oauth.h"
#include "authd_route.h"
#include "authd_source.h"
#include "base/log.h"
#include "service/privilege.h"

struct databases databases;

/* ------------------------------------------------------------ configuration */

static const struct { const char *word; enum driver driver; bool passdb, userdb; } drivers[] = {
	{"passwd-file", DRIVER_FILE, true, true}, {"pam", DRIVER_PAM, true, false},
	{"passwd", DRIVER_PASSWD, false, true}, {"static", DRIVER_STATIC, true, true},
	{"oauth2", DRIVER_OAUTH, true, false}, {"sql", DRIVER_SQL, true, true}, {"ldap", DRIVER_LDAP, true, true},
	{"prefetch", DRIVER_PREFETCH, false, true}, {"checkpassword", DRIVER_COMMAND, true, true},
};

enum {
	WITH_ENTRIES = 1 << DRIVER_FILE | 1 << DRIVER_SQL | 1 << DRIVER_LDAP,
	WITH_PLACES = WITH_ENTRIES | 1 << DRIVER_STATIC | 1 << DRIVER_PREFETCH | 1 << DRIVER_COMMAND,
};

/* What a database may be told, and which ones do something about it. */
static const struct argument { const char *name; unsigned passdb, userdb; size_t offset; } arguments[] = {
	{"scheme", WITH_ENTRIES, 1 << DRIVER_FILE, offsetof(struct database, scheme)},    /* a userdb's has the passdb's line */
	{"uid", 0, WITH_PLACES, offsetof(struct database, uid)},         {"gid", 0, WITH_PLACES, offsetof(struct database, gid)},
	{"home", 0, WITH_PLACES, offsetof(struct database, home)},       {"mail", 0, WITH_PLACES, offsetof(struct database, mail)},
	{"quota_rule", 0, WITH_PLACES, offsetof(struct database, quota)}, {"acl_groups", 0, WITH_PLACES, offsetof(struct database, groups)},
	{"password", 1 << DRIVER_STATIC, 0, offsetof(struct database, password)},
	{"nopassword", 1 << DRIVER_STATIC, 0, 0}, {"allow_all_users", 0, 1 << DRIVER_STATIC, 0},
};

/* Tokens are each asked of all that know tokens: no order comes of what they say. */
static int
check_rules(const struct database *d, struct fault *why)
{
	const struct rules *r = &d->rules;

	if (r->deny && !database_has_entries(d))
		return fault_set(why, FAULT_INPUT, "%s cannot tell who is in it: deny=yes needs passwd-file, sql, ldap or checkpassword", d->name);
	if (d->driver == DRIVER_OAUTH && (r->success != RULE_RETURN_OK || r->failure != RULE_CONTINUE || r->trouble != RULE_CONTINUE || r->skip != SKIP_NEVER))
		return fault_set(why, FAULT_INPUT, "oauth2 is for tokens alone: pass=, skip= and result_*= mean nothing there");
	return 0;
}

static int
set_value(struct database *d, const struct argument *argument, const char *value, struct fault *why)
{
	if (strcmp(argument->name, "nopassword") == 0)
		d->nopassword = true;
	else if (strcmp(argument->name, "allow_all_users") != 0)
		*(const char **)((char *)d + argument->offset) = value;
	else if (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)
		d->all_users = *value == 'y';
	else
		return fault_set(why, FAULT_INPUT, "allow_all_users=%s: yes or no", value);
	return 0;
}

/* default_fields={..} and override_fields={..}, and words of their own behind static: 1 taken, 0 it is none of these. */
static int
take_fields_of_all(struct database *d, const char *word, struct fault *why)
{
	struct span   value = span_of(word), name, inside, rest, one, field;
	bool          has_value = span_split(&value, '=', &name);
	const char  **to = span_is(name, "default_fields") ? &d->default_fields : span_is(name, "override_fields") ? &d->override_fields : NULL;
	struct route  r;

	if (!to && d->driver == DRIVER_STATIC && route_knows(name) && !span_is(name, "nopassword")) {
		autotext struct text all = {0};

		text_add_format(&all, "%s %s", d->fields ? d->fields : "", word);
		d->fields = mem_string(text_string(&all));
		return 1;
	}
	if (!to || !has_value)
		return 0;
	rest = list_group(value, &inside) ? inside : value;
	*to = mem_span(rest);
	while (span_next(&rest, " \t", &one)) {
		autotext struct text fields = {0};

		field = one;
		span_split(&field, '=', &name);
		if (!route_knows(name) || span_is(name, "nopassword"))
			return fault_set(why, FAULT_INPUT, "%s: the field %.*s is not supported here", d->name, SPAN_ARGS(name));
		route_add(&fields, name, field);
		if (!span_has(field, '%') && route_parse(text_span(&fields), &r, why) < 0)
			return -1;
	}
	return 1;
}

static int
set_argument(struct database *d, const char *word, bool passdb, struct fault *why)
{
	struct span value = span_of(word), name;
	bool        has_value = span_split(&value, '=', &name);
	int         taken = passdb ? take_fields_of_all(d, word, why) : 0;

	if (taken != 0)
		return taken < 0 ? -1 : 0;
	for (size_t i = 0; i < COUNT(arguments); i++) {
		const struct argument *a = &arguments[i];

		if (!span_is(name, a->name) || (!has_value && strcmp(a->name, "nopassword") != 0))
			continue;
		if (!((passdb ? a->passdb : a->userdb) & 1u << d->driver))
			return fault_set(why, FAULT_INPUT, "%s: %s means nothing to it here", d->name, a->name);
		return set_value(d, a, word + name.len + has_value, why);
	}
	taken = passdb ? rules_take(&d->rules, span_of(word), why) : rules_take_userdb(&d->rules, span_of(word), why);
	if (taken == 0)
		return fault_set(why, FAULT_INPUT, "%s: unknown kind of database, or unknown argument of one", word);
	return taken < 0 ? -1 : check_rules(d, why);
}

static int
open_oauth(struct database *d, struct fault *why)
{
	if (databases.n_oauth == DATABASES_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d databases", DATABASES_MAX);
	d->source = databases.n_oauth;
	databases.oauth[databases.n_oauth] = oauth_open(d->argument, why);
	return databases.oauth[databases.n_oauth++] ? 0 : fault_prefix(why, "oauth2");
}

static int
open_command(struct database *d, struct fault *why)
{
	static struct arena *words;

	if (!words)
		words = arena_new();
	if (databases.n_command == COUNT(databases.command))
		return fault_set(why, FAULT_INPUT, "more than %zu commands", COUNT(databases.command));
	d->source = databases.n_command;
	return command_parse(span_of(d->argument), words, databases.command[databases.n_command++], why);
}

/* "driver[:argument]", then arguments until the next driver. */
static int
start_database(struct database *d, const char *word, bool passdb, bool *is_one, struct fault *why)
{
	size_t len = strcspn(word, ":");

	for (size_t i = 0; i < COUNT(drivers); i++) {
		if (strlen(drivers[i].word) != len || strncmp(drivers[i].word, word, len) != 0)
			continue;
		*is_one = true;
		*d = (struct database){.driver = drivers[i].driver, .argument = word[len] ? word + len + 1 : ""};
		if (!(passdb ? drivers[i].passdb : drivers[i].userdb))
			return fault_set(why, FAULT_INPUT, "%s cannot be used here", drivers[i].word);
		d->name = drivers[i].word;
		d->spec = word;
		if (passdb)
			rules_start(&d->rules);
		else
			rules_start_userdb(&d->rules);
		if (d->driver == DRIVER_COMMAND)
			return open_command(d, why);
		if ((database_has_entries(d) || d->driver == DRIVER_OAUTH) && *d->argument != '/')
			return fault_set(why, FAULT_INPUT, "%s needs a path", drivers[i].word);
		if (d->driver == DRIVER_OAUTH)
			return open_oauth(d, why);
		if (d->driver == DRIVER_FILE)
			return source_add(d->argument, &d->source, why);
		if (d->driver == DRIVER_STATIC && *d->argument)
			return set_argument(d, d->argument, passdb, why);
		return 0;
	}
	*is_one = false;
	return 0;
}

static int
parse(const struct list *words, bool passdb, struct database *out, size_t *count, struct fault *why)
{
	for (size_t i = 0; i < words->count; i++) {
		struct database d;
		bool            is_one;

		if (start_database(&d, words->item[i], passdb, &is_one, why) < 0)
			return -1;
		if (is_one) {
			if (*count == DATABASES_MAX)
				return fault_set(why, FAULT_INPUT, "more than %d databases", DATABASES_MAX);
			out[(*count)++] = d;
		} else if (*count == 0) {
			return fault_set(why, FAULT_INPUT, "%s: unknown kind of database", words->item[i]);
		} else if (set_argument(&out[*count - 1], words->item[i], passdb, why) < 0) {
			return -1;
		}
	}
	return 0;
}

int
databases_prepare(const struct users_settings *s, struct fault *why)
{
	databases.pam_service = s->default_pam_service;
	databases.command_ms = s->command_ms;
	databases.root = privilege_is_root();
	if (parse(&s->passdb, true, databases.passdb, &databases.n_passdb, why) < 0)
		return fault_prefix(why, "auth_passdb");
	if (parse(&s->userdb, false, databases.userdb, &databases.n_userdb, why) < 0)
		return fault_prefix(why, "auth_userdb");
	if (parse(&s->master, true, databases.master, &databases.n_master, why) < 0)
		return fault_prefix(why, "auth_master_passdb");
	return 0;
}

/* ------------------------------------------------------------ asking one */

struct span
database_scheme(struct arena *a, const char *scheme, struct span stored)
{
	if (!scheme || (stored.len && stored.at[0] == '{') || stored.len == 0)
		return stored;
	return span_of(arena_format(a, "{%s}%.*s", scheme, SPAN_ARGS(stored)));
}

bool
database_has_entries(const struct database *d)
{
	return d->driver == DRIVER_FILE || d->driver == DRIVER_SQL || d->driver == DRIVER_LDAP || d->driver == DRIVER_COMMAND;
}

static void
take_fields(struct span fields, enum identity_kind kind, struct arena *a, struct passwd_entry *e)
{
	struct span rest = arena_span(a, fields), name, value;

	passwd_entry_empty(e);
	while (rest.len && span_split(&rest, '\0', &value)) {
		span_split(&value, '=', &name);
		if (kind == IDENTITY_USERDB)
			passwd_entry_userdb(a, e, name, value);
		else
			passwd_entry_passdb(a, e, name, value);
	}
}

/* As database_ask.  What it says with userdb_ before it is the userdb's, with it or without. */
static int
ask_command(const struct database *d, enum identity_kind kind, const struct question *q, struct passwd_entry *e, struct fault *why)
{
	struct command_question ask = {span_of(q->user), span_of(q->password), span_of(q->from->service), q->from->peer, q->from->local, kind == IDENTITY_LOGIN, 0};
	autotext struct text    reply = {0};
	struct span             rest, name, value;
	int                     verdict = helper_command(d->source, &ask, &reply, why);

	if (verdict < 0)
		return -1;
	if (verdict == 0)
		return kind == IDENTITY_LOGIN ? IDENTITY_WRONG : IDENTITY_UNKNOWN;
	passwd_entry_empty(e);
	for (rest = arena_span(q->arena, text_span(&reply)); command_field(q->arena, &rest, &name, &value);)
		if (kind == IDENTITY_USERDB && !span_starts(name, "userdb_") && !span_is(name, "user"))
			continue;
		else
			passwd_entry_passdb(q->arena, e, name, value);
	return kind == IDENTITY_LOGIN ? IDENTITY_PROVED : IDENTITY_KNOWN;
}

/* The password goes along only to a server that tries it. */
int
database_ask(const struct database *d, enum identity_kind kind, const struct question *q, struct passwd_entry *e, struct fault *why)
{
	if (d->driver == DRIVER_COMMAND)
		return ask_command(d, kind, q, e, why);

	autotext struct text     fields = {0};
	struct identity_question ask = {kind, span_of(q->user), span_of(q->from->service), q->from->peer, q->from->local, SPAN_NONE};
	int                      got = ask_table_identify(d->spec, &ask, &fields, why);

	if (got == IDENTITY_WANTED && *q->password) {      /* an empty one is never tried: RFC 4513, 5.1.2 */
		ask.password = span_of(q->password);
		got = ask_table_identify(d->spec, &ask, &fields, why);
	}
	if (got == IDENTITY_WANTED)
		got = IDENTITY_WRONG;
	if (got == IDENTITY_KNOWN || got == IDENTITY_PROVED)
		take_fields(text_span(&fields), kind, q->arena, e);
	if (fields.at)
		mem_wipe(fields.at, fields.room);
	return got;
}

static int
look_up(const struct database *d, enum identity_kind kind, const struct question *q, struct passwd_entry *e)
{
	struct fault why = {0};
	int          got;

	if (d->driver == DRIVER_FILE)
		got = source_find(d->source, q->user, q->arena, e) ? IDENTITY_KNOWN : IDENTITY_UNKNOWN;
	else if (d->driver == DRIVER_COMMAND && (got = ask_command(d, kind, q, e, &why)) >= 0)
		return got;
	else if (d->driver == DRIVER_COMMAND)
		log_error("auth: %s(%s,%.*s): %s", d->name, q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
	else if ((got = database_ask(d, kind, q, e, &why)) < 0)
		log_error("auth: %s(%s,%.*s): %s", d->name, q->user, SPAN_ARGS(q->from->peer), fault_text(&why));
	if (got == IDENTITY_KNOWN && e->nopassword && e->password.len) {      /* a column that says "N", say */
		log_error("auth: %s(%s,%.*s): nopassword is set, but there is a password: it is asked for", d->name, q->user,
		          SPAN_ARGS(q->from->peer));
		e->nopassword = false;
	}
	return got;
}

int
database_look_up(const struct database *d, const struct question *q, struct passwd_entry *e)
{
	int got = look_up(d, IDENTITY_PASSDB, q, e);

	return got < 0 ? -1 : got == IDENTITY_KNOWN;
}

int
database_prove(const struct database *d, const struct question *q, struct passwd_entry *e)
{
	return look_up(d, IDENTITY_LOGIN, q, e);
}
