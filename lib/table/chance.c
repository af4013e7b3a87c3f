/* SPDX-License-Identifier: ISC */
/*
 * chance.c - randmap: any of its values; environ: what the environment says
 */
#include <stdlib.h>
#include <sys/random.h>

#include "config/list.h"
#include "table/table_type.h"

static int
open_random(struct table *t, struct fault *why)
{
	struct span  inside, word;
	struct list *values = mem_alloc(sizeof *values);
	int          more = 0;

	t->data = values;
	t->owner = 0;
	if (!list_group(span_trim(span_of(t->name)), &inside))
		return fault_set(why, FAULT_INPUT, "expected {value, value}");
	while ((more = list_next(&inside, ", \t\r\n", &word, why)) > 0) {
		struct span grouped;

		list_add(values, list_group(word, &grouped) ? grouped : word);
	}
	if (more < 0)
		return -1;
	return values->count ? 0 : fault_set(why, FAULT_INPUT, "expected {value, value}");
}

static int
find_random(struct table *t, struct span key, struct text *value, struct fault *why)
{
	const struct list *values = t->data;
	uint64_t           number;

	(void)key;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return fault_errno(why, "getrandom");
	text_add_string(value, values->item[number % values->count]);
	return 0;
}

static void
close_random(struct table *t)
{
	list_free(t->data);
	free(t->data);
}

static int
open_environ(struct table *t, struct fault *why)
{
	(void)t, (void)why;
	return 0;
}

/* Nobody changes the environment once there are tasks. */
static int
find_environ(struct table *t, struct span key, struct text *value, struct fault *why)
{
	autofree char *name = mem_span(key);
	const char    *got = span_has(key, '\0') ? NULL : getenv(name);

	(void)t, (void)why;
	if (!got)
		return 1;
	text_add_string(value, got);
	return 0;
}

static void
close_environ(struct table *t)
{
	(void)t;
}

const struct table_type table_randmap = {"randmap", false, true, open_random, find_random, close_random, NULL};
const struct table_type table_environ = {"environ", true, false, open_environ, find_environ, close_environ, NULL};
