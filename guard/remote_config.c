/* SPDX-License-Identifier: ISC */
/*
 * remote_config.c - the parameters of a table that a server answers
 *
 * In a file of its own they are taken as written, passwords with a $ included; in main.cf they
 * are expanded as all there.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/strmap.h"
#include "config/line.h"
#include "config/main_cf.h"
#include "guard/remote.h"
#include "service/service.h"

struct remote_value {
	char *text;
	bool  read;
	int   line;
};

struct remote_config {
	const char    *name;          /* of the table: a path, or a prefix */
	struct strmap *file;          /* name: struct remote_value; NULL: main.cf has them */
	struct arena  *arena;
};

static int
read_line(struct remote_config *c, const struct line *line, struct fault *why)
{
	struct span          name, value;
	struct remote_value *v;

	if (list_assignment(text_span(&line->text), &name, &value, why) < 0)
		return fault_prefix(why, "%s, line %d", c->name, line->number);
	v = arena_alloc(c->arena, sizeof *v);
	v->text = arena_string(c->arena, value);
	v->line = line->number;
	strmap_put(c->file, name, v);        /* of two the last holds, as in main.cf */
	return 0;
}

static int
read_file(struct remote_config *c, struct table *t, struct fault *why)
{
	autotext struct text in = {0};
	struct line          line = {0};
	struct span          rest;
	int                  outcome = 0;

	if (table_read_text(t, t->name, &in, why) < 0)
		return -1;
	rest = text_span(&in);
	while (outcome == 0 && config_line_next(&rest, &line))
		outcome = read_line(c, &line, why);
	line_free(&line);
	mem_wipe(in.at, in.len);
	return outcome;
}

struct remote_config *
remote_config_open(struct table *t, struct fault *why)
{
	struct remote_config *c = mem_alloc(sizeof *c);

	c->name = t->name;
	c->arena = arena_new();
	if (t->name[0] != '/' && t->name[0] != '.')
		return c;
	c->file = strmap_new();
	if (read_file(c, t, why) == 0)
		return c;
	remote_config_free(c);
	return NULL;
}

struct remote_config *
remote_config_made(const char *name)
{
	struct remote_config *c = mem_alloc(sizeof *c);

	c->name = name;
	c->arena = arena_new();
	c->file = strmap_new();
	return c;
}

void
remote_config_put(struct remote_config *c, const char *name, const char *value)
{
	struct remote_value *v = arena_alloc(c->arena, sizeof *v);

	v->text = arena_string(c->arena, span_of(value));
	strmap_put(c->file, span_of(name), v);
}

void
remote_config_free(struct remote_config *c)
{
	if (!c)
		return;
	strmap_free(c->file, NULL);
	arena_free(c->arena);
	free(c);
}

static const char *
find(struct remote_config *c, const char *name)
{
	autotext struct text value = {0};
	autofree char       *full = mem_format("%s_%s", c->name, name);
	struct remote_value *v = c->file ? strmap_get(c->file, span_of(name)) : NULL;
	struct fault         why = {0};

	if (v)
		v->read = true;
	if (c->file)
		return v ? v->text : NULL;
	if (!main_cf_setting(service->main_cf, full))
		return NULL;
	if (main_cf_get(service->main_cf, full, &value, &why) < 0)
		log_warning("%s", fault_text(&why));
	return arena_string(c->arena, text_span(&value));
}

const char *
remote_string(struct remote_config *c, const char *name, const char *fallback)
{
	const char *found = find(c, name);

	return found ? found : fallback;
}

bool
remote_is_set(struct remote_config *c, const char *name)
{
	return find(c, name) != NULL;
}

int
remote_number(struct remote_config *c, const char *name, int fallback, int *out, struct fault *why)
{
	const char *found = find(c, name);
	struct span digits = span_of(found ? found : "");
	uint64_t    number = 0;

	if (span_ends(digits, "s"))        /* seconds may say so */
		digits.len--;
	if (found && (!span_number(digits, &number) || number > INT32_MAX / 1000))
		return fault_set(why, FAULT_INPUT, "%s: bad number: %s", name, found);
	*out = found ? (int)number : fallback;
	return 0;
}

int
remote_boolean(struct remote_config *c, const char *name, bool fallback, bool *out, struct fault *why)
{
	const char *found = find(c, name);

	if (found && strcmp(found, "yes") != 0 && strcmp(found, "no") != 0)
		return fault_set(why, FAULT_INPUT, "%s: expected yes or no: %s", name, found);
	*out = found ? found[0] == 'y' : fallback;
	return 0;
}

void
remote_config_leftovers(struct remote_config *c)
{
	size_t      at = 0;
	struct span name;
	void       *value;

	while (c->file && strmap_next(c->file, &at, &name, &value)) {
		const struct remote_value *v = value;

		if (!v->read)
			log_warning("%s, line %d: unused parameter: %.*s", c->name, v->line, SPAN_ARGS(name));
	}
}
