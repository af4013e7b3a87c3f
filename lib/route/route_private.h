/* SPDX-License-Identifier: ISC */
/*
 * route_private.h - shared by the files of lib/route alone
 */
#ifndef ROUTE_ROUTE_PRIVATE_H
#define ROUTE_ROUTE_PRIVATE_H

#include "config/match.h"
#include "route/class_cache.h"
#include "route/route.h"

/* Where mail goes by class; probes of addresses have a set of their own (address_verify_*). */
struct route_choices {
	const char *local_transport, *virtual_transport, *relay_transport, *default_transport, *relayhost;
	struct list transport_maps, sender_transport_maps, sender_relayhost_maps;
};

struct route_settings {
	bool swap_bangpath, allow_percent_hack, resolve_null_domain, resolve_numeric_domain,
		allow_min_user, relocated_prefix;
	const char *remote_header_rewrite_domain;
	struct route_choices mail, probe;
	const char *empty_relayhost_key, *empty_transport_key;
	struct list relocated_maps;
	struct list canonical_maps, sender_canonical_maps, recipient_canonical_maps;
	struct list canonical_classes, sender_canonical_classes, recipient_canonical_classes;
	struct list virtual_alias_maps, virtual_mailbox_maps, relay_recipient_maps,
		local_recipient_maps;
	struct list masquerade_domains, masquerade_classes, masquerade_exceptions;
	struct list propagate;
	int         recursion_limit, expansion_limit, length_limit;
	int         local_code, virtual_alias_code, virtual_mailbox_code, relay_code;
};

extern struct route_settings route_settings;

struct route_tables { struct table_list *transport, *sender_transport, *sender_relayhost; };

struct router {
	struct match_tables tables;             /* the match lists borrow it */
	struct match_list  *mydestination, *virtual_alias_domains, *virtual_mailbox_domains,
		*relay_domains;
	struct route_tables mail, probe;
	struct table_list *relocated;
	struct table_list *canonical, *sender_canonical, *recipient_canonical;
	struct table_list *virtual_alias, *virtual_mailbox, *relay_recipient, *local_recipient;
	bool               asks_passwd;          /* local_recipient_maps holds unix:passwd.byname */
	bool               has_local_recipients, has_relay_recipients;
	bool transport_parents; /* transport_maps in parent_domain_matches_subdomains */
	struct match_list *masquerade_exceptions;
	struct class_cache *classes;
};

/* Classes ROUTE_LOCAL to ROUTE_DEFAULT, by domain alone; cached. */
WAITS int router_class(struct router *, struct span domain, enum route_class *, struct fault *);

void known_warm(void);

/* Asks the tables for an address as canonical(5) and virtual(5) do, tells `local` by its domain. */
WAITS int router_find_address(struct router *, const struct table_list *, struct span address,
                              struct table_match *, struct fault *);

#endif
