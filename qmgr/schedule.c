/* SPDX-License-Identifier: ISC */
/*
 * schedule.c - lanes, turns, and the entry that goes next
 */
#include "schedule.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "schedule_private.h"

/* Making and finding. */

struct schedule *
schedule_new(void (*limits)(void *, struct span, struct transport_limits *), void *context)
{
	struct schedule *s = mem_alloc(sizeof *s);

	s->transports = strmap_new();
	s->limits = limits;
	s->context = context;
	return s;
}

static struct transport *
transport_get(struct schedule *s, struct span name)
{
	struct transport *t = strmap_get(s->transports, name);

	if (t)
		return t;
	t = mem_alloc(sizeof *t);
	t->name = mem_span(name);
	t->destinations = strmap_new();
	s->limits(s->context, name, &t->limits);
	if (t->limits.recipient_limit < 1 || t->limits.recipient_limit > ENTRY_RCPTS_MAX)
		t->limits.recipient_limit = ENTRY_RCPTS_MAX;
	if (t->limits.transport_rate_delay)
		t->limits.process_limit = 1;
	if (t->limits.initial < 1)
		t->limits.initial = 1;
	t->next = s->list;
	s->list = t;
	strmap_put(s->transports, name, t);
	return t;
}

static void
free_waiting(struct destination *d)
{
	for (int i = 0; i < LANES; i++)
		for (struct entry *e = d->lanes[i].first, *next; e; e = next) {
			next = e->lane_next;
			entry_free(e);
		}
}

void
schedule_free(struct schedule *s)
{
	for (struct transport *t = s->list, *next; t; t = next) {
		struct span key;
		void       *d;

		next = t->next;
		for (size_t at = 0; strmap_next(t->destinations, &at, &key, &d);) {
			free_waiting(d);
			destination_free(d);
		}
		strmap_free(t->destinations, NULL);
		for (int i = 0; i < LANES; i++)
			free(t->ready[i].at);
		free(t->name);
		free(t);
	}
	strmap_free(s->transports, NULL);
	free(s);
}

void
job_begin(struct job *j, uint64_t number, int64_t rcpts, void *owner)
{
	static const int64_t sizes[LANES - 1] = {2, 10, 100, 1000};

	*j = (struct job){.number = number, .owner = owner};
	while (j->lane < LANES - 1 && rcpts > sizes[j->lane])
		j->lane++;
}

/* A job's list of entries, so that a message can be withdrawn. */

static void
job_put(struct job *j, struct entry *e)
{
	e->job_before = NULL;
	e->job_next = j->waiting;
	if (j->waiting)
		j->waiting->job_before = e;
	j->waiting = e;
}

static void
job_take(struct job *j, struct entry *e)
{
	*(e->job_before ? &e->job_before->job_next : &j->waiting) = e->job_next;
	if (e->job_next)
		e->job_next->job_before = e->job_before;
	e->job_before = e->job_next = NULL;
}

void
entry_free(struct entry *e)
{
	free(e->rcpts);
	free(e);
}

/* Adding. */

const struct suspension *
schedule_suspended(struct schedule *s, struct span transport, struct span key, int64_t now)
{
	struct transport   *t = transport_get(s, transport);
	struct destination *d;

	if (t->dead.until > now)
		return &t->dead;
	t->dead.until = 0;
	d = key.len ? destination_find(t, key) : NULL;
	return d && destination_is_dead(d, now) ? &d->dead : NULL;
}

int
schedule_recipient_limit(struct schedule *s, struct span transport)
{
	return transport_get(s, transport)->limits.recipient_limit;
}

static struct entry *
entry_new(struct destination *d, struct job *j)
{
	struct entry *e = mem_alloc(sizeof *e);

	e->job = j;
	e->destination = d;
	destination_put(d, e);
	job_put(j, e);
	d->filling = e;
	return e;
}

void
schedule_add(struct schedule *s, struct job *j, struct span transport, struct span nexthop,
             struct span key, void *rcpt)
{
	struct transport   *t = transport_get(s, transport);
	struct destination *d = destination_get(t, key, nexthop);
	struct entry       *e = d->filling;

	if (!e || e->job != j || e->n_rcpts == (size_t)t->limits.recipient_limit) {
		e = entry_new(d, j);
		/* In a heap already: only its place may have changed. Else pick finds it when it
		 * settles. */
		destination_settle(d, d->not_before);
	}
	if (e->n_rcpts == e->room) {
		e->room = e->room ? e->room * 2 : 1;
		e->rcpts = mem_grow(e->rcpts, e->room, sizeof *e->rcpts);
	}
	e->rcpts[e->n_rcpts++] = rcpt;
}

/* Picking. */

static struct entry *
take_first(struct transport *t, int lane, int64_t now)
{
	struct destination *d = t->ready[lane].at[1];
	struct entry       *e = d->lanes[lane].first;

	destination_take(d, e);
	job_take(e->job, e);
	d->busy++;
	t->busy++;
	destination_settle(d, now);
	return e;
}

/* A destination in the heap may have to wait for its rate delay after all. */
static bool
lane_is_ready(struct transport *t, int lane, int64_t now)
{
	while (t->ready[lane].count) {
		struct destination *d = t->ready[lane].at[1];

		if (d->not_before <= now)
			return true;
		destination_settle(d, now);
	}
	return false;
}

static struct entry *
transport_pick(struct transport *t, int64_t now)
{
	if (t->busy >= t->limits.process_limit || t->dead.until > now || t->not_before > now)
		return NULL;
	for (int i = 1; i <= LANES; i++) {
		int lane = (t->turn + i) % LANES;

		if (lane_is_ready(t, lane, now)) {
			t->turn = lane;
			return take_first(t, lane, now);
		}
	}
	return NULL;
}

static bool
transport_waits(const struct transport *t)
{
	for (int i = 0; i < LANES; i++)
		if (t->ready[i].count)
			return true;
	return false;
}

/* Puts destinations whose rate delay is over back into the heaps; the next end otherwise. */
static int64_t
wake_delayed(struct schedule *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;

	for (struct transport *t = s->list; t; t = t->next) {
		struct span key;
		void       *value;

		if (t->not_before > now && t->not_before < next && transport_waits(t))
			next = t->not_before;
		if (!t->limits.rate_delay)
			continue;
		for (size_t at = 0; strmap_next(t->destinations, &at, &key, &value);) {
			struct destination *d = value;

			if (d->not_before <= now)
				destination_settle(d, now);
			else if (d->not_before < next)
				next = d->not_before;
		}
	}
	return next;
}

struct entry *
schedule_pick(struct schedule *s, int64_t now, int64_t *wake_at)
{
	int64_t next = wake_delayed(s, now);

	if (wake_at)
		*wake_at = next;
	for (struct transport **at = &s->list; *at; at = &(*at)->next) {
		struct transport *t = *at;
		struct entry     *e = transport_pick(t, now);

		if (!e)
			continue;
		*at = t->next; /* to the end: transports take turns */
		while (*at)
			at = &(*at)->next;
		t->next = NULL;
		*at = t;
		return e;
	}
	return NULL;
}

bool
schedule_has_work(const struct schedule *s, int64_t now)
{
	for (const struct transport *t = s->list; t; t = t->next)
		for (int i = 0; i < LANES; i++)
			if (t->ready[i].count && t->busy < t->limits.process_limit &&
			    t->dead.until <= now && t->not_before <= now)
				return true;
	return false;
}

/* Ending. */

static struct entry *
give_back(struct destination *d, struct entry *list)
{
	for (int i = 0; i < LANES; i++)
		for (struct entry *e; (e = d->lanes[i].first);) {
			destination_take(d, e);
			job_take(e->job, e);
			e->job_next = list;
			list = e;
		}
	destination_settle(d, 0);
	return list;
}

static void
free_if_idle(struct destination *d)
{
	bool waits = d->busy > 0 || d->dead.until || d->not_before > 0 || d->failed_cohorts > 0;

	for (int i = 0; i < LANES; i++)
		waits = waits || d->lanes[i].first;
	if (waits)
		return;
	strmap_remove(d->transport->destinations, span_at(d->key, d->key_len));
	destination_free(d);
}

struct entry *
schedule_finish(struct schedule *s, struct entry *e, enum delivery_result result,
                const struct suspension *why, int64_t now)
{
	struct destination *d = e->destination;
	struct transport   *t = d->transport;
	struct entry       *back = NULL;

	(void)s;
	assert(d->busy > 0 && t->busy > 0);
	if (result == DELIVERY_REACHED)
		destination_reached(d);
	d->busy--;
	t->busy--;
	if (t->limits.rate_delay)
		d->not_before = now + t->limits.rate_delay;
	if (t->limits.transport_rate_delay)
		t->not_before = now + t->limits.transport_rate_delay;
	if (result == DELIVERY_DEAD)
		d->failed_at = now;
	if (result == DELIVERY_DEAD && destination_failed(d)) {
		suspension_set(&d->dead, why, now + t->limits.destination_rest);
		back = give_back(d, NULL);
	}
	entry_free(e);
	destination_settle(d, now);
	free_if_idle(d);
	return back;
}

struct entry *
schedule_transport_dead(struct schedule *s, struct span transport, const struct suspension *why,
                        int64_t now)
{
	struct transport *t = transport_get(s, transport);
	struct entry     *list = NULL;
	struct span       key;
	void             *d;

	suspension_set(&t->dead, why, now + t->limits.transport_rest);
	for (size_t at = 0; strmap_next(t->destinations, &at, &key, &d);)
		list = give_back(d, list);
	return list;
}

struct entry *
schedule_drop(struct schedule *s, struct job *j)
{
	struct entry *list = NULL;

	(void)s;
	for (struct entry *e; (e = j->waiting);) {
		destination_take(e->destination, e);
		job_take(j, e);
		destination_settle(e->destination, e->destination->not_before);
		e->job_next = list;
		list = e;
	}
	return list;
}

void
schedule_revive(struct schedule *s)
{
	for (struct transport *t = s->list; t; t = t->next) {
		struct span key;
		void       *value;

		t->dead.until = 0;
		for (size_t at = 0; strmap_next(t->destinations, &at, &key, &value);) {
			struct destination *d = value;

			if (d->dead.until) {
				d->dead.until = 1;
				destination_is_dead(d, 1); /* its window begins anew */
			}
		}
	}
}

void
schedule_sweep(struct schedule *s, int64_t now)
{
	for (struct transport *t = s->list; t; t = t->next) {
		struct span key;
		void       *value;

		for (size_t at = 0; strmap_next(t->destinations, &at, &key, &value);) {
			struct destination *d = value;

			destination_is_dead(d, now);
			if (d->not_before <= now)
				d->not_before = 0;
			if (d->failed_at + t->limits.destination_rest <= now)
				d->failed_cohorts = 0;
			free_if_idle(d);
		}
	}
}

struct span
entry_transport(const struct entry *e)
{
	return span_of(e->destination->transport->name);
}

struct span
entry_nexthop(const struct entry *e)
{
	return span_of(e->destination->nexthop);
}

size_t
schedule_destination_count(const struct schedule *s)
{
	size_t count = 0;

	for (struct transport *t = s->list; t; t = t->next)
		count += strmap_count(t->destinations);
	return count;
}
