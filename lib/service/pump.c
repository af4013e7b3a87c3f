/* SPDX-License-Identifier: ISC */
/*
 * pump.c - the crowd of those who are logged in: one loop moves all their bytes
 *
 * The loop's thread alone touches a seat; others see the list of seats and two
 * atomics, under the lock.  A key of the poller is the seat with the end's number in its low bits.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/pump_seat.h"
#include "service/sandbox_private.h"
#include "service/service.h"

enum { CLIENT_STALLS_MS = 600000, PROCESS_ENDS_MS = 60000, TICK_MS = 1000, BATCH = 64, WAKES_AT_ONCE = 16, TRIM_TICKS = 30 };

static struct {
	struct monitor lock;
	struct seat   *all, *fresh, *woken;     /* fresh, woken: for the loop to take */
	int            count;
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

static char scratch[PUMP_PART];                 /* of the loop */

/* ------------------------------------------------------------ seats */

static const char *
copy(const char *s)
{
	return mem_string(s ? s : "");
}

static struct seat *
seat_new(struct conn *c, int process, int control, const struct pump_client *client)
{
	struct seat *s = mem_alloc(sizeof *s);

	s->wire = wire_new(c, &s->up);
	s->fd[SEAT_CLIENT] = wire_fd(s->wire);
	s->fd[SEAT_PROCESS] = process;
	s->fd[SEAT_CONTROL] = control;
	s->fd[SEAT_WATCH] = -1;
	s->client = (struct pump_client){client->service, copy(client->user), copy(client->peer), copy(client->local),
	                                 copy(client->session), client->near, client->over, client->back, client->pid};
	s->active = clock_now();
	fcntl(process, F_SETFL, O_NONBLOCK);
	return s;
}

static void
set(struct seat *s, enum seat_end end, unsigned events)
{
	if (s->fd[end] < 0 || s->set[end] == events)
		return;
	if (poller_set(pump.poller, s->fd[end], events, (void *)((uintptr_t)s | end), NULL) == 0)
		s->set[end] = events;
}

void
seat_forget(struct seat *s, enum seat_end end)
{
	set(s, end, 0);
	s->set[end] = 0;
	if (s->fd[end] >= 0 && end != SEAT_CLIENT)
		close(s->fd[end]);
	s->fd[end] = -1;
}

static void
seat_free(struct seat *s)
{
	text_free(&s->up);
	text_free(&s->down);
	text_free(&s->input);
	sleeper_free(s->sleeper);
	free((char *)(uintptr_t)s->client.user);
	free((char *)(uintptr_t)s->client.peer);
	free((char *)(uintptr_t)s->client.local);
	free((char *)(uintptr_t)s->client.session);
	free(s);
}

/* Off the list at once; freed when no event of this turn can name it any more. */
static void
remove_seat(struct seat *s)
{
	s->over = true;
	for (int end = SEAT_ENDS - 1; end >= 0; end--)
		seat_forget(s, (enum seat_end)end);
	wire_free(take(s->wire));
	monitor_enter(&pump.lock);
	if (s->before)
		s->before->next = s->next;
	else
		pump.all = s->next;
	if (s->next)
		s->next->before = s->before;
	pump.count--;
	monitor_leave(&pump.lock);
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

static void
end_seat(struct seat *s)
{
	if (s->over || s->waking)
		return;
	remove_seat(s);
	if (s->client.over)
		s->client.over(&s->client);
	if (service_makes_threads())
		service_session_over();
}

static void
give_back(struct seat *s)
{
	struct conn *c = seat_give_back(s);

	remove_seat(s);
	if (service_makes_threads())
		pump_go_back(c, &s->client);
	else
		pump.returned = c;
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

void
pump_asleep(int more)
{
	pump.asleep += more;
	pump.dirty = TRIM_TICKS;
}

/* ------------------------------------------------------------ moving bytes */

static void
keep_rest(struct text *to, struct span rest)
{
	if (rest.len)
		text_set(to, rest);
	else
		text_free(to);
}

static void
lose_client(struct seat *s)
{
	s->client_lost = s->client_ended = true;
	text_free(&s->down);
	text_free(&s->up);
}

/* What the client took of it; the rest stays in s->down. */
static void
give_client(struct seat *s, struct span bytes, bool from_down)
{
	while (bytes.len && !s->client_lost) {
		ssize_t n = wire_write(s->wire, bytes);

		if (n < 0) {
			lose_client(s);
			return;
		}
		if (n == 0)
			break;
		s->stalled = 0;
		bytes = span_from(bytes, (size_t)n);
	}
	if (bytes.len && !s->stalled)
		s->stalled = clock_now();
	if (!from_down)
		keep_rest(&s->down, bytes);
	else if (bytes.len)
		text_drop(&s->down, s->down.len - bytes.len);
	else
		text_free(&s->down);
}

void
seat_say(struct seat *s, struct span bytes)
{
	if (s->down.len)
		return; /* it does not take what it has */
	give_client(s, bytes, false);
}

static void
give_process(struct seat *s, struct span bytes, bool from_up)
{
	while (bytes.len) {
		ssize_t n = send(s->fd[SEAT_PROCESS], bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			bytes = SPAN_NONE; /* it takes no more: its end will be read */
		if (n < 0)
			break;
		bytes = span_from(bytes, (size_t)n);
	}
	if (!from_up)
		keep_rest(&s->up, bytes);
	else if (bytes.len)
		text_drop(&s->up, s->up.len - bytes.len);
	else
		text_free(&s->up);
}

static void
move_up(struct seat *s)
{
	ssize_t n;

	if (s->up.len && !s->returning)
		give_process(s, text_span(&s->up), true);
	if (s->up.len || s->held || s->client_ended)
		return;
	n = wire_read(s->wire, scratch, sizeof scratch);
	if (n < 0) {
		s->client_ended = true;
		s->ended = clock_now();
	}
	if (n <= 0)
		return;
	s->active = clock_now();
	give_process(s, span_at(scratch, (size_t)n), false);
}

static void
move_down(struct seat *s)
{
	ssize_t n;

	if (s->down.len)
		give_client(s, text_span(&s->down), true);
	if (s->down.len || s->process_gone)
		return;
	n = recv(s->fd[SEAT_PROCESS], scratch, sizeof scratch, MSG_DONTWAIT);
	if (n > 0)
		give_client(s, span_at(scratch, (size_t)n), false);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->process_gone = true;
}

/* ------------------------------------------------------------ after each event */

static void
look_again(struct seat *s)
{
	if (s->queued || s->up.len || s->held || s->asleep || s->client_ended || !wire_pending(s->wire))
		return;
	s->queued = pump.again ? pump.again : s; /* the last points to itself */
	pump.again = s;
}

static void
begin_waking(struct seat *s)
{
	if (!s->wants_waking || s->waking)
		return;
	set(s, SEAT_CLIENT, 0);
	set(s, SEAT_WATCH, 0);
}

static void
settle(struct seat *s)
{
	unsigned client = 0, process = 0;

	if (s->over || s->waking || s->wants_waking) {
		begin_waking(s);
		return;
	}
	if (s->client_ended && !s->up.len && !s->told_end && !s->asleep && s->fd[SEAT_PROCESS] >= 0) {
		shutdown(s->fd[SEAT_PROCESS], SHUT_WR);
		s->told_end = true;
		s->ended = clock_now();
	}
	if (s->process_gone && !s->down.len && !s->asleep && seat_comes_back(s)) {
		give_back(s);
		return;
	}
	if (s->process_gone && !s->down.len && !s->asleep && !seat_may_fall_asleep(s)) {
		end_seat(s);
		return;
	}
	if (s->asleep)
		process = 0;
	else if (!s->process_gone)
		process = (s->down.len ? 0u : POLLER_IN) | (s->up.len && !s->returning ? POLLER_OUT : 0u);
	if (!s->client_ended && !s->up.len && !s->held)
		client = POLLER_IN;
	if (s->down.len && !s->client_lost)
		client |= POLLER_OUT;
	set(s, SEAT_CLIENT, wire_wants(s->wire, client));
	set(s, SEAT_PROCESS, process);
	set(s, SEAT_CONTROL, POLLER_IN);
	set(s, SEAT_WATCH, s->asleep ? POLLER_IN : 0u);
	look_again(s);
}

/* It shall be woken: as soon as fewer are. */
static void
queue_sleepy(struct seat *s)
{
	if (!s->wants_waking || s->waking || s->queued)
		return;
	s->queued = pump.sleepy ? pump.sleepy : s;
	pump.sleepy = s;
}

static void
handle(struct seat *s, enum seat_end end)
{
	if (s->over || s->waking || s->wants_waking)
		return;
	switch (end) {
	case SEAT_CLIENT:
		if (s->asleep) {
			if (s->down.len)
				give_client(s, text_span(&s->down), true);
			seat_asleep_client(s, scratch, sizeof scratch);
			break;
		}
		if (s->down.len)
			move_down(s);
		move_up(s);
		break;
	case SEAT_PROCESS:
		if (s->up.len)
			move_up(s);
		move_down(s);
		break;
	case SEAT_CONTROL:
		seat_hear(s);
		break;
	case SEAT_WATCH:
		s->wants_waking = true;
		break;
	default:
		break;
	}
	if (s->asleep && s->client_ended) {
		end_seat(s);
		return;
	}
	settle(s);
	queue_sleepy(s);
}

/* ------------------------------------------------------------ waking */

static void
wake_task(void *given)
{
	struct seat *s = given;

	seat_wake(s);
	monitor_enter(&pump.lock);
	s->queued = pump.woken;
	pump.woken = s;
	monitor_leave(&pump.lock);
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
		end_seat(s);
		return;
	}
	pump.asleep--;
	seat_woken(s);
	pump_roster_say(s);
	if (s->up.len)
		give_process(s, text_span(&s->up), true);
	settle(s);
}

/* ------------------------------------------------------------ the loop */

static struct seat *
take_list(struct seat **list)
{
	struct seat *taken;

	monitor_enter(&pump.lock);
	taken = *list;
	*list = NULL;
	monitor_leave(&pump.lock);
	return taken;
}

static void
take_news(void)
{
	char         drain[64];
	struct seat *s, *next;

	while (read(pump.wake[0], drain, sizeof drain) == sizeof drain)
		;
	for (s = take_list(&pump.fresh); s; s = next) {
		next = s->queued;
		s->queued = NULL;
		s->seated = true;
		pump_roster_say(s);
		pump.dirty = TRIM_TICKS;
		if (s->up.len)
			give_process(s, text_span(&s->up), true);
		settle(s);
	}
	for (s = take_list(&pump.woken); s; s = next) {
		next = s->queued;
		take_woken(s);
	}
}

static void
evict(struct seat *s)
{
	if (s->asleep) {
		seat_asleep_end(s, s->kicked ? "Disconnected by the administrator" : "Too many connections: the one that was idle longest ends", true);
		end_seat(s);
		return;
	}
	s->client_ended = true;
	text_free(&s->up);
	settle(s);
}

static void
tick_seat(struct seat *s, void *clock)
{
	int64_t now = *(int64_t *)clock;

	if (!s->seated || s->over || s->waking || s->wants_waking)
		return;
	if (s->evict && !s->client_ended) {
		evict(s);
		return;
	}
	if (s->stalled && now - s->stalled >= CLIENT_STALLS_MS)
		lose_client(s);
	if (s->told_end && now - s->ended >= PROCESS_ENDS_MS) {
		end_seat(s);
		return;
	}
	if (pump.ending && s->asleep) {
		seat_asleep_end(s, "Server shutting down.", true);
		end_seat(s);
		return;
	}
	if (pump.ending && !s->up.len)
		s->client_ended = true;
	if (s->asleep)
		seat_asleep_tick(s);
	settle(s);
}

/* Only this thread takes seats off the list; new ones come in front. */
void
pump_each(void (*look)(struct seat *, void *), void *context)
{
	struct seat *s, *next;

	monitor_enter(&pump.lock);
	s = pump.all;
	monitor_leave(&pump.lock);
	for (; s; s = next) {
		monitor_enter(&pump.lock);
		next = s->next;
		monitor_leave(&pump.lock);
		look(s, context);
	}
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
		handle(s, SEAT_CLIENT);
	}
}

static int
patience(void)
{
	int64_t left = pump.next_tick - clock_now();
	bool    any;

	monitor_enter(&pump.lock);
	any = pump.all != NULL;
	monitor_leave(&pump.lock);
	return pump.again ? 0 : !any && !pump.dirty ? -1 : left > 0 ? (int)left : 0;
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
			handle((struct seat *)(key & ~(uintptr_t)(SEAT_ENDS - 1)), (enum seat_end)(key & (SEAT_ENDS - 1)));
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

static void
put(struct seat *s)
{
	monitor_enter(&pump.lock);
	s->next = pump.all;
	if (s->next)
		s->next->before = s;
	pump.all = s;
	pump.count++;
	s->queued = pump.fresh;
	pump.fresh = s;
	monitor_leave(&pump.lock);
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

static bool
anybody(void)
{
	int n;

	pump_count(&n, NULL);
	return n > 0;
}

struct conn *
pump_park(struct conn *c, int process, int control, const struct pump_client *client)
{
	if (!service_session_keep()) { /* one session a process: this task is the loop */
		if (!pump.poller)
			prepare();
		put(seat_new(c, process, control, client));
		for (take_news(); anybody();)
			turn();
		return take(pump.returned);
	}
	if (!start_loop()) {
		close(process);
		if (control >= 0)
			close(control);
		conn_free(c);
		service_session_over();
		return NULL;
	}
	put(seat_new(c, process, control, client));
	(void)!write(pump.wake[1], "", 1);
	return NULL;
}

bool
pump_evict(const char *user, const char *peer, int64_t idle_ms)
{
	struct seat *oldest = NULL;
	int64_t      before = clock_now() - idle_ms;

	monitor_enter(&pump.lock);
	for (struct seat *s = pump.all; s; s = s->next) {
		if ((user && strcmp(s->client.user, user) != 0) || (peer && strcmp(s->client.peer, peer) != 0) || s->evict)
			continue;
		if (s->active <= before && (!oldest || s->active < oldest->active))
			oldest = s;
	}
	if (oldest)
		oldest->evict = true;
	monitor_leave(&pump.lock);
	if (oldest) {
		pump.look = true;
		(void)!write(pump.wake[1], "", 1);
	}
	return oldest != NULL;
}

void
pump_count(int *parked, int *asleep)
{
	monitor_enter(&pump.lock);
	*parked = pump.count;
	monitor_leave(&pump.lock);
	if (asleep)
		*asleep = pump.asleep;
}
