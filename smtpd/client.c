/* SPDX-License-Identifier: ISC */
/*
 * client.c - who is at the other end
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "ipc/ask_dns.h"
#include "ipc/ask_rate.h"
#include "mail/netaddr.h"
#include "net/address.h"
#include "service/service.h"
#include "settings.h"

static void
print_end(const struct net_address *a, char *ip, size_t size, char *port, size_t port_size)
{
	net_address_print(a, ip, size);
	snprintf(port, port_size, "%u", net_address_port(a));
}

/* A client that has reset the connection meanwhile: what it said can still be read, but it is nobody. */
static void
client_is_nobody(struct client *c)
{
	snprintf(c->address, sizeof c->address, "unknown");
	snprintf(c->server_address, sizeof c->server_address, "unknown");
	snprintf(c->port, sizeof c->port, "unknown");
	snprintf(c->server_port, sizeof c->server_port, "unknown");
	snprintf(c->name, sizeof c->name, "unknown");
	snprintf(c->reverse_name, sizeof c->reverse_name, "unknown");
	c->broken = true;
}

void
client_of_socket(int fd, struct client *c)
{
	struct net_address peer, local;
	struct fault       why = {0};
	bool               known;

	*c = (struct client){0};
	known = net_peer(fd, &peer, &why) == 0 && net_local(fd, &local, &why) == 0;
	if (!known && why.error != ENOTSOCK)
		return client_is_nobody(c);
	if (!known || peer.u.any.sa_family == AF_UNIX) {
		snprintf(c->address, sizeof c->address, "127.0.0.1");
		snprintf(c->server_address, sizeof c->server_address, "127.0.0.1");
		snprintf(c->port, sizeof c->port, "0");
		snprintf(c->server_port, sizeof c->server_port, "25");
		snprintf(c->name, sizeof c->name, "localhost");
		snprintf(c->reverse_name, sizeof c->reverse_name, "localhost");
		return;
	}
	print_end(&peer, c->address, sizeof c->address, c->port, sizeof c->port);
	print_end(&local, c->server_address, sizeof c->server_address, c->server_port, sizeof c->server_port);
}

bool
client_listed(const struct match_list *l, const struct client *c)
{
	struct fault why = {0};
	int          found = l && !c->broken ? match_address(l, span_of(c->name), span_of(c->address), &why) : 0;

	if (found < 0)
		log_warning("%s: table lookup problem: %s", c->label, fault_text(&why));
	return found > 0;
}

static void
find_names(struct client *c)
{
	struct fault why = {0};

	snprintf(c->name, sizeof c->name, "unknown");
	snprintf(c->reverse_name, sizeof c->reverse_name, "unknown");
	if (!settings.peername_lookup)
		return;
	if (ask_client_name(c->address, c->name, sizeof c->name, c->reverse_name, sizeof c->reverse_name, &why) < 0) {
		c->name_trouble = true;
		snprintf(c->name, sizeof c->name, "unknown");
	}
	if (why.reason[0])
		log_warning("%s", fault_text(&why));
	if (!c->name[0])
		snprintf(c->name, sizeof c->name, "unknown");
	if (!c->reverse_name[0])
		snprintf(c->reverse_name, sizeof c->reverse_name, "unknown");
}

static void
mask(struct client *c)
{
	struct netaddr a;
	char           text[NETADDR_TEXT_SIZE];

	snprintf(c->rate_key, sizeof c->rate_key, "%s", c->address);
	if (!netaddr_parse(span_of(c->address), &a))
		return;
	c->ipv6 = a.family == 6;
	a = netaddr_masked(&a, (unsigned)(c->ipv6 ? settings.ipv6_prefix : settings.ipv4_prefix));
	snprintf(c->rate_key, sizeof c->rate_key, "%s", netaddr_string(&a, text));
}

void
client_know(struct client *c)
{
	if (!c->name[0])
		find_names(c);
	if (settings.client_port_logging)
		snprintf(c->label, sizeof c->label, "%s[%s]:%s", c->name, c->address, c->port);
	else
		snprintf(c->label, sizeof c->label, "%s[%s]", c->name, c->address);
	mask(c);
	c->in_mynetworks = client_listed(prepared.mynetworks, c);
	c->no_limits = client_listed(prepared.rate_exceptions, c);
	c->bare_newline_ok = client_listed(prepared.bare_newline_exclusions, c);
	c->no_auth = client_listed(prepared.sasl_exceptions, c);
	/* permit_inet_interfaces: who comes from the address that he came to is ourselves */
	c->own = strcmp(c->address, c->server_address) == 0 || span_starts(span_of(c->address), "127.") ||
	         strcmp(c->address, "::1") == 0;
}

bool
client_exceeds(struct client *c, const char *what, const char *words, int limit)
{
	struct rate r = {0};

	if (limit == 0 || c->no_limits)
		return false;
	if (ask_rate(what, span_of(service->name), span_of(c->rate_key), &r, NULL) < 0 || r.rate <= limit)
		return false;
	log_warning("%s limit exceeded: %lld from %s for service %s", words, (long long)r.rate, c->label, service->name);
	return true;
}

const char *
client_count(struct client *c)
{
	struct rate r = {0};

	if (c->no_limits || (settings.count_limit == 0 && settings.rate_limit == 0))
		return NULL;
	if (ask_rate("connect", span_of(service->name), span_of(c->rate_key), &r, NULL) < 0)
		return NULL;
	c->counted = true;
	c->connections = (int)r.concurrency;
	if (settings.count_limit && r.concurrency > settings.count_limit) {
		log_warning("Connection concurrency limit exceeded: %lld from %s for service %s", (long long)r.concurrency,
		            c->label, service->name);
		return "too many connections";
	}
	if (settings.rate_limit && r.rate > settings.rate_limit) {
		log_warning("Connection rate limit exceeded: %lld from %s for service %s", (long long)r.rate, c->label,
		            service->name);
		return "too many connections";
	}
	return NULL;
}

void
client_uncount(struct client *c)
{
	struct rate r;

	if (c->counted)
		ask_rate("disconnect", span_of(service->name), span_of(c->rate_key), &r, NULL);
	c->counted = false;
}
