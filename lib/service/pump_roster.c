/* SPDX-License-Identifier: ISC */
/*
 * pump_roster.c - the pump tells anvil who is seated, and hears who shall go (ipc/roster.h)
 *
 * The loop's thread alone is here, and it never waits: the bytes of all sessions go through it.  What
 * the connection does not take now is told when it does, however long that is; one that is lost is made again and
 * told everything.  Without anvil nobody is listed, and mail is read as before.
 */
#include <unistd.h>

#include "base/clock.h"
#include "ipc/roster.h"
#include "service/pump_seat.h"

enum { AGAIN_MS = 5000, LEFT_MOST = 1 << 20 };

static struct {
	int         sock;               /* valid when `open` */
	bool        open, full;         /* full: nothing is told before the poller says that it takes more */
	struct text left;               /* sessions that are over and were listed: "id NUL id NUL" */
	int64_t     not_before;         /* when a connection may be tried again */
} roster;

static uint64_t key_of_roster;          /* its address is the poller's key; aligned as a seat is */

static void
lose(void)
{
	if (roster.open) {
		pump_roster_unwatch(roster.sock);
		close(roster.sock);
	}
	roster.open = roster.full = false;
	text_free(&roster.left);
	roster.not_before = clock_after(AGAIN_MS);
}

/* Was it told? If not, the connection is full or lost from now on. */
static bool
was_told(int outcome)
{
	if (outcome == 1)
		roster.full = pump_roster_watch(roster.sock, POLLER_IN | POLLER_OUT, &key_of_roster) == 0;
	if (outcome < 0 || (outcome == 1 && !roster.full))
		lose();
	return outcome == 0;
}

static void
tell_left(void)
{
	struct span rest = text_span(&roster.left), session;
	size_t      told = 0;

	while (rest.len && span_split(&rest, '\0', &session) && was_told(roster_leave(roster.sock, session)))
		told += session.len + 1;
	if (roster.open)
		text_drop(&roster.left, told);
}

static void
tell_news(struct seat *s, void *unused)
{
	struct roster_entry e = {.session = span_of(s->client.session), .service = span_of(s->client.service),
		.user = span_of(s->client.user), .peer = span_of(s->client.peer), .pid = s->asleep ? 0 : s->client.pid};

	(void)unused;
	if (!roster.open || roster.full || !s->news || !s->seated || s->over || !was_told(roster_join(roster.sock, &e)))
		return;
	s->listed = true;
	s->news = false;
}

/* On a new connection nobody is listed yet. */
static void
is_news(struct seat *s, void *unused)
{
	(void)unused;
	s->listed = false;
	s->news = true;
}

static void
begin(void)
{
	if (roster.open || clock_now() < roster.not_before)
		return;
	roster.not_before = clock_after(AGAIN_MS);
	if (roster_open(getpid(), &roster.sock, NULL) < 0)
		return;
	roster.open = true;
	pump_each(is_news, NULL);
	if (pump_roster_watch(roster.sock, POLLER_IN, &key_of_roster) < 0)
		lose();
	else
		pump_each(tell_news, NULL);
}

void
pump_roster_say(struct seat *s)
{
	s->news = true;
	if (roster.open)
		tell_news(s, NULL);
	else
		begin();
}

void
pump_roster_over(const struct seat *s)
{
	if (!roster.open || !s->listed)
		return;
	if (!roster.full && was_told(roster_leave(roster.sock, span_of(s->client.session))))
		return;
	if (!roster.open)
		return;
	text_add(&roster.left, span_at(s->client.session, strlen(s->client.session) + 1));
	if (roster.left.len > LEFT_MOST)
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

static void
hear(void)
{
	autoframe struct frame f = {0};
	struct span            session;
	int                    heard = roster_hear(roster.sock, &f, &session);

	if (heard < 0)
		lose();
	else if (heard == 0)
		pump_each(kick, &session);
}

/* It takes more, at last. */
static void
go_on(void)
{
	roster.full = false;
	if (pump_roster_watch(roster.sock, POLLER_IN, &key_of_roster) < 0)
		lose();
	tell_left();
	pump_each(tell_news, NULL);
}

bool
pump_roster_event(const void *key, unsigned events)
{
	if (key != &key_of_roster)
		return false;
	if (roster.open && (events & POLLER_IN))
		hear();
	if (roster.open && roster.full && (events & POLLER_OUT))
		go_on();
	return true;
}
