/* SPDX-License-Identifier: ISC */
/*
 * pump_roster.c - the pump tells anvil who is seated, and hears who shall go (ipc/roster.h)
 *
 * The loop's thread alone is here.  A connection that is lost, or full, is made again and told
 * everything; without anvil nobody is listed, and mail is read as before.
 */
#include <unistd.h>

#include "base/clock.h"
#include "ipc/roster.h"
#include "service/pump_seat.h"

enum { AGAIN_MS = 5000 };

static struct {
	int     sock;                   /* valid when `told` */
	bool    told;
	int64_t not_before;             /* when a connection may be tried again */
} roster;

static uint64_t key_of_roster;          /* its address is the poller's key; aligned as a seat is */

static void
lose(void)
{
	if (roster.told) {
		pump_roster_unwatch(roster.sock);
		close(roster.sock);
	}
	roster.told = false;
	roster.not_before = clock_after(AGAIN_MS);
}

static void
join(struct seat *s, void *unused)
{
	struct roster_entry e = {.session = span_of(s->client.session), .service = span_of(s->client.service),
		.user = span_of(s->client.user), .peer = span_of(s->client.peer), .pid = s->asleep ? 0 : s->client.pid};

	(void)unused;
	if (roster.told && s->seated && !s->over && roster_join(roster.sock, &e) < 0)
		lose();
}

/* Connected, and all who are seated told. */
static void
begin(void)
{
	if (roster.told || clock_now() < roster.not_before)
		return;
	roster.not_before = clock_after(AGAIN_MS);
	if (roster_open(getpid(), &roster.sock, NULL) < 0)
		return;
	roster.told = true;
	if (pump_roster_watch(roster.sock, &key_of_roster) < 0)
		lose();
	else
		pump_each(join, NULL);
}

void
pump_roster_say(const struct seat *s)
{
	if (roster.told)
		join((struct seat *)(uintptr_t)s, NULL);
	else
		begin();
}

void
pump_roster_over(const struct seat *s)
{
	if (roster.told && roster_leave(roster.sock, span_of(s->client.session)) < 0)
		lose();
}

void
pump_roster_tick(void)
{
	begin();
}

static void
kick(struct seat *s, void *session)
{
	if (s->seated && !s->over && span_is(*(struct span *)session, s->client.session))
		pump_kick(s);
}

bool
pump_roster_event(const void *key)
{
	autoframe struct frame f = {0};
	struct span            session;

	if (key != &key_of_roster)
		return false;
	if (!roster.told)
		return true;
	if (roster_hear(roster.sock, &f, &session) < 0)
		lose();
	else
		pump_each(kick, &session);
	return true;
}
