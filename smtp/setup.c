/* SPDX-License-Identifier: ISC */
/*
 * setup.c - what the client reads before its sandbox closes
 */
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "client.h"
#include "config/site.h"
#include "ipc/ask_table.h"
#include "service/service.h"
#include "table/table.h"

struct client_config client;

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

static int
make_context(bool must, struct tls_context **out, struct fault *why)
{
	struct tls_settings s = {
		.chain_files = client.tls_chain_files, .cert_file = client.tls_cert_file, .key_file = client.tls_key_file,
		.ca_file = client.tls_ca_file, .ca_path = client.tls_ca_path,
		.protocols = must ? client.tls_mandatory_protocols : client.tls_protocols,
		.ciphers = must ? client.tls_mandatory_ciphers : client.tls_ciphers,
		.exclude_ciphers = client.tls_exclude_ciphers,
	};

	return tls_client(&s, out, why);
}

static int
prepare_tls(struct fault *why)
{
	if (client.tls_level == TLS_UNSET)
		client.tls_level = client.enforce_tls ? TLS_ENCRYPT : client.use_tls ? TLS_MAY : TLS_NONE;
	if (client.tls_wrappermode && client.tls_level < TLS_ENCRYPT)
		return fault_set(why, FAULT_INPUT, "%s_tls_wrappermode requires %s_tls_security_level = encrypt or stronger",
		                 client.lmtp ? "lmtp" : "smtp", client.lmtp ? "lmtp" : "smtp");
	if (client.tls_level <= TLS_NONE)
		return 0;
	return make_context(false, &client.tls_may, why) < 0 ? -1 : make_context(true, &client.tls_must, why);
}

int
client_prepare(struct fault *why)
{
	uint16_t port;

	table_use_proxy(ask_table_find);
	if (net_port(span_of(client.port_name), &port, why) < 0)
		return -1;
	client.port = port;
	for (size_t i = 0; i < client.discard_keywords.count; i++) {
		const char *word = client.discard_keywords.item[i];

		if (strcasecmp(word, "silent-discard") != 0)
			client.discarded |= smtp_keyword_of(span_of(word));
	}
	if (prepare_tls(why) < 0)
		return -1;
	find_own_addresses();
	if (!client.sasl_enable)
		return 0;
	client.passwords = table_list_open(&client.sasl_password_maps, why);
	if (!client.passwords)
		return -1;
	if (table_list_count(client.passwords) == 0)
		return fault_set(why, FAULT_INPUT, "specify a password table with %s_sasl_password_maps",
		                 client.lmtp ? "lmtp" : "smtp");
	for (size_t i = 0; i < table_list_count(client.passwords); i++)
		service_watch_table(table_list_at(client.passwords, i));
	return 0;
}
