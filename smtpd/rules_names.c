/* SPDX-License-Identifier: ISC */
/*
 * rules_names.c - restrictions about names: their form, and whether DNS knows them
 *
 * A lookup that fails for now refuses nothing by itself: what would have been
 * refused is deferred in case all else permits (reject_tempfail_action).
 */
#include "dns.h"
#include "mail/netaddr.h"
#include "rules_internal.h"

enum verdict
reject_unknown_client_hostname(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);

	(void)u;
	if (strcmp(c.s->client.name, "unknown") != 0)
		return DUNNO;
	return refuse(&c, c.s->client.name_trouble ? 450 : settings.unknown_client_code, "4.7.25",
	              "Client host rejected: cannot find your hostname, [%s]", c.s->client.address);
}

enum verdict
reject_unknown_reverse_client_hostname(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);

	(void)u;
	if (strcmp(c.s->client.reverse_name, "unknown") != 0)
		return DUNNO;
	return refuse(&c, c.s->client.name_trouble ? 450 : settings.unknown_client_code, "4.7.1",
	              "Client host rejected: cannot find your reverse hostname, [%s]", c.s->client.address);
}

static bool
is_bare_address(struct span name)
{
	struct netaddr a;

	return netaddr_parse(name, &a);
}

static bool
is_literal(struct span name)
{
	return name.len && name.at[0] == '[';
}

enum verdict
reject_invalid_helo_hostname(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_HELO);

	(void)u;
	if (c.name.len == 0 || smtp_hello_valid(c.name))
		return DUNNO;
	return refuse_it(&c, settings.invalid_hostname_code, "5.5.2", "Invalid name");
}

enum verdict
reject_non_fqdn_helo_hostname(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_HELO);

	(void)u;
	if (c.name.len == 0 || is_literal(c.name) || address_is_fqdn(c.name))
		return DUNNO;
	return refuse_it(&c, settings.non_fqdn_code, "5.5.2", "need fully-qualified hostname");
}

/* Does the name take mail? 1 yes, 0 no, -1 trouble, 2 a null MX (RFC 7505) */
static int
takes_mail(struct check *c, struct span name)
{
	struct dns_answer   answer = {0};
	struct dns_address *at = NULL;
	size_t              count = 0;
	enum dns_state      state = DNS_NONE;

	if (dns_records(name, "MX", c->s->t.arena, &answer, &c->s->why) < 0 || answer.state == DNS_TROUBLE)
		return -1;
	if (answer.state == DNS_NXDOMAIN)
		return 0;
	if (answer.state == DNS_FOUND && answer.n_records == 1 && span_is(answer.records[0], "0 ."))
		return 2;
	if (answer.state == DNS_FOUND)
		return 1;
	if (dns_addresses(name, c->s->t.arena, &at, &count, &state, &c->s->why) < 0 || state == DNS_TROUBLE)
		return -1;
	return count > 0;
}

static enum verdict
lookup_trouble(struct check *c, const char *action, const char *dsn, const char *reason)
{
	if (strcmp(action, "defer") == 0)
		return refuse_it(c, 450, dsn, reason);
	return defer_if_permit(c, 450, dsn, "<%.*s>: %s rejected: %s", SPAN_ARGS(c->name), c->class, reason);
}

enum verdict
reject_unknown_helo_hostname(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_HELO);
	int          known;

	(void)u;
	if (c.name.len == 0 || is_literal(c.name))
		return DUNNO;
	if (is_bare_address(c.name))
		return reject_invalid_helo_hostname(asked, u);
	known = takes_mail(&c, c.name);
	if (known < 0)
		return lookup_trouble(&c, settings.helo_tempfail, "4.7.1", "Host not found");
	return known ? DUNNO : refuse_it(&c, settings.unknown_hostname_code, "4.7.1", "Host not found");
}

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	return at < 0 ? SPAN_NONE : span_from(address, (size_t)at + 1);
}

static enum verdict
non_fqdn(struct check *c)
{
	struct span domain = domain_of(c->name);

	if (c->name.len == 0 || (c->about == ABOUT_RECIPIENT && span_is_nocase(c->name, "postmaster")) || is_literal(domain) ||
	    address_is_fqdn(domain))
		return DUNNO;
	return refuse_it(c, settings.non_fqdn_code, "5.5.2", "need fully-qualified address");
}

enum verdict
reject_non_fqdn_sender(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_SENDER);

	(void)u;
	return c.s->t.has_sender ? non_fqdn(&c) : DUNNO;
}

enum verdict
reject_non_fqdn_recipient(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_RECIPIENT);

	(void)u;
	return non_fqdn(&c);
}

static enum verdict
unknown_domain(struct check *c, const struct route *r, const char *dsn, const char *null_mx_dsn, int null_mx_code)
{
	struct span domain;
	int         known;

	if (!r)
		return refuse_trouble(c);
	domain = domain_of(r->recipient);       /* with what append_dot_mydomain adds to user@host */
	if (domain.len == 0 || is_literal(domain) || (r->class != ROUTE_DEFAULT && r->class != ROUTE_RELAY))
		return DUNNO;
	known = takes_mail(c, domain);
	if (known < 0)
		return lookup_trouble(c, settings.address_tempfail, dsn, "Domain not found");
	if (known == 2)
		return refuse(c, null_mx_code, null_mx_dsn, "<%.*s>: %s rejected: Domain %.*s does not accept mail (nullMX)",
		              SPAN_ARGS(c->name), c->class, SPAN_ARGS(domain));
	return known ? DUNNO : refuse_it(c, settings.unknown_address_code, dsn, "Domain not found");
}

enum verdict
reject_unknown_sender_domain(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_SENDER);

	(void)u;
	if (!c.s->t.has_sender || c.name.len == 0)
		return DUNNO;
	return unknown_domain(&c, sender_route(&c), "4.1.8", "5.7.27", 550);
}

enum verdict
reject_unknown_recipient_domain(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_RECIPIENT);

	(void)u;
	if (c.name.len == 0)
		return DUNNO;
	return unknown_domain(&c, recipient_route(&c), "4.1.2", "5.1.10", 556);
}
