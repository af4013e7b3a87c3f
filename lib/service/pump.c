/* SPDX-License-Identifier: ISC */
/*
 * pump.c - the crowd of those who are logged in: one loop moves all their bytes
 *
 * The loop's thread alone touches a seat; others see the list (pump_crowd.c) and two
 * atomics of each.  A key of the poller is the seat with the end's number in its low bits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/pump_seat.h"
#include "service/sandbox_private.h"
#include "service/service.h"

enum { TICK_MS = 1000, BATCH = 64, WAKES_AT_ONCE = 16, TRIM_TICKS = 30 };

static struct {
	struct monitor lock;                    /* of those who would start it */
	bool           running;
	/* the loop's own */
	struct poller *poller;
	int            wake[2];
	struct seat   *done;                    /* to be freed when the events of this turn are over */
	struct seat   *again;                   /* TLS holds bytes that no event will tell of */
	struct seat   *sleepy;                  /* to be woken, as soon as fewer are being woken */
	int            waking;
	int64_t        next_tick;
	struct conn   *returned;                /* where one session is served at a time */
	int            dirty;                   /* ticks until freed memory goes back; 0: nothing was freed */
	bool           ending;
	atomic_bool    look;                    /* somebody shall be evicted */
	atomic_int     asleep;
} pump = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

/* ------------------------------------------------------------ what the loop does for a seat */

void
pump_watch(struct seat *s, enum seat_end end, unsigned events)
{
	if (s->fd[end] < 0 || s->set[end] == events)
		return;
	if (poller_set(pump.poller, s->fd[end], events, (void *)((uintptr_t)s | end), NULL) == 0)
		s->set[end] = events;
}

/* Off the list at once; freed when no event of this turn can name it any more. */
void
pump_remove(struct seat *s)
{
	s->over = true;
	for (int end = SEAT_ENDS - 1; end >= 0; end--)
		seat_forget(s, (enum seat_end)end);
	wire_free(take(s->server));
	wire_free(take(s->wire));
	pump_crowd_remove(s);
	if (s->asleep)
		pump.asleep--;
	if (s->seated)
		pump_roster_over(s);
	if (!s->queued) { /* else it stands in a list, whose walker puts it there */
		s->queued = pump.done;
		pump.done = s;
	}
	pump.dirty = TRIM_TICKS;
}

void
pump_give_back(struct seat *s)
{
	struct conn *c = seat_give_back(s);

	pump_remove(s);
	if (service_makes_threads())
		pump_go_back(c, &s->client);
	else
		pump.returned = c;
}

void
pump_asleep(int more)
{
	pump.asleep += more;
	pump.dirty = TRIM_TICKS;
}

/* TLS holds bytes of the server, and the client takes some. */
static bool
server_has_more(const struct seat *s)
{
	return s->server && !s->down.len && !s->process_gone && wire_pending(s->server);
}

void
pump_look_again(struct seat *s)
{
	bool up = !s->up.len && !s->held && !s->asleep && !s->client_ended && wire_pending(s->wire);

	if (s->queued || (!up && !server_has_more(s)))
		return;
	s->queued = pump.again ? pump.again : s; /* the last points to itself */
	pump.again = s;
}

/* It shall be woken: as soon as fewer are. */
void
pump_queue_sleepy(struct seat *s)
{
	if (!s->wants_waking || s->waking || s->queued)
		return;
	s->queued = pump.sleepy ? pump.sleepy : s;
	pump.sleepy = s;
}

void
pump_kick(struct seat *s)
{
	s->kicked = true;
	s->evict = true;
	pump.look = true;
}

int
pump_roster_watch(int fd, unsigned events, const void *key)
{
	return poller_set(pump.poller, fd, events, (void *)(uintptr_t)key, NULL);
}

void
pump_roster_unwatch(int fd)
{
	poller_set(pump.poller, fd, 0, NULL, NULL);
}

/* ------------------------------------------------------------ waking */

static void
wake_task(void *given)
{
	struct seat *s = given;

	seat_wake(s);
	pump_crowd_woken(s);
	(void)!write(pump.wake[1], "", 1);
}

static void
wake_sleepy(void)
{
	while (pump.sleepy && pump.waking < WAKES_AT_ONCE) {
		struct seat *s = pump.sleepy;

		pump.sleepy = s->queued == s ? NULL : s->queued;
		s->queued = NULL;
		if (s->over) { /* it ended while it stood in the queue */
			s->queued = pump.done;
			pump.done = s;
			continue;
		}
		s->waking = true;
		pump.waking++;
		if (!service_makes_threads() || task_start(wake_task, s, NULL) < 0)
			wake_task(s); /* no thread to be had: the others wait for this one */
	}
}

static void
take_woken(struct seat *s)
{
	pump.waking--;
	s->waking = s->wants_waking = false;
	s->queued = NULL;
	if (s->new_process < 0) {
		seat_asleep_end(s, "Internal error", true);
		s->client_ended = true;
		seat_end(s);
		return;
	}
	pump.asleep--;
	seat_woken(s);
	pump_roster_say(s);
	seat_give_process(s);
	seat_settle(s);
}

/* ------------------------------------------------------------ the loop */

static void
take_news(void)
{
	char         drain[64];
	struct seat *s, *next;

	while (read(pump.wake[0], drain, sizeof drain) == sizeof drain)
		;
	for (s = pump_crowd_take_fresh(); s; s = next) {
		next = s->queued;
		s->queued = NULL;
		s->seated = true;
		pump_roster_say(s);
		pump.dirty = TRIM_TICKS;
		seat_give_process(s);
		seat_settle(s);
	}
	for (s = pump_crowd_take_woken(); s; s = next) {
		next = s->queued;
		take_woken(s);
	}
}

static void
tick_seat(struct seat *s, void *clock)
{
	seat_tick(s, *(int64_t *)clock, pump.ending);
}

static void
tick(void)
{
	int64_t now = clock_now();

	if (!atomic_exchange(&pump.look, false) && now < pump.next_tick)
		return;
	pump.next_tick = now + TICK_MS;
	pump.ending = service_ending();
	pump_each(tick_seat, &now);
	pump_roster_tick();
	if (pump.dirty && --pump.dirty == 0)
		sandbox_trim_memory();
}

static void
go_again(void)
{
	struct seat *s = take(pump.again), *next;

	for (; s; s = next) {
		next = s->queued == s ? NULL : s->queued;
		s->queued = NULL;
		if (s->over) {
			s->queued = pump.done;
			pump.done = s;
			continue;
		}
		seat_handle(s, SEAT_CLIENT);
		if (!s->over && server_has_more(s))
			seat_handle(s, SEAT_PROCESS);
	}
}

static void
free_done(void)
{
	while (pump.done) {
		struct seat *s = pump.done;

		pump.done = s->queued;
		seat_free(s);
	}
}

static bool
anybody(void)
{
	return pump_crowd_count() > 0;
}

static int
patience(void)
{
	int64_t left = pump.next_tick - clock_now();

	return pump.again ? 0 : !anybody() && !pump.dirty ? -1 : left > 0 ? (int)left : 0;
}

static void
turn(void)
{
	struct poller_event events[BATCH];
	int                 n = poller_wait(pump.poller, events, BATCH, patience());

	for (int i = 0; i < n; i++) {
		uintptr_t key = (uintptr_t)events[i].key;

		if (!key)
			take_news();
		else if (!pump_roster_event(events[i].key, events[i].events))
			seat_handle((struct seat *)(key & ~(uintptr_t)(SEAT_ENDS - 1)), (enum seat_end)(key & (SEAT_ENDS - 1)));
	}
	go_again();
	wake_sleepy();
	tick();
	free_done();
}

static void
run_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		turn();
}

static void
prepare(void)
{
	pump.poller = poller_new();
	if (pipe2(pump.wake, O_CLOEXEC | O_NONBLOCK) < 0)
		log_fatal("pipe: %s", strerror(errno));
	poller_set(pump.poller, pump.wake[0], POLLER_IN, NULL, NULL);
}

/* False: there is no thread for the loop. */
static bool
start_loop(void)
{
	struct fault why = {0};
	bool         good = true;

	monitor_enter(&pump.lock);
	if (!pump.running) {
		prepare();
		good = pump.running = task_start(run_for_ever, NULL, &why) == 0;
		if (!good)
			poller_free(take(pump.poller));
	}
	monitor_leave(&pump.lock);
	if (!good)
		log_error("%s", fault_text(&why));
	return good;
}

static struct conn *
park(struct seat *s)
{
	if (!service_session_keep()) { /* one session a process: this task is the loop */
		if (!pump.poller)
			prepare();
		pump_crowd_add(s);
		for (take_news(); anybody();)
			turn();
		return take(pump.returned);
	}
	if (!start_loop()) {
		seat_drop(s);
		service_session_over();
		return NULL;
	}
	pump_crowd_add(s);
	(void)!write(pump.wake[1], "", 1);
	return NULL;
}

struct conn *
pump_park(struct conn *c, int process, int control, const struct pump_client *client)
{
	return park(seat_new(c, process, control, client));
}

void
pump_park_behind(struct conn *client, struct conn *server, const struct pump_client *who, const char *before, const char *behind)
{
	struct seat *s = seat_new(client, -1, -1, who);

	seat_set_server(s, server, before, behind);
	park(s);
}

bool
pump_evict(const char *user, const char *peer, int64_t idle_ms)
{
	bool any = pump_crowd_evict(user, peer, idle_ms);

	if (any) {
		pump.look = true;
		(void)!write(pump.wake[1], "", 1);
	}
	return any;
}

void
pump_count(int *parked, int *asleep)
{
	*parked = pump_crowd_count();
	if (asleep)
		*asleep = pump.asleep;
}
