/* SPDX-License-Identifier: ISC */
/*
 * class_cache.c - classes of domains, remembered for a few seconds
 */
#include "route/class_cache.h"

#include <stdlib.h>

#include "base/strmap.h"

struct entry {
	enum route_class class;
	int64_t          until;
};

struct class_cache {
	struct monitor lock;
	struct strmap *domains;
};

struct class_cache *
class_cache_new(void)
{
	struct class_cache *c = mem_alloc(sizeof *c);

	monitor_init(&c->lock);
	c->domains = strmap_new();
	return c;
}

void
class_cache_free(struct class_cache *c)
{
	if (!c)
		return;
	strmap_free(c->domains, free);
	free(c);
}

bool
class_cache_get(struct class_cache *c, struct span domain, int64_t now, enum route_class *class)
{
	struct entry *e;
	bool          good;

	monitor_enter(&c->lock);
	e = strmap_get(c->domains, domain);
	good = e && e->until > now;
	if (good)
		*class = e->class;
	monitor_leave(&c->lock);
	return good;
}

void
class_cache_put(struct class_cache *c, struct span domain, int64_t now, enum route_class class)
{
	struct entry *e = mem_alloc(sizeof *e);

	e->class = class;
	e->until = now + CLASS_CACHE_MS;
	monitor_enter(&c->lock);
	if (strmap_count(c->domains) >= CLASS_CACHE_MAX) {
		strmap_free(c->domains, free);
		c->domains = strmap_new();
	}
	free(strmap_put(c->domains, domain, e));
	monitor_leave(&c->lock);
}
