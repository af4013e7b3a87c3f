/* SPDX-License-Identifier: ISC */
/*
 * test_pump_roster.c - the pump's talk with an anvil that stands still, and with one that goes on
 *
 * The loop is this program: it gives pump_roster.c its seats and events.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"
#include "ipc/roster.h"
#include "service/pump_seat.h"
#include "../unit.h"

enum { SEATS = 3000 };

static struct seat  seats[SEATS];
static char         ids[SEATS][16];
static int          kicked;
static const void  *key;
static int          watched = -1;
static unsigned     watched_for;
static char         directory[] = "/tmp/pump_roster_XXXXXX", place[64];

void
pump_each(void (*look)(struct seat *, void *), void *context)
{
	for (int i = 0; i < SEATS; i++)
		if (!seats[i].over)
			look(&seats[i], context);
}

int
pump_roster_watch(int fd, unsigned events, const void *its_key)
{
	watched = fd;
	watched_for = events;
	key = its_key;
	return 0;
}

void
pump_roster_unwatch(int fd)
{
	ck_assert_int_eq(fd, watched);
	watched = -1;
}

void
pump_kick(struct seat *s)
{
	kicked = (int)(s - seats);
}

static int
listen_as_anvil(int backlog)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int                fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(place, sizeof place, "%s/anvil", directory);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", place);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	peer_directory(directory);
	for (int i = 0; i < SEATS; i++) {
		snprintf(ids[i], sizeof ids[i], "session%d", i);
		seats[i] = (struct seat){.seated = true, .client = {"imap", "ann", "192.0.2.1", "192.0.2.2", ids[i], .pid = 7}};
	}
	return fd;
}

static void
remove_anvil(int fd)
{
	close(fd);
	unlink(place);
	rmdir(directory);
}

/* As the loop does: what the poller says is handed on. False: nothing happens any more. */
static bool
turn(void)
{
	struct pollfd p = {.fd = watched, .events = (short)((watched_for & POLLER_IN ? POLLIN : 0) | (watched_for & POLLER_OUT ? POLLOUT : 0))};

	if (watched < 0 || poll(&p, 1, 0) < 1)
		return false;
	return pump_roster_event(key, (p.revents & POLLIN ? POLLER_IN : 0u) | (p.revents & POLLOUT ? POLLER_OUT : 0u));
}

/* All that anvil hears: how many are listed in the end; each joins once, leaves once. */
static int
hear_all(int sock)
{
	static int             joined[SEATS], left[SEATS];
	autoframe struct frame f = {0};
	int                    listed = 0, n;
	bool                   more = true;

	memset(joined, 0, sizeof joined);
	memset(left, 0, sizeof left);
	while (more) {
		struct span session;

		for (more = false; frame_receive(sock, &f, clock_now(), NULL) == 0; more = true) {
			if (frame_is(&f, "roster"))
				continue;
			ck_assert(frame_get(&f, "session", &session));
			autofree char *id = mem_span(session);
			ck_assert_int_eq(sscanf(id, "session%d", &n), 1);
			ck_assert_int_eq((frame_is(&f, "join") ? joined : left)[n]++, 0);
		}
		more = turn() || more;
	}
	for (int i = 0; i < SEATS; i++)
		listed += joined[i] - left[i];
	return listed;
}

UNIT_TEST(a_full_queue_of_listeners_stops_nobody)
{
	int listener = listen_as_anvil(0), full[64], n = 0;

	for (;; n++) {
		full[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		struct sockaddr_un at = {.sun_family = AF_UNIX};

		snprintf(at.sun_path, sizeof at.sun_path, "%s", place);
		ck_assert_int_lt(n, 63);
		if (connect(full[n], (struct sockaddr *)&at, sizeof at) < 0)
			break;
	}
	int64_t before = clock_now();

	pump_roster_tick();                /* would wait for ever for a listener that is stopped */
	pump_roster_say(&seats[0]);
	ck_assert_int_eq(watched, -1);
	ck_assert_int_lt(clock_now() - before, 3000);
	remove_anvil(listener);
}
END_TEST

UNIT_TEST(what_is_not_taken_now_is_told_later)
{
	int listener = listen_as_anvil(5), anvil;

	pump_roster_tick();
	ck_assert_int_ge(watched, 0);
	anvil = accept(listener, NULL, NULL);
	ck_assert(watched_for & POLLER_OUT);       /* 3000 are more than a socket takes */
	for (int i = 0; i < SEATS; i += 2) {       /* some of them were told */
		seats[i].over = true;
		pump_roster_over(&seats[i]);
	}
	ck_assert_int_eq(hear_all(anvil), SEATS / 2);
	ck_assert_uint_eq(watched_for, POLLER_IN);
	for (int i = 1; i < SEATS; i += 2) {
		seats[i].over = true;
		pump_roster_over(&seats[i]);
	}
	ck_assert_int_eq(hear_all(anvil), -SEATS / 2);
	remove_anvil(listener);
}
END_TEST

UNIT_TEST(an_event_without_a_frame_costs_nothing)
{
	int listener = listen_as_anvil(5), anvil;

	kicked = -1;
	pump_roster_tick();
	anvil = accept(listener, NULL, NULL);
	ck_assert_int_eq(hear_all(anvil), SEATS);
	ck_assert(pump_roster_event(key, POLLER_IN));
	ck_assert_int_ge(watched, 0);
	ck_assert_int_eq(roster_tell_kick(anvil, SPAN("session17")), 0);
	ck_assert(turn());
	ck_assert_int_eq(kicked, 17);
	close(anvil);
	ck_assert(turn());
	ck_assert_int_eq(watched, -1);
	remove_anvil(listener);
}
END_TEST

UNIT_TEST(anvil_takes_no_entry_of_another_form)
{
	static const struct { struct span session, service, user, peer; int64_t pid; bool good; } rows[] = {
		{SPAN("abc+/="), SPAN("imap"), SPAN("ann@example.org"), SPAN("192.0.2.1"), 7, true},
		{SPAN("abc"), SPAN("imap"), SPAN("j\xc3\xb6rg"), SPAN("2001:db8::1"), 0, true},
		{SPAN("abc"), SPAN("imap"), SPAN("j\xf6rg"), SPAN("local"), 7, true},
		{SPAN("a\0b"), SPAN("imap"), SPAN("ann"), SPAN("192.0.2.1"), 7, false},
		{SPAN(""), SPAN("imap"), SPAN("ann"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap\0"), SPAN("ann"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("ann\0root"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("ann\nroot"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("ann\troot"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("\x1b[2J"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("\xc2\x9b" "2J"), SPAN("192.0.2.1"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("ann"), SPAN("192.0.2.1 "), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("ann"), SPAN("somewhere"), 7, false},
		{SPAN("abc"), SPAN("imap"), SPAN("ann"), SPAN("192.0.2.1"), -7, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		autoframe struct frame f = {0};
		struct roster_entry    e = {rows[i].session, rows[i].service, rows[i].user, rows[i].peer, rows[i].pid, 0}, got = {.pid = 0};

		frame_start(&f, "join");
		roster_entry_put(&f, &e);
		ck_assert_msg((roster_entry_take(&f, &got, NULL) == 0) == rows[i].good, "row %zu", i);
	}
}
END_TEST

UNIT_MAIN("service/pump_roster", a_full_queue_of_listeners_stops_nobody, what_is_not_taken_now_is_told_later,
          an_event_without_a_frame_costs_nothing, anvil_takes_no_entry_of_another_form)
