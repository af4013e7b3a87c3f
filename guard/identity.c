/* SPDX-License-Identifier: ISC */
/*
 * identity.c - users in a database: the modules of tables (remote.h) with queries that give named fields
 */
#include "guard/identity.h"

#include <stdlib.h>

#include "base/log.h"
#include "guard/remote.h"
#include "mail/charset.h"

struct identity_base {
	struct arena            *arena;
	struct table             table;       /* what the modules know of: its name and who watches its file */
	struct identity_settings settings;
};

static int
open_sql(struct identity_base *b, struct span text, struct fault *why)
{
	struct identity_settings   *s = &b->settings;
	const struct remote_driver *driver;
	struct remote_config       *config;

	if (identity_sql_parse(text, b->arena, s, why) < 0)
		return -1;
	driver = remote_driver_named(s->driver);
	if (!driver)
		return fault_set(why, FAULT_SYSTEM, "this build has no client library for %s (configure --with-%s)", s->driver, s->driver);
	config = remote_config_made(b->table.name);
	for (size_t i = 0; i < s->n_connect; i++)
		remote_config_put(config, s->connect[i].name, s->connect[i].value);
	return remote_open_made(&b->table, driver, config, why);
}

static const struct table_type kind = {"sql", false, false, NULL, NULL, remote_close, NULL};

struct identity_base *
identity_open(struct span spec, struct fault *why)
{
	struct identity_base *b = mem_alloc(sizeof *b);
	autotext struct text  text = {0};

	b->arena = arena_new();
	b->table.spec = mem_span(spec);
	b->table.name = b->table.spec + strcspn(b->table.spec, ":") + 1;
	b->table.magic = TABLE_MAGIC;
	b->table.type = &kind;
	b->table.held[0].fd = b->table.held[1].fd = -1;
	if (table_read_text(&b->table, b->table.name, &text, why) == 0 && open_sql(b, text_span(&text), why) == 0) {
		mem_wipe(text.at, text.len);
		return b;
	}
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

int
identity_look(struct identity_base *b, bool passdb, const struct identity_words *words, struct text *fields, struct fault *why)
{
	const char           *query = passdb ? b->settings.password_query : b->settings.user_query;
	struct remote_request request = {query, words};
	struct remote_key     key = {.whole = words->user, .request = &request};
	struct remote_answer  answer = {0};
	int                   got;

	if (!query)
		return fault_set(why, FAULT_INPUT, "%s: %s is missing", b->table.spec, passdb ? "password_query" : "user_query");
	if (span_has(words->user, '\0') || !utf8_valid(words->user))
		return 1;
	got = remote_ask(b->table.data, &key, &answer, why);
	if (got == 0 && answer.count == 0)
		got = 1;
	if (got == 0)
		add_scheme(&b->settings, text_span(&answer.values), fields);
	if (answer.values.at)
		mem_wipe(answer.values.at, answer.values.room);
	text_free(&answer.values);
	return got < 0 ? fault_prefix(why, "%s", b->table.spec) : got;
}
