/* SPDX-License-Identifier: ISC */
/*
 * hosts.c - from a next hop to the servers to try, in order (RFC 5321, 5.1)
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "config/site.h"
#include "ipc/ask_dns.h"
#include "mail/domain.h"

enum { MX_MAX = 50, ADDRESSES_MAX = 100, LOOKUP_MS = 60000 };

/* ------------------------------------------------------------ the next hop */

static int
take_port(struct span *host, uint16_t *port, struct fault *why)
{
	ptrdiff_t colon = span_find_last(*host, ':');

	if (colon < 0 || span_find(*host, ':') != colon) /* none, or a bare IPv6 address */
		return 0;
	if (net_port(span_from(*host, (size_t)colon + 1), port, why) < 0)
		return -1;
	*host = span_first(*host, (size_t)colon);
	return 0;
}

int
destination_parse(struct span nexthop, struct arena *a, struct destination *out, struct fault *why)
{
	struct destination d = {.port = (uint16_t)client.port, .service = SPAN_NONE};
	ptrdiff_t          end;

	if (client.lmtp && span_starts(nexthop, "unix:")) {
		d.socket = arena_string(a, span_from(nexthop, 5));
		d.domain = nexthop;
		*out = d;
		return 0;
	}
	if (client.lmtp && span_starts(nexthop, "inet:"))
		nexthop = span_from(nexthop, 5);
	if (nexthop.len && nexthop.at[0] == '[') {
		if ((end = span_find(nexthop, ']')) < 0)
			return fault_set(why, FAULT_INPUT, "malformed next hop %.*s", SPAN_ARGS(nexthop));
		d.bracketed = true;
		d.domain = span_cut(nexthop, 1, (size_t)end);
		nexthop = span_from(nexthop, (size_t)end + 1);
		if (nexthop.len && (nexthop.at[0] != ':' || net_port(span_from(nexthop, 1), &d.port, why) < 0))
			return fault_set(why, FAULT_INPUT, "malformed port in next hop");
		if (span_starts_nocase(d.domain, "ipv6:"))
			d.domain = span_from(d.domain, 5);
	} else {
		d.domain = nexthop;
		if (take_port(&d.domain, &d.port, why) < 0)
			return -1;
		if (d.domain.len < nexthop.len)
			d.service = span_from(nexthop, d.domain.len + 1);
	}
	if (d.domain.len == 0)
		return fault_set(why, FAULT_INPUT, "empty next hop");
	*out = d;
	return 0;
}

/* ------------------------------------------------------------ order */

static bool
is_v6(const struct host *h)
{
	return h->address.u.any.sa_family == AF_INET6;
}

void
hosts_sort(struct host *hosts, size_t count, int address_preference, bool randomize, uint64_t (*random)(void))
{
	for (size_t i = count; randomize && i > 1; i--) { /* Fisher-Yates */
		size_t      k = random() % i;
		struct host h = hosts[i - 1];

		hosts[i - 1] = hosts[k];
		hosts[k] = h;
	}
	for (size_t i = 1; i < count; i++) { /* insertion: stable, and the lists are short */
		struct host h = hosts[i];
		size_t      k = i;

		while (k > 0 && (hosts[k - 1].preference > h.preference ||
		                 (hosts[k - 1].preference == h.preference && address_preference &&
		                  is_v6(&hosts[k - 1]) != is_v6(&h) && is_v6(&h) == (address_preference == 2)))) {
			hosts[k] = hosts[k - 1];
			k--;
		}
		hosts[k] = h;
	}
}

static uint64_t
random_number(void)
{
	uint64_t n;

	return getentropy(&n, sizeof n) < 0 ? 0 : n;
}

/* With "any", a list that happens to begin with four addresses of a family that
 * is unreachable here would exhaust the limits: families take turns. */
static void
take_turns(struct host *hosts, size_t count)
{
	for (size_t i = 1; i + 1 < count; i++) {
		size_t k = i;

		if (is_v6(&hosts[i]) != is_v6(&hosts[i - 1]))
			continue;
		while (k < count && hosts[k].preference == hosts[i].preference && is_v6(&hosts[k]) == is_v6(&hosts[i - 1]))
			k++;
		if (k == count || hosts[k].preference != hosts[i].preference)
			continue;
		struct host h = hosts[k];

		memmove(hosts + i + 1, hosts + i, (k - i) * sizeof *hosts);
		hosts[i] = h;
	}
}

/* ------------------------------------------------------------ looking up */

struct found {
	struct host *hosts;
	size_t       count;
	bool         trouble;         /* some lookup may work later */
	bool         secure;          /* what named these hosts was validated, or is the configuration */
};

/* smtp_cname_overrides_servername: an alias is known by the name that it stands for. */
static struct span
server_name(struct span name, struct arena *a)
{
	struct dns_answer got;

	if (!client.cname_overrides || ask_dns(name, "A", a, &got, NULL) < 0 || !got.canonical[0])
		return name;
	return span_of(arena_string(a, span_of(got.canonical)));
}

static int
add_addresses(struct span name, int preference, uint16_t port, struct arena *a, struct found *f, enum dns_state *state,
              struct fault *why)
{
	struct dns_address *list;
	size_t              count;

	if (ask_addresses(name, a, &list, &count, state, why) < 0)
		return -1;
	if (*state == DNS_TROUBLE)
		f->trouble = true;
	if (count)
		name = server_name(name, a);
	for (size_t i = 0; i < count && f->count < ADDRESSES_MAX; i++) {
		struct host *h = &f->hosts[f->count];

		if (net_address_parse(span_of(list[i].ip), port, &h->address, NULL) < 0 ||
		    !dns_record_counts(name, is_v6(h) ? "AAAA" : "A", span_of(list[i].ip), 0))
			continue;
		h->secure = f->secure;
		snprintf(h->name, sizeof h->name, "%.*s", SPAN_ARGS(name));
		snprintf(h->ip, sizeof h->ip, "%s", list[i].ip);
		h->preference = preference;
		h->port = port;
		f->count++;
	}
	return 0;
}

static enum step
not_found(struct span name, const char *type, enum dns_state state, struct trouble *t)
{
	if (state == DNS_TROUBLE) {
		trouble_set(t, "4.4.3", "Host or domain name not found. Name service error for name=%.*s type=%s: "
		            "Host not found, try again", SPAN_ARGS(name), type);
		return STEP_NEXT;
	}
	trouble_set(t, "5.4.4", "Host or domain name not found. Name service error for name=%.*s type=%s: Host %s",
	            SPAN_ARGS(name), type, state == DNS_NONE ? "found but no data record of requested type" : "not found");
	return STEP_NEVER;
}

static enum step
host_only(struct span name, uint16_t port, struct arena *a, struct found *f, struct trouble *t)
{
	enum dns_state state;
	struct fault   why = {0};

	if (add_addresses(name, 0, port, a, f, &state, &why) < 0) {
		trouble_set(t, "4.3.0", "%s", fault_text(&why));
		return STEP_NEXT;
	}
	return f->count ? STEP_DONE : not_found(name, "A", state, t);
}

static bool
is_own(const struct host *h)
{
	for (size_t i = 0; i < client.n_own; i++) {
		const struct net_address *o = &client.own[i];

		if (o->u.any.sa_family != h->address.u.any.sa_family)
			continue;
		if (is_v6(h) ? memcmp(&o->u.v6.sin6_addr, &h->address.u.v6.sin6_addr, 16) == 0
		             : o->u.v4.sin_addr.s_addr == h->address.u.v4.sin_addr.s_addr)
			return true;
	}
	return span_is_nocase(span_of(h->name), site.myhostname);
}

/* RFC 5321, 5.1: when we are listed, only servers before us may be tried. */
static enum step
cut_at_ourselves(struct span domain, struct found *f, struct trouble *t)
{
	int    own = -1;
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++)
		if (is_own(&f->hosts[i]) && (own < 0 || f->hosts[i].preference < own))
			own = f->hosts[i].preference;
	if (own < 0)
		return STEP_DONE;
	for (size_t i = 0; i < f->count; i++)
		if (f->hosts[i].preference < own)
			f->hosts[kept++] = f->hosts[i];
	f->count = kept;
	if (kept)
		return STEP_DONE;
	trouble_set(t, "5.4.6", "mail for %.*s loops back to myself", SPAN_ARGS(domain));
	return STEP_NEVER;
}

/* The records as hosts without addresses, best first; a name stands in ->name. False: a null MX (RFC 7505). */
static bool
read_mx(struct span domain, const struct dns_answer *mx, struct arena *a, struct host **out, size_t *count)
{
	struct host *list = arena_alloc(a, (mx->n_records + 1) * sizeof *list);
	size_t       n = 0;

	for (size_t i = 0; i < mx->n_records; i++) {
		struct span rest = mx->records[i], number = SPAN_NONE, name;
		uint64_t    preference;

		if (!dns_record_counts(domain, "MX", rest, mx->ttl))
			continue;
		span_next(&rest, " ", &number);
		name = span_trim(rest);
		if (!span_number(number, &preference) || name.len == 0 || name.len >= sizeof list->name)
			continue;
		if (span_is(name, ".")) {
			if (mx->n_records == 1)
				return false;
			continue;
		}
		snprintf(list[n].name, sizeof list->name, "%.*s", SPAN_ARGS(name));
		list[n++].preference = (int)preference;
	}
	hosts_sort(list, n, 0, client.randomize_addresses, random_number);
	*out = list;
	*count = n;
	return true;
}

/*
 * Looks up as many as can be of use: whoever lists a thousand servers gets the best
 * of them tried, not a thousand questions asked.  Servers of one preference are
 * looked up together, since we may be among them.
 */
static void
add_mx_addresses(const struct host *mx, size_t count, uint16_t port, struct arena *a, struct found *f)
{
	size_t  enough = client.mx_address_limit ? (size_t)client.mx_address_limit : ADDRESSES_MAX;
	int64_t deadline = clock_after(LOOKUP_MS);

	for (size_t i = 0; i < count && i < MX_MAX; i++) {
		enum dns_state state;
		struct fault   why = {0};

		if (f->count >= enough && mx[i].preference != mx[i - 1].preference)
			break;
		if (clock_left(deadline) <= 0) {
			f->trouble = true; /* who was not asked about may well exist */
			break;
		}
		if (add_addresses(span_of(mx[i].name), mx[i].preference, port, a, f, &state, &why) < 0)
			f->trouble = true;
	}
}

static enum step
add_mx(struct span domain, const struct dns_answer *mx, uint16_t port, struct arena *a, struct found *f, struct trouble *t)
{
	struct host *list;
	size_t       count;

	if (!read_mx(domain, mx, a, &list, &count)) {
		trouble_set(t, "5.1.0", "Domain %.*s does not accept mail (nullMX)", SPAN_ARGS(domain));
		return STEP_NEVER;
	}
	add_mx_addresses(list, count, port, a, f);
	if (f->count)
		return STEP_DONE;
	log_warning("no MX host for %.*s has a valid address record", SPAN_ARGS(domain));
	if (f->trouble || client.defer_if_no_mx_address) {
		not_found(span_of(count ? list[0].name : ""), "A", DNS_TROUBLE, t);
		snprintf(t->dsn, sizeof t->dsn, "4.4.4");
		return STEP_NEXT;
	}
	return not_found(span_of(count ? list[0].name : ""), "A", DNS_NXDOMAIN, t);
}

static enum step
by_mx(struct span domain, uint16_t port, struct arena *a, struct found *f, struct trouble *t)
{
	struct dns_answer mx;
	struct fault      why = {0};

	if (domain_to_ascii(a, domain, &domain, &why) < 0) {
		trouble_set(t, "5.4.4", "malformed domain name: %s", fault_text(&why));
		return STEP_NEVER;
	}
	if (ask_dns(domain, "MX", a, &mx, &why) < 0) {
		trouble_set(t, "4.3.0", "%s", fault_text(&why));
		return STEP_NEXT;
	}
	f->secure = mx.secure;
	if (mx.state == DNS_FOUND)
		return add_mx(domain, &mx, port, a, f, t);
	if (mx.state == DNS_TROUBLE && !client.ignore_mx_lookup_error)
		return not_found(domain, "MX", mx.state, t);
	if (mx.state == DNS_NXDOMAIN)
		return not_found(domain, "MX", mx.state, t);
	return host_only(domain, port, a, f, t);
}

/* ------------------------------------------------------------ SRV */

struct srv {
	unsigned    priority, weight, port;
	struct span target;
};

static bool
parse_srv(struct span line, struct srv *out)
{
	uint64_t    number[3];
	struct span word;

	for (size_t i = 0; i < 3; i++)
		if (!span_next(&line, " ", &word) || !span_number(word, &number[i]) || number[i] > 65535)
			return false;
	*out = (struct srv){(unsigned)number[0], (unsigned)number[1], (unsigned)number[2], span_trim(line)};
	return out->target.len && out->target.len < 256 && out->port && !span_is(out->target, ".");
}

/* RFC 2782: by priority; inside one by chance, heavier ones sooner. */
static void
order_srv(struct srv *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t sum = 0, at;
		size_t   best = i, first = i;

		for (size_t k = i + 1; k < count; k++)
			if (list[k].priority < list[first].priority)
				first = k;
		for (size_t k = i; k < count; k++)
			sum += list[k].priority == list[first].priority ? list[k].weight : 0;
		at = random_number() % (sum + 1);
		best = first;
		for (size_t k = i; k < count; k++) {
			if (list[k].priority != list[first].priority)
				continue;
			best = k;
			if (list[k].weight >= at)
				break;
			at -= list[k].weight;
		}
		struct srv chosen = list[best];

		list[best] = list[i];
		list[i] = chosen;
	}
}

/* STEP_DONE with f->count 0: there is no such record, and something else may be tried. */
static enum step
by_srv(const struct destination *d, struct arena *a, struct found *f, struct trouble *t)
{
	struct span       name = span_of(arena_format(a, "_%.*s._tcp.%.*s", SPAN_ARGS(d->service), SPAN_ARGS(d->domain)));
	struct dns_answer got;
	struct fault      why = {0};
	struct srv       *list;
	size_t            n = 0;

	if (ask_dns(name, "SRV", a, &got, &why) < 0 || got.state == DNS_TROUBLE) {
		if (client.srv_ignore_error && client.srv_fallback)
			return STEP_DONE;
		return not_found(name, "SRV", DNS_TROUBLE, t);
	}
	f->secure = got.secure;
	list = arena_alloc(a, (got.n_records + 1) * sizeof *list);
	for (size_t i = 0; i < got.n_records && n < MX_MAX; i++)
		if (dns_record_counts(name, "SRV", got.records[i], got.ttl) && parse_srv(got.records[i], &list[n]))
			n++;
	if (got.n_records && !n) { /* "." says that there is no such service here */
		trouble_set(t, "5.1.0", "Service %.*s is not available at %.*s", SPAN_ARGS(d->service), SPAN_ARGS(d->domain));
		return STEP_NEVER;
	}
	order_srv(list, n);
	for (size_t i = 0; i < n; i++) {
		enum dns_state state;

		if (add_addresses(list[i].target, (int)i, (uint16_t)list[i].port, a, f, &state, &why) < 0)
			f->trouble = true;
	}
	if (f->count == 0 && n)
		return not_found(list[0].target, "A", f->trouble ? DNS_TROUBLE : DNS_NXDOMAIN, t);
	if (n == 0 && !client.srv_fallback)
		return not_found(name, "SRV", got.state, t);
	return STEP_DONE;
}

static bool
uses_srv(const struct destination *d)
{
	for (size_t i = 0; i < client.srv_services.count && d->service.len; i++)
		if (span_is_nocase(d->service, client.srv_services.item[i]))
			return true;
	return false;
}

enum step
hosts_find(const struct destination *d, struct arena *a, struct host **out, size_t *count, struct trouble *t)
{
	struct found f = {.hosts = arena_alloc(a, (ADDRESSES_MAX + 1) * sizeof *f.hosts), .secure = true};
	enum step    step = STEP_DONE;

	if (d->socket) {
		f.hosts[0] = (struct host){.socket = d->socket};
		snprintf(f.hosts[0].name, sizeof f.hosts[0].name, "%s", site.myhostname);
		f.count = 1;
	} else if (d->bracketed || client.lmtp || client.disable_dns) {
		step = host_only(d->domain, d->port, a, &f, t);
	} else {
		if (uses_srv(d))
			step = by_srv(d, a, &f, t);
		if (step == STEP_DONE && f.count == 0)
			step = by_mx(d->domain, d->port, a, &f, t);
		if (step == STEP_DONE && d->port == 25)
			step = cut_at_ourselves(d->domain, &f, t);
	}
	if (step != STEP_DONE)
		return step;
	hosts_sort(f.hosts, f.count, client.address_preference, client.randomize_addresses, random_number);
	if (client.address_preference == 0 && client.balance)
		take_turns(f.hosts, f.count);
	for (size_t i = 0; i < f.count; i++)
		f.hosts[i].best = f.hosts[i].preference == f.hosts[0].preference;
	*out = f.hosts;
	*count = f.count;
	return STEP_DONE;
}
