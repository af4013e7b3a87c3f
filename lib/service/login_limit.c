/* SPDX-License-Identifier: ISC */
/*
 * login_limit.c - how many connections a user from an address, and an address, may have
 */
#include "service/login_limit.h"

#include <stdlib.h>

#include "base/text.h"
#include "ipc/ask_rate.h"
#include "mail/netaddr.h"
#include "service/pump.h"
#include "service/service.h"

enum {
	IDLE_MS = 5000,        /* who has said nothing for that long may be evicted */
	NETWORK_BITS = 64
};

struct leave { struct text service, client; };

/* Whoever has one IPv6 address has all of its network (RFC 4291, 2.5.4), and could come from another each time. */
static void
add_network(const char *peer, struct text *out)
{
	struct netaddr a;
	char           text[NETADDR_TEXT_SIZE];

	if (netaddr_parse(span_of(peer), &a) && a.family == 6 && !netaddr_is_loopback(&a)) {
		a = netaddr_masked(&a, NETWORK_BITS);
		text_add_format(out, "%s/%d", netaddr_string(&a, text), NETWORK_BITS);
	} else {
		text_add_string(out, peer);
	}
}

/* "imap-login" and the address or the IPv6 network; or, as Dovecot counts, "imap" and user/address. */
static void
name(const char *protocol, const char *user, const char *peer, struct leave *out)
{
	if (!user) {
		text_add_format(&out->service, "%s-login", protocol);
		add_network(peer, &out->client);
		return;
	}
	text_add_string(&out->service, protocol);
	text_add_format(&out->client, "%s/%s", user, peer);
}

static void
leave_free(struct leave *l)
{
	text_free(&l->service);
	text_free(&l->client);
	free(l);
}

static void
tell(void *given)
{
	struct leave *l = given;
	struct rate   ignored;

	ask_rate("disconnect", text_span(&l->service), text_span(&l->client), &ignored, NULL);
	leave_free(l);
}

void
login_limit_left(const char *protocol, const char *user, const char *peer)
{
	struct leave *l = mem_alloc(sizeof *l);

	name(protocol, user, peer, l);
	tell(l);
}

bool
login_limit_enter(const char *protocol, const char *user, const char *peer, int most)
{
	struct leave *l = mem_alloc(sizeof *l);
	struct rate   rate = {0};

	name(protocol, user, peer, l);
	if (ask_rate("connect", text_span(&l->service), text_span(&l->client), &rate, NULL) < 0 ||
	    most == 0 || rate.concurrency <= most || pump_evict(user, peer, IDLE_MS)) {
		leave_free(l);
		return true;
	}
	tell(l);
	return false;
}

void
login_limit_leave(const char *protocol, const char *user, const char *peer)
{
	struct leave *l = mem_alloc(sizeof *l);

	name(protocol, user, peer, l);
	if (service_makes_threads() && task_start(tell, l, NULL) == 0)
		return;
	tell(l);
}
