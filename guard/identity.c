/* SPDX-License-Identifier: ISC */
/*
 * identity.c - users in a database: the modules of tables (remote.h) with queries that give named fields
 */
#include "guard/identity.h"

#include <stdlib.h>

#include "base/log.h"
#include "guard/remote.h"
#include "mail/charset.h"
#include "sasl/server.h"

struct identity_base {
	struct arena            *arena;
	struct table             table;       /* what the modules know of: its name and who watches its file */
	struct table             binder;      /* ldap: the connections by which passwords are tried */
	struct identity_settings settings;
};

static int
open_driver(struct identity_base *b, struct table *t, const char *name, struct fault *why)
{
	const struct identity_settings *s = &b->settings;
	const struct remote_driver     *driver = remote_driver_named(name);
	struct remote_config           *config;

	if (!driver)
		return fault_set(why, FAULT_SYSTEM, "this build has no client library for %s (configure --with-%s)", s->driver, s->driver);
	config = remote_config_made(b->table.name);
	for (size_t i = 0; i < s->n_connect; i++)
		remote_config_put(config, s->connect[i].name, s->connect[i].value);
	return remote_open_made(t, driver, config, why);
}

static const struct table_type kinds[] = {
	{"sql", false, false, NULL, NULL, remote_close, NULL},
	{"ldap", false, false, NULL, NULL, remote_close, NULL},
};

static int
open_base(struct identity_base *b, struct fault *why)
{
	autotext struct text text = {0};
	bool                 ldap = b->table.type == &kinds[1];
	int                  outcome = table_read_text(&b->table, b->table.name, &text, why);

	if (outcome == 0)
		outcome = (ldap ? identity_ldap_parse : identity_sql_parse)(text_span(&text), b->arena, &b->settings, why);
	if (text.at)
		mem_wipe(text.at, text.len);
	if (outcome == 0)
		outcome = open_driver(b, &b->table, b->settings.driver, why);
	if (outcome == 0 && b->settings.binds)
		outcome = open_driver(b, &b->binder, "ldap-bind", why);
	return outcome;
}

struct identity_base *
identity_open(struct span spec, struct fault *why)
{
	struct identity_base *b = mem_alloc(sizeof *b);

	b->arena = arena_new();
	b->table.spec = mem_span(spec);
	b->table.name = b->table.spec + strcspn(b->table.spec, ":") + 1;
	b->table.magic = TABLE_MAGIC;
	b->table.type = &kinds[span_starts(spec, "ldap:")];
	b->table.held[0].fd = b->table.held[1].fd = -1;
	b->binder = b->table;
	if (open_base(b, why) == 0)
		return b;
	arena_free(b->arena);     /* proxymap goes on without it; what it holds of the table is not worth a free */
	free(b);
	return NULL;
}

struct table *
identity_table(struct identity_base *b)
{
	return &b->table;
}

/* The scheme of passwords without one. */
static void
add_scheme(const struct identity_settings *s, struct span in, struct text *out)
{
	struct span one;

	while (in.len && span_split(&in, '\0', &one)) {
		if (span_starts(one, "password=") && one.len > 9 && one.at[9] != '{')
			text_add_format(out, "password={%s}%.*s", s->default_pass_scheme, SPAN_ARGS(span_from(one, 9)));
		else
			text_add(out, one);
		text_add_byte(out, '\0');
	}
}

/* The row or entry: IDENTITY_KNOWN, IDENTITY_UNKNOWN or -1; ldap: its name. */
static int
find(struct identity_base *b, bool passdb, const struct identity_words *words, struct text *fields, struct text *name, struct fault *why)
{
	const struct identity_settings *s = &b->settings;
	const char                     *query = passdb ? s->password_query : s->user_query;
	struct remote_request           request = {.query = query, .words = words, .attrs = passdb ? &s->password_attrs : &s->user_attrs, .name = name};
	struct remote_key               key = {.whole = words->user, .request = &request};
	struct remote_answer            answer = {0};
	int                             got;

	if (!query)
		return fault_set(why, FAULT_INPUT, "%s is missing", passdb ? "password_query" : "user_query");
	got = remote_ask(b->table.data, &key, &answer, why);
	if (got == 0)
		add_scheme(s, text_span(&answer.values), fields);
	if (answer.values.at)
		mem_wipe(answer.values.at, answer.values.room);
	text_free(&answer.values);
	return got < 0 ? -1 : answer.count ? IDENTITY_KNOWN : IDENTITY_UNKNOWN;
}

/* auth_bind = yes: the server says whether the password is good. */
static int
prove(struct identity_base *b, const struct identity_words *words, struct span password, struct text *fields, struct fault *why)
{
	autotext struct text  name = {0};
	struct remote_request request = {.query = b->settings.bind_name, .words = words, .password = password};
	struct remote_key     key = {.whole = words->user, .request = &request};
	struct remote_answer  answer = {0};

	if (!request.query) {
		int got = find(b, true, words, fields, &name, why);

		if (got != IDENTITY_KNOWN)
			return got;
		request.query = text_string(&name);
		request.words = NULL;
	}
	if (remote_ask(b->binder.data, &key, &answer, why) < 0)
		return -1;
	return answer.count == REMOTE_BIND_GOOD ? IDENTITY_PROVED : answer.count == REMOTE_BIND_WRONG ? IDENTITY_WRONG : IDENTITY_UNKNOWN;
}

int
identity_look(struct identity_base *b, const struct identity_question *q, struct text *fields, struct fault *why)
{
	struct identity_words words = {q->user, q->service, q->remote, q->local, NULL, NULL};
	int                   got;

	if (span_has(words.user, '\0') || !utf8_valid(words.user))
		return IDENTITY_UNKNOWN;
	if (q->kind != IDENTITY_LOGIN || !b->settings.binds)
		got = find(b, q->kind != IDENTITY_USERDB, &words, fields, NULL, why);
	else if (!q->password.len)
		got = IDENTITY_WANTED;
	else
		got = prove(b, &words, q->password, fields, why);
	return got < 0 ? fault_prefix(why, "%s", b->table.spec) : got;
}

/* ------------------------------------------------------------ all of them */

struct row { struct span user, username, domain; };

static void
take_field(struct row *row, struct span field)
{
	struct span name;

	span_split(&field, '=', &name);
	if (span_is(name, "user"))
		row->user = field;
	else if (span_is(name, "username"))
		row->username = field;
	else if (span_is(name, "domain"))
		row->domain = field;
}

/* A name that nobody could log in with would only spoil a list that is read by lines. */
static bool
add_name(const struct row *row, struct text *names)
{
	struct span name = row->user.len ? row->user : row->username;
	bool        has_domain = !row->user.len && row->domain.len && utf8_printable(row->domain) && !span_has(row->domain, ' ');

	if (!name.len || !utf8_printable(name) || span_has(name, ' ') ||
	    name.len + (has_domain ? 1 + row->domain.len : 0) > SASL_USER_MAX)
		return false;
	text_add(names, name);
	if (has_domain)
		text_add_format(names, "@%.*s", SPAN_ARGS(row->domain));
	text_add_byte(names, '\0');
	return true;
}

/* Rows begin with an empty field (remote.h). */
static void
take_rows(const struct identity_base *b, struct span in, struct text *names)
{
	const struct row none = {SPAN_NONE, SPAN_NONE, SPAN_NONE};
	struct row       row = none;
	bool             begun = false;
	size_t           nameless = 0;
	struct span      field;

	while (in.len && span_split(&in, '\0', &field)) {
		if (field.len) {
			take_field(&row, field);
			continue;
		}
		nameless += begun && !add_name(&row, names);
		begun = true;
		row = none;
	}
	nameless += begun && !add_name(&row, names);
	if (nameless)
		log_warning("%s: %zu of the users that iterate_* finds have no user or username that could be a name", b->table.spec, nameless);
}

int
identity_list(struct identity_base *b, struct text *names, struct fault *why)
{
	const struct identity_words words = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, NULL, NULL};
	struct remote_request       request = {.query = b->settings.list_query, .words = &words, .attrs = &b->settings.list_attrs, .all = true};
	struct remote_key           key = {.whole = SPAN_NONE, .request = &request};
	struct remote_answer        answer = {0};
	int                         got;

	if (!request.query)
		return fault_set(why, FAULT_INPUT, "%s: iterate_query is missing", b->table.spec);
	got = remote_ask(b->table.data, &key, &answer, why);
	if (got == 0)
		take_rows(b, text_span(&answer.values), names);
	text_free(&answer.values);
	return got < 0 ? fault_prefix(why, "%s", b->table.spec) : 0;
}
