/* SPDX-License-Identifier: ISC */
/*
 * watch.c - tables whose change means: drain, exit, be replaced
 */
#include "service/service_private.h"
#include "table/table.h"

static struct table **watched;
static size_t         n_watched;

static bool
any_changed(void)
{
	for (size_t i = 0; i < n_watched; i++)
		if (table_changed(watched[i]))
			return true;
	return false;
}

void
service_watch_table(struct table *t)
{
	watched = mem_grow(watched, n_watched + 1, sizeof *watched);
	watched[n_watched++] = t;
	watch_changed = any_changed;
}
