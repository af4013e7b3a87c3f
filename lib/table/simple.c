/* SPDX-License-Identifier: ISC */
/*
 * simple.c - static: fail: proxy: pipemap: unionmap:
 */
#include <stdlib.h>

#include "table/table_type.h"

static int
open_static(struct table *t, struct fault *why)
{
	struct span value = span_trim(span_of(t->name));

	(void)why;
	list_group(value, &value);
	t->data = mem_span(value);
	t->owner = 0;
	return 0;
}

static int
find_static(struct table *t, struct span key, struct text *value, struct fault *why)
{
	(void)key, (void)why;
	text_add_string(value, t->data);
	return 0;
}

static void
close_static(struct table *t)
{
	free(t->data);
}

const struct table_type table_static = {"static", false, false, open_static, find_static, close_static, NULL};

static int
open_fail(struct table *t, struct fault *why)
{
	(void)t, (void)why;
	return 0;
}

static int
find_fail(struct table *t, struct span key, struct text *value, struct fault *why)
{
	(void)key, (void)value;
	return fault_set(why, FAULT_TIME, "lookups always fail (%s)", t->name);
}

static void
close_fail(struct table *t)
{
	(void)t;
}

const struct table_type table_fail = {"fail", false, false, open_fail, find_fail, close_fail, NULL};

static table_proxy_ask *proxy;

void
table_use_proxy(table_proxy_ask *ask)
{
	proxy = ask;
}

static bool
is_pattern_spec(struct span spec)
{
	return span_starts(spec, "regexp:") || span_starts(spec, "pcre:") ||
	       span_starts(spec, "cidr:") || span_starts(spec, "tcp:") || span_starts(spec, "socketmap:") ||
	       span_starts(spec, "randmap:");
}

static int
open_proxy(struct table *t, struct fault *why)
{
	struct table *inner;

	t->is_pattern = is_pattern_spec(span_of(t->name));
	t->owner = (uid_t)-1;      /* aliases from a proxy run nothing */
	if (proxy)
		return 0;
	inner = table_open(t->name, why);
	if (!inner)
		return -1;
	t->data = inner;
	return 0;
}

static int
find_proxy(struct table *t, struct span key, struct text *value, struct fault *why)
{
	return t->data ? table_find(t->data, key, value, why) : proxy(t->name, key, value, why);
}

static bool
proxy_changed(const struct table *t)
{
	return t->data && table_changed(t->data);
}

static void
close_proxy(struct table *t)
{
	table_close(t->data);
}

const struct table_type table_proxy = {"proxy", false, false, open_proxy, find_proxy, close_proxy, proxy_changed};

struct many {
	struct table **table;
	size_t         count;
};

static int
open_many(struct table *t, struct fault *why)
{
	struct many *m = mem_alloc(sizeof *m);

	t->data = m;
	return table_open_many(span_of(t->name), &m->table, &m->count, why);
}

static void
close_many(struct table *t)
{
	struct many *m = t->data;

	for (size_t i = 0; i < m->count; i++)
		table_close(m->table[i]);
	free(m->table);
	free(m);
}

static bool
many_changed(const struct table *t)
{
	const struct many *m = t->data;

	for (size_t i = 0; i < m->count; i++)
		if (table_changed(m->table[i]))
			return true;
	return false;
}

static int
find_pipe(struct table *t, struct span key, struct text *value, struct fault *why)
{
	const struct many   *m = t->data;
	autotext struct text step = {0};
	int                  got = 0;

	text_add(&step, key);
	for (size_t i = 0; got == 0 && i < m->count; i++)
		got = table_find(m->table[i], text_span(&step), &step, why);
	if (got == 0)
		text_add(value, text_span(&step));
	return got;
}

static int
find_union(struct table *t, struct span key, struct text *value, struct fault *why)
{
	const struct many *m = t->data;

	for (size_t i = 0; i < m->count; i++) {
		autotext struct text one = {0};
		int                  got = table_find(m->table[i], key, &one, why);

		if (got < 0)
			return -1;
		if (got > 0 || one.len == 0)
			continue;
		if (value->len)
			text_add_byte(value, ',');
		text_add(value, text_span(&one));
	}
	return value->len == 0;
}

const struct table_type table_pipemap = {"pipemap", false, false, open_many, find_pipe, close_many, many_changed};
const struct table_type table_unionmap = {"unionmap", false, false, open_many, find_union, close_many, many_changed};
