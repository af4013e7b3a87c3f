/* SPDX-License-Identifier: ISC */
/*
 * anvil.c - counts what clients do: connections now, and events in a unit of time
 *
 * The table is a monitor.  An entry is one client of one service; its events are
 * those since the start of the unit, and a new unit begins with the first event
 * after the old one is over, as in Postfix.  The peaks are logged every
 * anvil_status_update_time and at the end, in the lines that log tools read.
 * It also keeps the list of those who are logged in (anvil_roster.h).
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "anvil_roster.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strmap.h"
#include "ipc/ask_rate.h"
#include "ipc/peer.h"
#include "service/service.h"

enum event { CONNECT, MAIL, RCPT, AUTH, NEWTLS, EVENTS };
enum { CLIENTS_MAX = 200000, KEY_MAX = 300 };

static struct config { int64_t unit, update; } config;

static const struct param params[] = {
	DURATION("anvil_rate_time_unit", &config.unit, "60s", "1s", "", "the unit of time of all rates"),
	DURATION("anvil_status_update_time", &config.update, "600s", "1s", "", "how often peaks are logged"),
	END_OF_PARAMS
};

struct client {
	int64_t concurrency, since;
	int64_t events[EVENTS];
};

/* Clients of one asking process, so that they can be let go when it dies. */
struct asker {
	int            connections;
	struct strmap *sessions;       /* key of the client -> struct held */
};
struct held { int64_t count; };

struct peak {
	int64_t value;
	char    key[KEY_MAX];
	int64_t at_us;
};

static struct {
	struct monitor lock;
	struct strmap *clients, *askers;
	struct peak    rate[EVENTS], count, cache;
} table = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static void
peak_note(struct peak *p, int64_t value, struct span key)
{
	if (value <= p->value)
		return;
	p->value = value;
	p->at_us = clock_wall();
	snprintf(p->key, sizeof p->key, "%.*s", SPAN_ARGS(key));
}

/* ---- the monitor: everything here has the lock ---- */

static void
forget_quiet(void)
{
	size_t         at = 0;
	struct span    key;
	void          *value;
	int64_t        now = clock_now();

	while (strmap_next(table.clients, &at, &key, &value)) {
		const struct client *c = value;

		if (c->concurrency <= 0 && now - c->since >= config.unit)
			free(strmap_remove(table.clients, key));
	}
}

static struct client *
find_client(struct span key)
{
	struct client *c = strmap_get(table.clients, key);

	if (c)
		return c;
	if (strmap_count(table.clients) >= CLIENTS_MAX)
		forget_quiet();
	if (strmap_count(table.clients) >= CLIENTS_MAX)
		return NULL; /* bounded: who does not fit is not counted */
	c = mem_alloc(sizeof *c);
	c->since = clock_now();
	strmap_put(table.clients, key, c);
	peak_note(&table.cache, (int64_t)strmap_count(table.clients), key);
	return c;
}

static void
hold(struct asker *a, struct span key, int64_t more)
{
	struct held *h = strmap_get(a->sessions, key);

	if (!h && more > 0)
		strmap_put(a->sessions, key, h = mem_alloc(sizeof *h));
	if (h && (h->count += more) <= 0)
		free(strmap_remove(a->sessions, key));
}

static void
disconnect(struct client *c, struct asker *a, struct span key)
{
	if (c->concurrency > 0)
		c->concurrency--;
	hold(a, key, -1);
}

static void
count(struct client *c, enum event what, struct asker *a, struct span key, struct rate *out)
{
	if (clock_now() - c->since >= config.unit) {
		memset(c->events, 0, sizeof c->events);
		c->since = clock_now();
	}
	out->rate = ++c->events[what];
	peak_note(&table.rate[what], out->rate, key);
	if (what == CONNECT) {
		c->concurrency++;
		hold(a, key, 1);
		peak_note(&table.count, c->concurrency, key);
	}
	out->concurrency = c->concurrency;
}

/* ---- one connection ---- */

struct talk {
	struct roster_talk roster;      /* first: its handlers take the whole for it */
	int64_t            asker;       /* 0: not told yet */
};

static struct asker *
find_asker(struct talk *t, int64_t pid)
{
	char          name[32];
	struct asker *a;

	snprintf(name, sizeof name, "%lld", (long long)pid);
	a = strmap_get(table.askers, span_of(name));
	if (!a) {
		a = mem_alloc(sizeof *a);
		a->sessions = strmap_new();
		strmap_put(table.askers, span_of(name), a);
	}
	if (!t->asker) {
		t->asker = pid;
		a->connections++;
	}
	return a;
}

static void
let_go(struct talk *t)
{
	char          name[32];
	size_t        at = 0;
	struct span   key;
	void         *value;
	struct asker *a;

	snprintf(name, sizeof name, "%lld", (long long)t->asker);
	if (!t->asker || !(a = strmap_get(table.askers, span_of(name))) || --a->connections > 0)
		return;
	while (strmap_next(a->sessions, &at, &key, &value)) {
		struct client *c = strmap_get(table.clients, key);

		if (c)
			c->concurrency -= ((struct held *)value)->count;
	}
	strmap_remove(table.askers, span_of(name));
	strmap_free(a->sessions, free);
	free(a);
}

static int
do_count(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	static const char *const words[] = {"connect", "mail", "rcpt", "auth", "newtls"};
	struct talk             *t = conversation;
	struct rate_question     q = {0};
	struct rate              r = {0};
	autotext struct text     key = {0};
	struct client           *c;
	struct asker            *a;

	if (rate_question_take(request, &q, why) < 0)
		return -1;
	if (q.asker <= 0 || (t->asker && t->asker != q.asker) || q.service.len + q.client.len > KEY_MAX - 4)
		return fault_set(why, FAULT_INPUT, "bad question");
	text_add_format(&key, "%.*s:%.*s", SPAN_ARGS(q.service), SPAN_ARGS(q.client));
	monitor_enter(&table.lock);
	a = find_asker(t, q.asker);
	if ((c = find_client(text_span(&key))) != NULL) {
		if (span_is(q.what, "disconnect"))
			disconnect(c, a, text_span(&key));
		for (size_t i = 0; i < COUNT(words); i++)
			if (span_is(q.what, words[i]))
				count(c, (enum event)i, a, text_span(&key), &r);
	}
	monitor_leave(&table.lock);
	rate_answer_put(answer, &r);
	return 0;
}

static const struct peer_verb verbs[] = {
	{"count", 0, 0, do_count},
	{"roster", 0, 0, do_roster},
	{"join", 0, 0, do_join},
	{"leave", 0, 0, do_leave},
	{"who", 0, 0, do_who},
	{"kick", 0, 0, do_kick},
	{NULL, 0, 0, NULL}
};

static void
serve(int fd, const struct listener *from)
{
	struct talk   t = {.roster.sock = fd};
	autoclose int sock = fd;

	(void)from;
	peer_serve(sock, verbs, &t);
	roster_forget(&t.roster);
	monitor_enter(&table.lock);
	let_go(&t);
	monitor_leave(&table.lock);
}

/* ---- statistics ---- */

static void
log_peak(const char *what, const struct peak *p, bool is_rate)
{
	char      when[32];
	time_t    seconds = (time_t)(p->at_us / 1000000);
	struct tm tm;

	if (p->value <= 0)
		return;
	localtime_r(&seconds, &tm);
	strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
	if (is_rate)
		log_info("statistics: max %s %lld/%llds for (%s) at %s", what, (long long)p->value,
		         (long long)config.unit / 1000, p->key, when);
	else
		log_info("statistics: max %s %lld for (%s) at %s", what, (long long)p->value, p->key, when);
}

static void
log_statistics(void)
{
	struct peak *peaks = mem_array(EVENTS + 2, sizeof *peaks);
	char         when[32];
	time_t       seconds;
	struct tm    tm;

	monitor_enter(&table.lock);
	memcpy(peaks, table.rate, sizeof table.rate);
	peaks[EVENTS] = table.count;
	peaks[EVENTS + 1] = table.cache;
	memset(table.rate, 0, sizeof table.rate);
	memset(&table.count, 0, sizeof table.count);
	memset(&table.cache, 0, sizeof table.cache);
	forget_quiet();
	monitor_leave(&table.lock);
	log_peak("connection rate", &peaks[CONNECT], true);
	log_peak("connection count", &peaks[EVENTS], false);
	log_peak("message rate", &peaks[MAIL], true);
	log_peak("recipient rate", &peaks[RCPT], true);
	log_peak("newtls rate", &peaks[NEWTLS], true);
	log_peak("auth rate", &peaks[AUTH], true);
	if (peaks[EVENTS + 1].value > 0) {
		seconds = (time_t)(peaks[EVENTS + 1].at_us / 1000000);
		localtime_r(&seconds, &tm);
		strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
		log_info("statistics: max cache size %lld at %s", (long long)peaks[EVENTS + 1].value, when);
	}
	free(peaks);
}

static void
tell_now_and_then(void *unused)
{
	(void)unused;
	while (task_wait_fd(service_stop_fd(), POLLIN, clock_after(config.update), NULL) < 0)
		log_statistics();
}

static int
begin(struct fault *why)
{
	table.clients = strmap_new();
	table.askers = strmap_new();
	return task_start(tell_now_and_then, NULL, why);
}

static const struct service anvil = {
	.name     = "anvil",
	.about    = "counts connections and events of clients",
	.role     = ROLE_NET,
	.model    = SERVE_TASKS,
	.promises = MAY_ACCEPT,
	.params   = params,
	.tasks    = "1000",
	.begin    = begin,
	.serve    = serve,
	.end      = log_statistics,
};

int
main(int argc, char **argv)
{
	return service_run(&anvil, argc, argv);
}
