/* SPDX-License-Identifier: ISC */
/*
 * login_trust.c - who a client of a login program is
 */
#include "service/login_trust.h"

#include <stdio.h>
#include <string.h>

#include "mail/netaddr.h"
#include "net/address.h"
#include "service/login_limit.h"
#include "service/login_proxy.h"

static struct {
	struct netaddr_net *net;
	size_t              count;
} trusted;

int
login_trust_prepare(struct fault *why)
{
	const struct list *l = &login_config.trusted_networks;

	trusted.net = l->count ? mem_alloc(l->count * sizeof *trusted.net) : NULL;
	for (trusted.count = 0; trusted.count < l->count; trusted.count++)
		if (netaddr_parse_net(span_of(l->item[trusted.count]), &trusted.net[trusted.count], why) < 0)
			return fault_prefix(why, "login_trusted_networks");
	return 0;
}

static bool
is_trusted(const char *peer)
{
	struct netaddr a;

	if (!netaddr_parse(span_of(peer), &a))
		return false;
	a = netaddr_unmapped(&a);
	for (size_t i = 0; i < trusted.count; i++)
		if (netaddr_in(&a, &trusted.net[i]))
			return true;
	return false;
}

static void
uncount(struct login *l)
{
	if (l->counted)
		login_limit_leave(login_config.service, NULL, l->peer);
	l->counted = false;
}

static void
forget(struct login *l)
{
	uncount(l);
	l->told = (struct told){0};
	l->told_in_clear = false;
	snprintf(l->peer, sizeof l->peer, "%s", l->socket.peer);
	snprintf(l->local, sizeof l->local, "%s", l->socket.local);
	snprintf(l->session, sizeof l->session, "%s", l->socket.session);
	l->peer_port = l->socket.peer_port;
	l->local_port = l->socket.local_port;
}

int
login_trust_begin(struct login *l, int fd)
{
	struct net_address peer, local;

	if (net_peer(fd, &peer, NULL) < 0 || net_local(fd, &local, NULL) < 0)
		return -1;
	net_address_print(&peer, l->socket.peer, sizeof l->socket.peer);
	net_address_print(&local, l->socket.local, sizeof l->socket.local);
	l->socket.peer_port = net_address_port(&peer);
	l->socket.local_port = net_address_port(&local);
	l->near = net_is_loopback(&peer) || strcmp(l->socket.peer, l->socket.local) == 0;
	l->trusted = is_trusted(l->socket.peer);
	forget(l);
	return 0;
}

static bool
is_loopback(const char *address)
{
	struct netaddr a;

	return netaddr_parse(span_of(address), &a) && netaddr_is_loopback(&a);
}

/* Whoever is on this machine, or is trusted (webmail, a proxy), speaks for many: those for whom it speaks are counted. */
bool
login_trust_count(struct login *l)
{
	if (!login_config.address_connections || (l->told.peer[0] ? is_loopback(l->peer) : l->near || l->trusted))
		return true;
	return l->counted = login_limit_enter(login_config.service, NULL, l->peer, login_config.address_connections);
}

static enum login_telling
become(struct login *l, const struct told *t)
{
	uncount(l);
	l->told = *t;
	if (t->peer[0])
		snprintf(l->peer, sizeof l->peer, "%s", t->peer);
	if (t->local[0])
		snprintf(l->local, sizeof l->local, "%s", t->local);
	if (t->session[0])
		snprintf(l->session, sizeof l->session, "%s", t->session);
	l->peer_port = t->peer_port ? t->peer_port : l->peer_port;
	l->local_port = t->local_port ? t->local_port : l->local_port;
	if (login_trust_count(l))
		return TELLING_TAKEN;
	l->end = "Too many connections from this address";
	return TELLING_TOO_MANY;
}

enum login_telling
login_tell(struct login *l, const struct told *t)
{
	if (t->ttl[0])
		login_proxy_ttl(l, span_of(t->ttl));
	if (!l->trusted)
		return TELLING_STRANGER;
	if (l->told_in_clear && !l->settled && told_who(t))
		forget(l);
	if (!told_who(t) || (l->told.said && told_same(&l->told, t)))
		return TELLING_TAKEN;
	if (l->told.said || l->tried || l->settled) {
		l->end = "Another client was told of";
		return TELLING_AGAIN;
	}
	return become(l, t);
}

void
login_untell(struct login *l)
{
	if (l->settled)
		return;
	l->tried = false;
	if (login_config.told_in_clear_holds)
		l->told_in_clear = true;
	else
		forget(l);
}
