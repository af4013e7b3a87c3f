/* SPDX-License-Identifier: ISC */
/*
 * login_limit.c - how many connections a user from an address, and an address, may have
 */
#include "service/login_limit.h"

#include <stdlib.h>

#include "base/text.h"
#include "ipc/ask_rate.h"
#include "service/pump.h"
#include "service/service.h"

enum { IDLE_MS = 5000 };       /* who has said nothing for that long may be evicted */

struct leave { struct text service, client; };

/* "imap-login" and the address, or "imap" and user/address. */
static void
name(const char *protocol, const char *user, const char *peer, struct leave *out)
{
	text_add_format(&out->service, "%s%s", protocol, user ? "" : "-login");
	text_add_format(&out->client, "%s%s%s", user ? user : "", user ? "/" : "", peer);
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
