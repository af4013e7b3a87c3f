/* SPDX-License-Identifier: ISC */
/*
 * resolve.c - transport and next hop of a recipient
 *
 * First the address is taken apart until its domain is not ours: user%there@here
 * goes there.  The class of what is left gives a transport and a next hop, and
 * transport_maps and relocated_maps may override them.
 */
#include "config/site.h"
#include "mail/address.h"
#include "mail/status.h"
#include "route/route_private.h"

enum { ROUTES_MAX = 50, NEXTHOP_MAX = 2000 };

/* One resolution: spans are borrowed from the request, the settings or the arena. */
struct resolving {
	struct router   *router;
	const struct route_choices *by;
	const struct route_tables  *tables;
	struct arena    *arena;
	struct span      sender;
	struct span      local, domain;      /* what was found to be meant */
	enum route_class class;
	struct span      transport, nexthop;
};

/* "transport:nexthop" cut at its first colon; nexthop empty when there is none. */
static void
route_destination_split(struct span value, struct span *transport, struct span *nexthop)
{
	span_split(&value, ':', transport);
	*transport = span_trim(*transport);
	*nexthop = span_trim(value);
}

static struct span
lower(struct arena *arena, struct span in)
{
	char *copy = arena_string(arena, in);

	for (size_t i = 0; i < in.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return span_at(copy, in.len);
}

static struct span
without_dot(struct span domain)
{
	return domain.len > 1 && domain.at[domain.len - 1] == '.'
		? span_first(domain, domain.len - 1)
		: domain;
}

/* A local part that routes on: a@b, b!a, a%b.  False when it is a plain user. */
static bool
routes_on(struct span in, struct span *local, struct span *domain)
{
	ptrdiff_t at = span_find_last(in, '@');
	ptrdiff_t bang = route_settings.swap_bangpath ? span_find(in, '!') : -1;
	ptrdiff_t percent = route_settings.allow_percent_hack ? span_find_last(in, '%') : -1;

	if (at < 0 && bang > 0 && (size_t)bang + 1 < in.len) {
		*domain = span_first(in, (size_t)bang);
		*local = span_from(in, (size_t)bang + 1);
		return true;
	}
	at = at >= 0 ? at : percent;
	if (at <= 0)
		return false;
	*local = span_first(in, (size_t)at);
	*domain = span_from(in, (size_t)at + 1);
	return true;
}

/* Fills local, domain and class: 0, or -1 why. */
static int
take_apart(struct resolving *s, struct span address, struct fault *why)
{
	ptrdiff_t at = span_find_last(address, '@');

	s->local = at < 0 ? address : span_first(address, (size_t)at);
	s->domain = at < 0 ? SPAN_NONE : without_dot(span_from(address, (size_t)at + 1));
	if (at < 0 && !routes_on(address, &s->local, &s->domain))
		s->domain = span_of(site.myhostname);
	for (int i = 0; i < ROUTES_MAX; i++) {
		struct span local, domain;

		s->class = ROUTE_LOCAL;
		if (at < 0 && i == 0 && span_is(s->domain, site.myhostname))
			return 0;
		if (s->domain.len == 0 && !route_settings.resolve_null_domain) {
			s->class = ROUTE_ERROR;
			return 0;
		}
		if (s->domain.len && router_class(s->router, s->domain, &s->class, why) < 0)
			return -1;
		if (s->class != ROUTE_LOCAL || !routes_on(s->local, &local, &domain))
			return 0;
		s->local = local;
		s->domain = without_dot(domain);
	}
	s->class = ROUTE_ERROR;
	return 0;
}

/* The null recipient is somebody: empty_address_recipient. */
static void
fill_empty(struct resolving *s)
{
	if (s->class == ROUTE_LOCAL && s->local.len == 0)
		s->local = span_of(site.empty_address_recipient);
	if (s->class == ROUTE_LOCAL && s->domain.len == 0)
		s->domain = span_of(site.myhostname);
	/* "-x" could be an option to a command that gets the address as an argument */
	if (s->local.len == 0 || (s->local.at[0] == '-' && !route_settings.allow_min_user))
		s->class = ROUTE_ERROR;
}

static bool
numeric(struct span domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (!ascii_digit(domain.at[i]) && domain.at[i] != '.')
			return false;
	return domain.len > 0;
}

/* A domain that no transport could do anything with. */
static void
check_domain(struct resolving *s)
{
	if (s->class == ROUTE_LOCAL || s->class == ROUTE_ERROR)
		return;
	if (numeric(s->domain) && route_settings.resolve_numeric_domain)
		s->domain = span_of(arena_format(s->arena, "[%.*s]", SPAN_ARGS(s->domain)));
	else if (!address_domain_valid(s->domain, ADDRESS_UTF8))
		s->class = ROUTE_ERROR;
}

/* By sender, with `empty` for the null sender: 0 and *value, 1, -1.  DUNNO is "not found". */
static int
find_by_sender(struct resolving *s, const struct table_list *tables, const char *empty,
               struct span *value, struct fault *why)
{
	struct table_query query = {.order = TABLE_MAILBOX};
	struct table_match match = {0};
	int                got;

	if (table_list_count(tables) == 0)
		return 1;
	got = s->sender.len
	      ? table_list_find_address(tables, &query, s->sender, &match, why)
	      : table_list_find(tables, span_of(empty), &match.value, NULL, why);
	if (got == 0 && span_is_nocase(span_trim(text_span(&match.value)), "DUNNO"))
		got = 1;
	if (got == 0)
		*value = arena_span(s->arena, span_trim(text_span(&match.value)));
	text_free(&match.value);
	text_free(&match.extension);
	return got;
}

/* Mail that leaves: a sender's or the site's relayhost, else the domain itself. */
static int
choose_leaving(struct resolving *s, struct span *transport, struct fault *why)
{
	int got = 1;

	*transport = span_of(s->class == ROUTE_RELAY ? s->by->relay_transport
	                                             : s->by->default_transport);
	if (s->class == ROUTE_DEFAULT)
		got = find_by_sender(s, s->tables->sender_transport,
			route_settings.empty_transport_key, transport, why);
	if (got < 0)
		return -1;
	got = find_by_sender(s, s->tables->sender_relayhost, route_settings.empty_relayhost_key,
	                     &s->nexthop, why);
	if (got == 1 && s->by->relayhost[0])
		s->nexthop = span_of(s->by->relayhost);
	return got < 0 ? -1 : 0;
}

static int
choose_by_class(struct resolving *s, struct fault *why)
{
	struct span chosen = SPAN_NONE, nexthop;

	s->nexthop = lower(s->arena, s->domain);
	switch (s->class) {
	case ROUTE_LOCAL:
		chosen = span_of(s->by->local_transport);
		break;
	case ROUTE_VIRTUAL_ALIAS:
		s->transport = SPAN("error");
		s->nexthop = span_of(arena_format(s->arena, "5.1.1 User unknown%s",
			site.show_user_unknown_table_name ? " in virtual alias table" : ""));
		return 0;
	case ROUTE_VIRTUAL_MAILBOX:
		chosen = span_of(s->by->virtual_transport);
		break;
	case ROUTE_RELAY:
	case ROUTE_DEFAULT:
		if (choose_leaving(s, &chosen, why) < 0)
			return -1;
		break;
	case ROUTE_ERROR:
		s->transport = SPAN("error");
		s->nexthop = SPAN("5.1.3 Bad recipient address syntax");
		return 0;
	}
	route_destination_split(chosen, &s->transport, &nexthop);
	if (nexthop.len)
		s->nexthop = nexthop;
	return s->transport.len ? 0
				: fault_set(why, FAULT_SYSTEM, "empty transport for class of %.*s",
					  SPAN_ARGS(s->domain));
}

static bool
is_error_transport(struct span transport)
{
	return span_is(transport, "error") || span_is(transport, "retry");
}

/* transport(5): ":" changes nothing, ":nexthop" the next hop alone, "transport:" goes
 * to the recipient's domain. */
static int
override_by_transport_maps(struct resolving *s, struct span recipient, struct fault *why)
{
	struct table_query query = {
		.order = TABLE_TRANSPORT, .parents_plain = s->router->transport_parents};
	struct table_match match = {0};
	struct span        transport, nexthop;
	int                got;

	if (table_list_count(s->tables->transport) == 0 || s->class == ROUTE_VIRTUAL_ALIAS)
		return 0;
	got = table_list_find_address(s->tables->transport, &query, recipient, &match, why);
	if (got == 0) {
		route_destination_split(
			arena_span(s->arena, text_span(&match.value)), &transport, &nexthop);
		if (transport.len) {
			s->transport = transport;
			s->nexthop = is_error_transport(transport)
				? SPAN("Address is undeliverable")
				: lower(s->arena, s->domain);
		}
		if (nexthop.len)
			s->nexthop = nexthop;
	}
	text_free(&match.value);
	text_free(&match.extension);
	return got < 0 ? -1 : 0;
}

static int
override_by_relocated_maps(struct resolving *s, struct span recipient, struct fault *why)
{
	struct table_match match = {0};
	int got = router_find_address(s->router, s->router->relocated, recipient, &match, why);

	if (got == 0) {
		s->transport = SPAN("error");
		s->nexthop = span_of(arena_format(s->arena, route_settings.relocated_prefix ? "5.1.6 User has moved to %s" : "%s",
		                                  text_string(&match.value)));
	}
	text_free(&match.value);
	text_free(&match.extension);
	return got < 0 ? -1 : 0;
}

/* error:5.1.1 text carries its own status (error(8)). */
static void
finish(const struct resolving *s, struct span recipient, struct route *route)
{
	struct status status = {0};
	struct span   rest;
	bool          retry = span_is(s->transport, "retry");

	*route = (struct route){.transport = s->transport,
		.nexthop = span_first(s->nexthop, NEXTHOP_MAX),
		.recipient = recipient,
		.class = s->class,
		.is_error = is_error_transport(s->transport)};
	if (!route->is_error)
		return;
	if (!status_parse(route->nexthop, &status, &rest) || status.class != (retry ? 4 : 5))
		status = retry ? STATUS(4, 0, 0) : STATUS(5, 0, 0);
	else
		route->nexthop = rest;
	_Static_assert(sizeof route->dsn >= STATUS_TEXT_SIZE, "a status fits");
	status_string(status, route->dsn);
}

static int
resolve(struct resolving start, struct span address, struct route *route, struct fault *why)
{
	struct resolving s = start;
	struct arena    *arena = s.arena;
	struct span      recipient;

	if (take_apart(&s, address, why) < 0)
		return -1;
	fill_empty(&s);
	check_domain(&s);
	recipient = s.class == ROUTE_ERROR ? arena_span(arena, address)
					   : span_of(arena_format(arena, "%.*s@%.*s",
						     SPAN_ARGS(s.local), SPAN_ARGS(s.domain)));
	if (choose_by_class(&s, why) < 0)
		return -1;
	if (s.class != ROUTE_ERROR &&
	    (override_by_transport_maps(&s, recipient, why) < 0 ||
	     override_by_relocated_maps(&s, recipient, why) < 0))
		return -1;
	finish(&s, recipient, route);
	return 0;
}

int
router_resolve(struct router *r, struct span sender, struct span address, struct arena *arena,
               struct route *route, struct fault *why)
{
	return resolve((struct resolving){.router = r, .by = &route_settings.mail, .tables = &r->mail,
	                                  .arena = arena, .sender = sender}, address, route, why);
}

int
router_resolve_probe(struct router *r, struct span sender, struct span address, struct arena *arena,
                     struct route *route, struct fault *why)
{
	return resolve((struct resolving){.router = r, .by = &route_settings.probe, .tables = &r->probe,
	                                  .arena = arena, .sender = sender}, address, route, why);
}
