/* SPDX-License-Identifier: ISC */
/*
 * cidr.c - cidr: networks from top to bottom (cidr_table(5))
 */
#include <stdlib.h>

#include "config/networks.h"
#include "table/rules.h"

static void *
parse_network(void *context, struct span *rest, struct fault *why)
{
	ptrdiff_t       blank = span_find_any(*rest, " \t");
	struct span     word = span_first(*rest, blank < 0 ? rest->len : (size_t)blank);
	struct network *n = mem_alloc(sizeof *n);

	(void)context;
	if (network_parse(word, n, why) < 0) {
		free(n);
		return NULL;
	}
	*rest = span_from(*rest, word.len);
	return n;
}

static int
open_cidr(struct table *t, struct fault *why)
{
	struct rules *r = mem_alloc(sizeof *r);

	t->data = r;
	r->free_pattern = free;
	return rules_read(t, r, parse_network, NULL, why);
}

static int
find_cidr(struct table *t, struct span key, struct text *value, struct fault *why)
{
	const struct rules *r = t->data;
	struct ip      a;

	(void)why;
	if (ip_parse(key, &a, NULL) < 0)
		return 1;
	for (size_t i = 0; i < r->count;) {
		const struct rule *rule = &r->rule[i++];
		bool               hit;

		hit = rule->pattern && network_holds(rule->pattern, &a) != rule->negative;

		if (rule->is_if)
			i = hit ? i : rule->skip;
		else if (hit) {
			text_add_string(value, rule->result);
			return 0;
		}
	}
	return 1;
}

static void
close_cidr(struct table *t)
{
	rules_free(t->data);
	auto_free(&t->data);
}

const struct table_type table_cidr = {"cidr", false, true, open_cidr, find_cidr, close_cidr, NULL};
