/* SPDX-License-Identifier: ISC */
/*
 * setup.c - what the client reads before its sandbox closes
 */
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "client.h"
#include "config/match.h"
#include "config/site.h"
#include "ipc/ask_table.h"
#include "sasl/client.h"
#include "service/service.h"
#include "service/tls_rows.h"
#include "table/table.h"

struct client_config client;

const char *
client_prefix(void)
{
	return client.lmtp ? "lmtp" : "smtp";
}

static void
add_own(const struct net_address *a)
{
	client.own = mem_grow(client.own, client.n_own + 1, sizeof *client.own);
	client.own[client.n_own++] = *a;
}

static void
add_interfaces(bool loopback_only)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct net_address a = {0};

		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		a.len = i->ifa_addr->sa_family == AF_INET ? sizeof a.u.v4 : sizeof a.u.v6;
		memcpy(&a.u, i->ifa_addr, a.len);
		if (!loopback_only || net_is_loopback(&a))
			add_own(&a);
	}
	freeifaddrs(all);
}

/* Mail for an MX that is one of these loops back to us. */
static void
find_own_addresses(void)
{
	const struct list *lists[] = {&site.inet_interfaces, &site.proxy_interfaces};

	for (size_t l = 0; l < COUNT(lists); l++)
		for (size_t i = 0; i < lists[l]->count; i++) {
			struct net_address a;

			bool loopback_only = strcmp(lists[l]->item[i], "loopback-only") == 0;

			if (loopback_only || strcmp(lists[l]->item[i], "all") == 0)
				add_interfaces(loopback_only);
			else if (net_address_parse(span_of(lists[l]->item[i]), 0, &a, NULL) == 0)
				add_own(&a);
		}
}

static const char *
excluded_ciphers(bool must)
{
	if (!must || !*client.tls_mandatory_exclude_ciphers)
		return client.tls_exclude_ciphers;
	return mem_format("%s, %s", client.tls_exclude_ciphers, client.tls_mandatory_exclude_ciphers);
}

static int
make_context(bool must, struct tls_context **out, struct fault *why)
{
	struct tls_settings s = {
		.chain_files = client.tls_chain_files, .cert_file = client.tls_cert_file, .key_file = client.tls_key_file,
		.ec_cert_file = client.tls_ec_cert_file, .ec_key_file = client.tls_ec_key_file,
		.ca_file = client.tls_ca_file, .ca_path = client.tls_ca_path, .default_ca = client.tls_default_ca,
		.protocols = must ? client.tls_mandatory_protocols : client.tls_protocols,
		.ciphers = must ? client.tls_mandatory_ciphers : client.tls_ciphers,
		.exclude_ciphers = excluded_ciphers(must), .verify_depth = client.tls_verify_depth,
		.dane_digests = client.tls_dane_digests, .session_ms = client.tls_session_time,
	};

	return tls_client(&s, out, why);
}

/* smtp_tls_security_level, or what its old spellings say. */
static int
settle_level(struct fault *why)
{
	enum tls_level must = client.tls_enforce_peername ? TLS_VERIFY : TLS_ENCRYPT;

	if (client.tls_level == TLS_UNSET)
		client.tls_level = client.enforce_tls ? (int)must : client.use_tls ? TLS_MAY : TLS_NONE;
	if (client.tls_wrappermode && client.tls_level < TLS_ENCRYPT)
		return fault_set(why, FAULT_INPUT, "%s_tls_wrappermode requires %s_tls_security_level = encrypt or stronger",
		                 client_prefix(), client_prefix());
	if (client.tls_level == TLS_FINGERPRINT && !*client.tls_fingerprint_match)
		return fault_set(why, FAULT_INPUT, "%s_tls_security_level = fingerprint requires %s_tls_fingerprint_cert_match",
		                 client_prefix(), client_prefix());
	return 0;
}

static int
prepare_tls(struct fault *why)
{
	if (settle_level(why) < 0)
		return -1;
	if (client.tls_level <= TLS_NONE && !table_list_count(client.tls_policy.tables) &&
	    !table_list_count(client.tls_per_site.tables))
		return 0;
	if (!tls_digest_known(client.tls_fingerprint_digest))
		return fault_set(why, FAULT_INPUT, "%s_tls_fingerprint_digest: unknown digest %s", client_prefix(),
		                 client.tls_fingerprint_digest);
	for (size_t i = 0; i < client.tls_anchor_files.count; i++)
		if (tls_read_anchors(client.tls_anchor_files.item[i], &client.anchors, &client.n_anchors, why) < 0)
			return -1;
	return make_context(false, &client.tls_may, why) < 0 ? -1 : make_context(true, &client.tls_must, why);
}

static int
open_maps(struct maps *m, const char *name, struct fault *why)
{
	m->tables = table_list_open(&m->names, why);
	if (!m->tables)
		return fault_prefix(why, "%s_%s", client_prefix(), name);
	for (size_t i = 0; i < table_list_count(m->tables); i++)
		service_watch_table(table_list_at(m->tables, i));
	return 0;
}

static int
open_all_maps(struct fault *why)
{
	const struct { struct maps *maps; const char *name; } all[] = {
		{&client.passwords, "sasl_password_maps"}, {&client.header_checks, "header_checks"},
		{&client.mime_header_checks, "mime_header_checks"}, {&client.nested_header_checks, "nested_header_checks"},
		{&client.body_checks, "body_checks"}, {&client.generic, "generic_maps"}, {&client.reply_filter, "reply_filter"},
		{&client.dns_reply_filter, "dns_reply_filter"}, {&client.status_filter, "delivery_status_filter"},
		{&client.discard_maps, "discard_ehlo_keyword_address_maps"}, {&client.tls_policy, "tls_policy_maps"},
		{&client.tls_per_site, "tls_per_site"},
	};

	for (size_t i = 0; i < COUNT(all); i++)
		if (open_maps(all[i].maps, all[i].name, why) < 0)
			return -1;
	client.mydestination = match_list_make(&site.mydestination, 0, &match_tables, why);
	return client.mydestination ? 0 : fault_prefix(why, "mydestination");
}

/* A host with one address of its own on the network speaks from that (inet_interfaces). */
static void
settle_source(void)
{
	for (size_t i = 0; i < site.inet_interfaces.count && site.inet_interfaces.count <= 2; i++) {
		const char        *item = site.inet_interfaces.item[i];
		struct net_address a;
		const char       **where;

		if (net_address_parse(span_of(item), 0, &a, NULL) < 0 || net_is_loopback(&a))
			continue;
		where = a.u.any.sa_family == AF_INET6 ? &client.bind_address6 : &client.bind_address;
		if (!**where)
			*where = item;
	}
}

int
client_prepare(struct fault *why)
{
	uint16_t port;

	table_use_proxy(ask_table_find);
	table_use_remote(ask_table_find);
	if (service_tls_prepare(why) < 0)
		return -1;
	net_ports_read();
	if (net_port(span_of(client.port_name), &port, why) < 0)
		return -1;
	client.port = port;
	if (client.dns_level == DNS_UNSET)
		client.dns_level = client.disable_dns ? DNS_DISABLED : DNS_ENABLED;
	client.disable_dns = client.dns_level == DNS_DISABLED;
	for (size_t i = 0; i < client.discard_keywords.count; i++) {
		const char *word = client.discard_keywords.item[i];

		if (strcasecmp(word, "silent-discard") != 0)
			client.discarded |= smtp_keyword_of(span_of(word));
	}
	if (open_all_maps(why) < 0 || prepare_tls(why) < 0)
		return -1;
	if (client.sasl_enable && sasl_client_prepare(why) < 0)
		return -1;
	find_own_addresses();
	settle_source();
	if (client.sasl_enable && table_list_count(client.passwords.tables) == 0)
		return fault_set(why, FAULT_INPUT, "specify a password table with %s_sasl_password_maps", client_prefix());
	return 0;
}
