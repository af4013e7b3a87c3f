/* SPDX-License-Identifier: ISC */
/*
 * rules_backup.c - permit_mx_backup, and restrictions that only old configurations know
 *
 * A backup takes mail for a domain that lists it among its MX hosts, but not as the best.  That
 * the domain says so is all that is known: permit_mx_backup_networks narrows it to domains whose
 * primary MX hosts are in networks that the administrator has named.
 */
#include "base/log.h"
#include "config/site.h"
#include "dns.h"
#include "mail/netaddr.h"
#include "rules_internal.h"

struct exchanger {
	uint64_t    preference;
	struct span host;
};

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	return at < 0 ? SPAN_NONE : span_from(address, (size_t)at + 1);
}

static bool
parse_exchanger(struct span record, struct exchanger *out)
{
	ptrdiff_t blank = span_find(record, ' ');

	if (blank <= 0 || !span_number(span_first(record, (size_t)blank), &out->preference))
		return false;
	out->host = span_from(record, (size_t)blank + 1);
	return out->host.len > 0 && !span_is(out->host, ".");
}

/* Where mail for somebody at this very host would go: rewrite knows which names and addresses are ours. */
static int
is_our_host(struct check *c, struct span host)
{
	struct arena       *arena = c->s->t.arena;
	struct dns_address *at = NULL;
	size_t              count = 0;
	enum dns_state      state = DNS_NONE;
	struct route        route;
	struct span         address;

	if (span_is_nocase(host, site.myhostname))
		return 1;
	if (dns_addresses(host, arena, &at, &count, &state, &c->s->why) < 0 || state == DNS_TROUBLE)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const char *tag = strchr(at[i].ip, ':') ? "IPv6:" : "";

		if (strcmp(at[i].ip, c->s->client.server_address) == 0)
			return 1;
		address = span_of(arena_format(arena, "postmaster@[%s%s]", tag, at[i].ip));
		if (ask_resolve(SPAN_NONE, &address, 1, arena, &route, &c->s->why) < 0)
			return -1;
		if (route.class == ROUTE_LOCAL)
			return 1;
	}
	return 0;
}

/* 1 one of its addresses is in permit_mx_backup_networks, 0, -1 trouble */
static int
in_networks(struct check *c, struct span host)
{
	struct dns_address *at = NULL;
	size_t              count = 0;
	enum dns_state      state = DNS_NONE;

	if (dns_addresses(host, c->s->t.arena, &at, &count, &state, &c->s->why) < 0 || state == DNS_TROUBLE)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int found = match_address(prepared.mx_backup_networks, SPAN_NONE, span_of(at[i].ip), &c->s->why);

		if (found)
			return found;
	}
	return 0;
}

/* 1 we are its backup, 0 we are not, -1 trouble */
static int
is_backup(struct check *c, struct span domain)
{
	struct dns_answer answer = {0};
	struct exchanger  x;
	uint64_t          best = UINT64_MAX, ours = UINT64_MAX;

	if (dns_records(domain, "MX", c->s->t.arena, &answer, &c->s->why) < 0 || answer.state == DNS_TROUBLE)
		return -1;
	for (size_t i = 0; answer.state == DNS_FOUND && i < answer.n_records; i++) {
		int own;

		if (!parse_exchanger(answer.records[i], &x))
			continue;
		if (x.preference < best)
			best = x.preference;
		if (x.preference >= ours)
			continue;
		if ((own = is_our_host(c, x.host)) < 0)
			return -1;
		if (own)
			ours = x.preference;
	}
	if (ours == UINT64_MAX || ours == best)
		return 0;
	for (size_t i = 0; settings.permit_mx_backup_networks.count && i < answer.n_records; i++) {
		int inside;

		if (!parse_exchanger(answer.records[i], &x) || x.preference != best)
			continue;
		if ((inside = in_networks(c, x.host)) <= 0)
			return inside;
	}
	return 1;
}

enum verdict
permit_mx_backup(struct check *asked, const struct rule_use *u)
{
	struct check        c = check_about(asked, ABOUT_RECIPIENT);
	const struct route *r;
	enum verdict        v;
	struct span         domain, local;
	int                 backup;

	if (c.s->t.recipient.len == 0)
		return DUNNO;
	if ((v = permit_auth_destination(&c, u)) != DUNNO)
		return v;
	if (!(r = recipient_route(&c)))
		return refuse_trouble(&c);
	domain = domain_of(r->recipient);
	local = span_first(r->recipient, r->recipient.len - domain.len);
	/* user@elsewhere@there, user%elsewhere@there: the next hop would relay for whom we vouch */
	if (domain.len == 0 || domain.at[0] == '[' || span_find_any(span_first(local, local.len ? local.len - 1 : 0), "@%!") >= 0)
		return DUNNO;
	backup = is_backup(&c, domain);
	if (backup < 0)
		return defer_if_permit(&c, 450, "4.4.4", "<%.*s>: %s rejected: Unable to look up mail exchanger information",
		                       SPAN_ARGS(c.name), c.class);
	return backup ? PERMIT : DUNNO;
}

/* What is no longer in Postfix, as it was: without it an old configuration would not start. */
enum verdict
check_relay_domains(struct check *asked, const struct rule_use *u)
{
	enum verdict v = permit_auth_destination(asked, u);

	return v == DUNNO ? reject_unauth_destination(asked, u) : v;
}

enum verdict
permit_naked_ip_address(struct check *c, const struct rule_use *u)
{
	struct netaddr a;

	(void)u;
	return netaddr_parse(span_of(c->s->helo), &a) ? PERMIT : DUNNO;
}

/* The name that DNS gives for the address has itself no address. */
enum verdict
reject_unknown_forward_client_hostname(struct check *asked, const struct rule_use *u)
{
	struct check        c = check_about(asked, ABOUT_CLIENT);
	struct dns_address *at = NULL;
	size_t              count = 0;
	enum dns_state      state = DNS_NONE;
	const char         *name = c.s->client.reverse_name;

	(void)u;
	if (strcmp(c.s->client.name, "unknown") != 0)
		return DUNNO;
	if (strcmp(name, "unknown") != 0) {
		if (dns_addresses(span_of(name), c.s->t.arena, &at, &count, &state, &c.s->why) < 0 || state == DNS_TROUBLE)
			return refuse(&c, 450, "4.7.1", "Client host rejected: cannot find your hostname, [%s]", c.s->client.address);
		if (count)
			return DUNNO;
	}
	return refuse(&c, c.s->client.name_trouble ? 450 : settings.unknown_client_code, "4.7.1",
	              "Client host rejected: cannot find your hostname, [%s]", c.s->client.address);
}

/* maps_rbl_domains: reject_rbl_client for each */
enum verdict
reject_maps_rbl(struct check *c, const struct rule_use *u)
{
	for (size_t i = 0; i < settings.maps_rbl_domains.count; i++) {
		struct rule_use one = {.rule = u->rule, .argument = settings.maps_rbl_domains.item[i]};
		enum verdict    v = reject_rbl_client(c, &one);

		if (v != DUNNO)
			return v;
	}
	return DUNNO;
}
