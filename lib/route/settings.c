/* SPDX-License-Identifier: ISC */
/*
 * settings.c - the routing parameters, and the tables that they name
 */
#include "route/route_private.h"

#include <stdlib.h>

#include "base/log.h"
#include "config/networks.h"
#include "config/site.h"

struct route_settings route_settings;

#define S route_settings
const struct param route_params[] = {
	BOOLEAN("swap_bangpath", &S.swap_bangpath, "yes", "site!user means user@site"),
	BOOLEAN("allow_percent_hack", &S.allow_percent_hack, "yes", "user%domain means user@domain"),
	BOOLEAN("resolve_null_domain", &S.resolve_null_domain, "no", "user@ is local"),
	BOOLEAN("resolve_numeric_domain", &S.resolve_numeric_domain, "no", "user@192.0.2.1 means user@[192.0.2.1]"),
	BOOLEAN("allow_min_user", &S.allow_min_user, "no", "addresses may start with \"-\""),
	STRING("remote_header_rewrite_domain", &S.remote_header_rewrite_domain, "", "completes addresses in headers of remote clients; empty: they stay as they are"),
	STRING("local_transport", &S.mail.local_transport, "local:$myhostname", "how mail for mydestination is delivered"),
	STRING("virtual_transport", &S.mail.virtual_transport, "virtual", "how mail for virtual_mailbox_domains is delivered"),
	STRING("relay_transport", &S.mail.relay_transport, "relay", "how mail for relay_domains is delivered"),
	STRING("default_transport", &S.mail.default_transport, "smtp", "how all other mail is delivered"),
	STRING("relayhost", &S.mail.relayhost, "", "next hop of mail that leaves, instead of the recipient's domain"),
	STRING("empty_address_relayhost_maps_lookup_key", &S.empty_relayhost_key, "<>", "key for the null sender"),
	STRING("empty_address_default_transport_maps_lookup_key", &S.empty_transport_key, "<>", "key for the null sender"),
	LIST("transport_maps", &S.mail.transport_maps, "", "transport and next hop by recipient or domain"),
	LIST("sender_dependent_default_transport_maps", &S.mail.sender_transport_maps, "", "default_transport by sender"),
	LIST("sender_dependent_relayhost_maps", &S.mail.sender_relayhost_maps, "", "relayhost by sender"),
	STRING("address_verify_local_transport", &S.probe.local_transport, "$local_transport", "the same for address probes"),
	STRING("address_verify_virtual_transport", &S.probe.virtual_transport, "$virtual_transport", "the same for address probes"),
	STRING("address_verify_relay_transport", &S.probe.relay_transport, "$relay_transport", "the same for address probes"),
	STRING("address_verify_default_transport", &S.probe.default_transport, "$default_transport", "the same for address probes"),
	STRING("address_verify_relayhost", &S.probe.relayhost, "$relayhost", "the same for address probes"),
	LIST("address_verify_transport_maps", &S.probe.transport_maps, "$transport_maps", "the same for address probes"),
	LIST("address_verify_sender_dependent_default_transport_maps", &S.probe.sender_transport_maps, "$sender_dependent_default_transport_maps", "the same for address probes"),
	LIST("address_verify_sender_dependent_relayhost_maps", &S.probe.sender_relayhost_maps, "$sender_dependent_relayhost_maps", "the same for address probes"),
	BOOLEAN("relocated_prefix_enable", &S.relocated_prefix, "yes", "relocated_maps give the address alone; no: status and text, too"),
	LIST("relocated_maps", &S.relocated_maps, "", "users that have moved"),
	LIST("canonical_maps", &S.canonical_maps, "", "address rewriting of senders and recipients"),
	LIST("sender_canonical_maps", &S.sender_canonical_maps, "", "address rewriting of senders"),
	LIST("recipient_canonical_maps", &S.recipient_canonical_maps, "", "address rewriting of recipients"),
	LIST("canonical_classes", &S.canonical_classes, "envelope_sender, envelope_recipient, header_sender, header_recipient", "where canonical_maps hold"),
	LIST("sender_canonical_classes", &S.sender_canonical_classes, "envelope_sender, header_sender", "where sender_canonical_maps hold"),
	LIST("recipient_canonical_classes", &S.recipient_canonical_classes, "envelope_recipient, header_recipient", "where recipient_canonical_maps hold"),
	LIST("virtual_alias_maps", &S.virtual_alias_maps, "$virtual_maps", "aliases of addresses in any domain"),
	LIST("virtual_mailbox_maps", &S.virtual_mailbox_maps, "", "mailboxes of virtual_mailbox_domains"),
	LIST("relay_recipient_maps", &S.relay_recipient_maps, "", "recipients of relay_domains; empty: all"),
	LIST("local_recipient_maps", &S.local_recipient_maps, "proxy:unix:passwd.byname $alias_maps", "local recipients; empty: all"),
	LIST("masquerade_domains", &S.masquerade_domains, "", "domains whose subdomains are hidden"),
	LIST("masquerade_classes", &S.masquerade_classes, "envelope_sender, header_sender, header_recipient", "where masquerading holds"),
	LIST("masquerade_exceptions", &S.masquerade_exceptions, "", "users who are not masqueraded"),
	LIST("propagate_unmatched_extensions", &S.propagate, "canonical, virtual", "which lookups copy an address extension to their result"),
	NUMBER("virtual_alias_recursion_limit", &S.recursion_limit, "1000", "1", "", "deepest nesting of virtual aliases"),
	NUMBER("virtual_alias_expansion_limit", &S.expansion_limit, "1000", "1", "", "most addresses out of one by virtual aliases"),
	NUMBER("virtual_alias_address_length_limit", &S.length_limit, "1000", "1", "", "longest address out of virtual aliases"),
	NUMBER("unknown_local_recipient_reject_code", &S.local_code, "550", "400", "599", "reply to unknown local recipients"),
	NUMBER("unknown_virtual_alias_reject_code", &S.virtual_alias_code, "550", "400", "599", "reply to unknown virtual aliases"),
	NUMBER("unknown_virtual_mailbox_reject_code", &S.virtual_mailbox_code, "550", "400", "599", "reply to unknown virtual mailboxes"),
	NUMBER("unknown_relay_recipient_reject_code", &S.relay_code, "550", "400", "599", "reply to unknown relay recipients"),
	END_OF_PARAMS
};
#undef S

/* Tables inside match lists are watched too. */
static void *
open_watched(void *watch, const char *spec, struct fault *why)
{
	struct table *t = match_tables.open(match_tables.context, spec, why);

	if (t && watch)
		((void (*)(struct table *))watch)(t);
	return t;
}

static int
open_match(struct router *r, struct match_list **out, const struct list *elements, const char *name,
           struct fault *why)
{
	bool parents = list_has(&site.parent_domain_matches_subdomains, name);

	*out = match_list_make(elements, parents ? MATCH_PARENT : 0, &r->tables, why);
	return *out ? 0 : fault_prefix(why, "%s", name);
}

static int
open_tables(struct table_list **out, const struct list *specs, const char *name,
            void (*watch)(struct table *), struct fault *why)
{
	*out = table_list_open(specs, why);
	if (!*out)
		return fault_prefix(why, "%s", name);
	for (size_t i = 0; watch && i < table_list_count(*out); i++)
		watch(table_list_at(*out, i));
	return 0;
}

/* A missing alias table must not stop mail for other domains: its own lookups fail, "not now". */
static void
add_or_fail(struct list *specs, const char *spec)
{
	struct fault  why = {0};
	struct table *t = table_open(spec, &why);

	if (!t)
		log_warning("local_recipient_maps: %s", fault_text(&why));
	list_add(specs,
		t ? span_of(spec) : SPAN("fail:a table of local_recipient_maps is not there"));
	table_close(t);
}

/*
 * unix:passwd.byname (with or without proxy:) is asked by getpwnam_r here, each time: a snapshot
 * would not know new users.  The others are opened as usual.
 */
static int
open_local_recipients(struct router *r, void (*watch)(struct table *), struct fault *why)
{
	struct list others = {0};
	int         result;

	for (size_t i = 0; i < route_settings.local_recipient_maps.count; i++) {
		struct span spec = span_of(route_settings.local_recipient_maps.item[i]);

		if (span_is(spec, "proxy:unix:passwd.byname") ||
			span_is(spec, "unix:passwd.byname"))
			r->asks_passwd = true;
		else
			add_or_fail(&others, route_settings.local_recipient_maps.item[i]);
	}
	if (r->asks_passwd)
		known_warm();
	r->has_local_recipients = route_settings.local_recipient_maps.count > 0;
	result = open_tables(&r->local_recipient, &others, "local_recipient_maps", watch, why);
	list_free(&others);
	return result;
}

static int
open_all(struct router *r, void (*watch)(struct table *), struct fault *why)
{
	const struct route_settings *s = &route_settings;
	const struct {
		struct match_list **to;
		const struct list  *from;
		const char         *name;
	} matches[] = {
		{&r->mydestination, &site.mydestination, "mydestination"},
		{&r->virtual_alias_domains, &site.virtual_alias_domains, "virtual_alias_domains"},
		{&r->virtual_mailbox_domains, &site.virtual_mailbox_domains,
			"virtual_mailbox_domains"},
		{&r->relay_domains, &site.relay_domains, "relay_domains"},
		{&r->masquerade_exceptions, &s->masquerade_exceptions, "masquerade_exceptions"},
	};
	const struct {
		struct table_list **to;
		const struct list  *from;
		const char         *name;
	} tables[] = {
		{&r->mail.transport, &s->mail.transport_maps, "transport_maps"},
		{&r->mail.sender_transport, &s->mail.sender_transport_maps,
			"sender_dependent_default_transport_maps"},
		{&r->mail.sender_relayhost, &s->mail.sender_relayhost_maps,
			"sender_dependent_relayhost_maps"},
		{&r->probe.transport, &s->probe.transport_maps, "address_verify_transport_maps"},
		{&r->probe.sender_transport, &s->probe.sender_transport_maps,
			"address_verify_sender_dependent_default_transport_maps"},
		{&r->probe.sender_relayhost, &s->probe.sender_relayhost_maps,
			"address_verify_sender_dependent_relayhost_maps"},
		{&r->relocated, &s->relocated_maps, "relocated_maps"},
		{&r->canonical, &s->canonical_maps, "canonical_maps"},
		{&r->sender_canonical, &s->sender_canonical_maps, "sender_canonical_maps"},
		{&r->recipient_canonical, &s->recipient_canonical_maps, "recipient_canonical_maps"},
		{&r->virtual_alias, &s->virtual_alias_maps, "virtual_alias_maps"},
		{&r->virtual_mailbox, &s->virtual_mailbox_maps, "virtual_mailbox_maps"},
		{&r->relay_recipient, &s->relay_recipient_maps, "relay_recipient_maps"},
	};

	for (size_t i = 0; i < COUNT(matches); i++)
		if (open_match(r, matches[i].to, matches[i].from, matches[i].name, why) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(tables); i++)
		if (open_tables(tables[i].to, tables[i].from, tables[i].name, watch, why) < 0)
			return -1;
	return open_local_recipients(r, watch, why);
}

struct router *
router_open(void (*watch)(struct table *), struct fault *why)
{
	struct router *r = mem_alloc(sizeof *r);
	autotext struct text interfaces = {0};

	for (size_t i = 0; i < site.inet_interfaces.count; i++)
		text_add_format(&interfaces, "%s ", site.inet_interfaces.item[i]);
	networks_note_own(text_span(&interfaces));
	r->classes = class_cache_new();
	r->tables = match_tables;
	r->tables.open = open_watched;
	r->tables.context = (void *)watch;
	r->transport_parents = list_has(&site.parent_domain_matches_subdomains, "transport_maps");
	r->has_relay_recipients = route_settings.relay_recipient_maps.count > 0;
	if (open_all(r, watch, why) == 0)
		return r;
	router_close(r);
	return NULL;
}

void
router_close(struct router *r)
{
	if (!r)
		return;
	struct match_list *matches[] = {r->mydestination, r->virtual_alias_domains,
		r->virtual_mailbox_domains, r->relay_domains, r->masquerade_exceptions};
	struct table_list *tables[] = {r->mail.transport, r->mail.sender_transport, r->mail.sender_relayhost,
		r->probe.transport, r->probe.sender_transport, r->probe.sender_relayhost, r->relocated, r->canonical, r->sender_canonical, r->recipient_canonical,
		r->virtual_alias, r->virtual_mailbox, r->relay_recipient, r->local_recipient};

	for (size_t i = 0; i < COUNT(matches); i++)
		if (matches[i])
			match_list_free(matches[i]);
	for (size_t i = 0; i < COUNT(tables); i++)
		if (tables[i])
			table_list_close(tables[i]);
	class_cache_free(r->classes);
	free(r);
}
