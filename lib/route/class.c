/* SPDX-License-Identifier: ISC */
/*
 * class.c - whose is a domain: ours, an alias domain's, a mailbox domain's, relayed, or the world's
 *
 * ADDRESS_CLASS_README: the first that holds it decides, in this order.
 */
#include "base/clock.h"
#include "config/networks.h"
#include "config/site.h"
#include "route/route_private.h"

/* [192.0.2.1] and [IPv6:...] that are this host, or its proxy's outside. */
static bool
is_our_literal(struct span domain)
{
	struct ip a, proxy;
	struct span    inside;

	if (domain.len < 3 || domain.at[0] != '[' || domain.at[domain.len - 1] != ']')
		return false;
	inside = span_cut(domain, 1, domain.len - 1);
	if (span_starts_nocase(inside, "IPv6:"))
		inside = span_from(inside, 5);
	if (ip_parse(inside, &a, NULL) < 0)
		return false;
	for (size_t i = 0; i < site.proxy_interfaces.count; i++)
		if (ip_parse(span_of(site.proxy_interfaces.item[i]), &proxy, NULL) == 0 &&
		    proxy.family == a.family && memcmp(proxy.bytes, a.bytes, sizeof a.bytes) == 0)
			return true;
	return ip_is_ours(&a);
}

/* Local to this host: mydestination, or [an address of ours].  1, 0, -1 */
static int
router_is_local(struct router *r, struct span domain, struct fault *why)
{
	if (domain.len == 0)
		return 0;
	if (domain.at[0] == '[')
		return is_our_literal(domain);
	return match_domain(r->mydestination, domain, why);
}

static int
ask_class(struct router *r, struct span domain, enum route_class *class, struct fault *why)
{
	int yes = router_is_local(r, domain, why);

	*class = ROUTE_LOCAL;
	if (yes)
		return yes < 0 ? -1 : 0;
	const struct { struct match_list *list; enum route_class class; } others[] = {
		{r->virtual_alias_domains, ROUTE_VIRTUAL_ALIAS},
		{r->virtual_mailbox_domains, ROUTE_VIRTUAL_MAILBOX},
		{r->relay_domains, ROUTE_RELAY},
	};
	for (size_t i = 0; i < COUNT(others); i++) {
		yes = match_domain(others[i].list, domain, why);
		if (yes < 0)
			return -1;
		*class = others[i].class;
		if (yes)
			return 0;
	}
	*class = ROUTE_DEFAULT;
	return 0;
}

int
router_class(struct router *r, struct span domain, enum route_class *class, struct fault *why)
{
	autotext struct text key = {0};
	enum route_class     found;
	int64_t              now = clock_now();

	text_set(&key, domain);
	text_lower(&key);
	if (class_cache_get(r->classes, text_span(&key), now, class))
		return 0;
	if (ask_class(r, text_span(&key), &found, why) < 0)
		return -1;
	class_cache_put(r->classes, text_span(&key), now, found);
	*class = found;
	return 0;
}

int
router_find_address(struct router *r, const struct table_list *tables, struct span address,
                    struct table_match *match, struct fault *why)
{
	struct table_query query = {.order = TABLE_ADDRESS};
	ptrdiff_t          at = span_find_last(address, '@');
	enum route_class   class;

	if (table_list_count(tables) == 0 || address.len == 0)
		return 1;
	if (at >= 0) {
		struct span domain = span_from(address, (size_t)at + 1);

		if (router_class(r, domain, &class, why) < 0)
			return -1;
		query.local = class == ROUTE_LOCAL || span_is_nocase(domain, site.myorigin);
	} else {
		query.local = true;
	}
	return table_list_find_address(tables, &query, address, match, why);
}
