/* SPDX-License-Identifier: ISC */
/*
 * cache.c - sessions that wait for the next message to the same server
 *
 * A monitor. A session is kept for smtp_connection_cache_time_limit; one task
 * closes what nobody took. At most CACHE_SIZE are kept: the oldest goes first.
 */
#include <stdio.h>

#include "base/clock.h"
#include "client.h"

enum { CACHE_SIZE = 100 };

static struct {
	struct monitor  lock;
	struct session *kept[CACHE_SIZE];   /* oldest first */
	size_t          count;
} cache;

void
cache_key(const struct host *h, const struct session_wish *w, char *key, size_t size)
{
	/* What was proved about a peer was proved for this next hop; who logged in, for this sender. */
	bool particular = client.sasl_enable || client.tls_level >= TLS_FINGERPRINT || client.tls_policy.names.count ||
	                  client.tls_per_site.names.count;
	bool personal = client.sasl_enable && client.sender_auth;

	snprintf(key, size, "%s%s[%s]:%u/%.*s/%.*s", w->lowered ? "lowered " : "", h->name, h->socket ? h->socket : h->ip, h->port,
	         particular ? (int)(w->nexthop.len < 400 ? w->nexthop.len : 400) : 0, w->nexthop.at,
	         personal ? (int)(w->sender.len < 320 ? w->sender.len : 320) : 0, w->sender.at);
}

bool
cache_wanted(struct span nexthop)
{
	for (size_t i = 0; i < client.cache_destinations.count; i++)
		if (span_is_nocase(nexthop, client.cache_destinations.item[i]))
			return true;
	return client.cache_on_demand;
}

static struct session *
remove_at(size_t i)
{
	struct session *s = cache.kept[i];

	memmove(cache.kept + i, cache.kept + i + 1, (cache.count - i - 1) * sizeof cache.kept[0]);
	cache.count--;
	return s;
}

struct session *
cache_take(const char *key)
{
	struct session *s = NULL;

	monitor_enter(&cache.lock);
	for (size_t i = cache.count; i > 0 && !s; i--)
		if (strcmp(cache.kept[i - 1]->key, key) == 0)
			s = remove_at(i - 1);
	monitor_leave(&cache.lock);
	if (s && conn_input_waits(s->conn)) { /* it said good-bye meanwhile */
		session_free(s);
		return cache_take(key);
	}
	return s;
}

static bool
may_keep(const struct session *s)
{
	return s->keep && !s->policy.no_reuse && !s->dead && clock_now() - s->born < client.reuse_time &&
	       (client.reuse_count == 0 || s->used < client.reuse_count);
}

void
cache_give(struct session *s)
{
	struct session *oldest = NULL;

	if (!may_keep(s)) {
		session_quit(s);
		return;
	}
	s->idle_since = clock_now();
	monitor_enter(&cache.lock);
	if (cache.count == CACHE_SIZE)
		oldest = remove_at(0);
	cache.kept[cache.count++] = s;
	monitor_wake(&cache.lock);
	monitor_leave(&cache.lock);
	if (oldest)
		session_quit(oldest);
}

/* The next session whose time is over, waiting for it. */
static struct session *
wait_for_stale(void)
{
	struct session *s = NULL;

	monitor_enter(&cache.lock);
	while (!s) {
		int64_t due = cache.count ? cache.kept[0]->idle_since + client.cache_time : CLOCK_NEVER;

		if (cache.count && due <= clock_now())
			s = remove_at(0);
		else
			monitor_wait(&cache.lock, due);
	}
	monitor_leave(&cache.lock);
	return s;
}

static void
close_stale(void *unused)
{
	(void)unused;
	for (;;)
		session_quit(wait_for_stale());
}

int
cache_start(struct fault *why)
{
	monitor_init(&cache.lock);
	return client.cache_on_demand || client.cache_destinations.count ? task_start(close_stale, NULL, why) : 0;
}
