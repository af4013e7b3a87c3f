/* SPDX-License-Identifier: ISC */
/*
 * destination.c - a next hop: what waits for it, and how much it can take
 *
 * Feedback and its numbers are postconf(5)'s: initial_destination_concurrency,
 * *_destination_concurrency_positive_feedback and its kin.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "schedule_private.h"

/* The heap of destinations that are ready in a lane. */

static uint64_t
age(const struct destination *d, int lane)
{
	return d->lanes[lane].first->job->number;
}

static void
set(struct ready *r, int lane, size_t place, struct destination *d)
{
	r->at[place] = d;
	d->lanes[lane].place = place;
}

static void
rise(struct ready *r, int lane, size_t place, struct destination *d)
{
	for (; place > 1 && age(d, lane) < age(r->at[place / 2], lane); place /= 2)
		set(r, lane, place, r->at[place / 2]);
	set(r, lane, place, d);
}

static void
sink(struct ready *r, int lane, size_t place, struct destination *d)
{
	for (size_t child; (child = place * 2) <= r->count; place = child) {
		if (child < r->count && age(r->at[child + 1], lane) < age(r->at[child], lane))
			child++;
		if (age(d, lane) <= age(r->at[child], lane))
			break;
		set(r, lane, place, r->at[child]);
	}
	set(r, lane, place, d);
}

static void
ready_fix(struct ready *r, int lane, struct destination *d)
{
	size_t place = d->lanes[lane].place;

	if (!place) {
		if (r->count + 2 > r->room) {
			r->room = r->room ? r->room * 2 : 16;
			r->at = mem_grow(r->at, r->room, sizeof *r->at);
		}
		place = ++r->count;
	}
	rise(r, lane, place, d);
	sink(r, lane, d->lanes[lane].place, d);
}

static void
ready_remove(struct ready *r, int lane, struct destination *d)
{
	size_t              place = d->lanes[lane].place;
	struct destination *last;

	if (!place)
		return;
	d->lanes[lane].place = 0;
	last = r->at[r->count--];
	if (last == d)
		return;
	rise(r, lane, place, last);
	sink(r, lane, last->lanes[lane].place, last);
}

void
destination_settle(struct destination *d, int64_t now)
{
	bool open = d->busy < d->window && d->not_before <= now;

	for (int i = 0; i < LANES; i++)
		if (open && d->lanes[i].first)
			ready_fix(&d->transport->ready[i], i, d);
		else
			ready_remove(&d->transport->ready[i], i, d);
}

/* What waits. */

void
destination_put(struct destination *d, struct entry *e)
{
	struct lane  *l = &d->lanes[e->job->lane];
	struct entry *before = l->last;

	while (before && before->job->number > e->job->number)
		before = before->lane_before; /* a refill of an older job */
	e->lane_before = before;
	e->lane_next = before ? before->lane_next : l->first;
	*(before ? &before->lane_next : &l->first) = e;
	*(e->lane_next ? &e->lane_next->lane_before : &l->last) = e;
}

void
destination_take(struct destination *d, struct entry *e)
{
	struct lane *l = &d->lanes[e->job->lane];

	*(e->lane_before ? &e->lane_before->lane_next : &l->first) = e->lane_next;
	*(e->lane_next ? &e->lane_next->lane_before : &l->last) = e->lane_before;
	e->lane_before = e->lane_next = NULL;
	if (d->filling == e)
		d->filling = NULL;
}

/* Finding and making. */

struct destination *
destination_find(struct transport *t, struct span key)
{
	return strmap_get(t->destinations, key);
}

static void
begin_window(struct destination *d)
{
	const struct transport_limits *l = &d->transport->limits;

	d->window = l->rate_delay ? 1 : l->initial;
	if (l->concurrency_limit && d->window > l->concurrency_limit)
		d->window = l->concurrency_limit;
	d->success = d->failure = d->failed_cohorts = 0;
}

struct destination *
destination_get(struct transport *t, struct span key, struct span nexthop)
{
	struct destination *d = destination_find(t, key);

	if (d)
		return d;
	d = mem_alloc(sizeof *d);
	d->transport = t;
	d->key = mem_span(key);
	d->key_len = key.len;
	d->nexthop = mem_span(nexthop);
	begin_window(d);
	strmap_put(t->destinations, key, d);
	return d;
}

void
destination_free(struct destination *d)
{
	free(d->key);
	free(d->nexthop);
	free(d);
}

void
suspension_set(struct suspension *s, const struct suspension *why, int64_t until)
{
	*s = *why;
	s->until = until;
}

bool
destination_is_dead(struct destination *d, int64_t now)
{
	if (d->dead.until && d->dead.until <= now) {
		d->dead.until = 0;
		begin_window(d);
	}
	return d->dead.until != 0;
}

/* Feedback. */

static double
weigh(const struct feedback *f, int window)
{
	switch (f->divisor) {
	case FEEDBACK_CONCURRENCY:
		return f->value / window;
	case FEEDBACK_SQRT:
		return f->value / sqrt(window);
	case FEEDBACK_PLAIN:
		break;
	}
	return f->value;
}

void
destination_reached(struct destination *d)
{
	const struct transport_limits *l = &d->transport->limits;

	d->failed_cohorts = 0;
	if (d->dead.until)
		return;
	/* A window far wider than what is used would let a burst through unasked. */
	if (l->rate_delay || d->window >= d->busy + l->initial)
		return;
	if (l->concurrency_limit && d->window >= l->concurrency_limit)
		return;
	for (d->success += weigh(&l->positive, d->window); d->success >= 1; d->success -= 1) {
		d->window++;
		d->failure = 0;
	}
}

bool
destination_failed(struct destination *d)
{
	const struct transport_limits *l = &d->transport->limits;

	if (d->dead.until)
		return false;
	d->failed_cohorts += 1.0 / d->window;
	if (l->cohort_limit && d->failed_cohorts > l->cohort_limit - 0.001) {
		d->window = 0;
		return true;
	}
	for (d->failure += weigh(&l->negative, d->window); d->failure >= 1; d->failure -= 1) {
		if (d->window > 1)
			d->window--;
		d->success = 0;
	}
	return false;
}

bool
feedback_parse(struct span in, struct feedback *out)
{
	autofree char *number = NULL;
	char          *end;
	struct span    head;
	bool           divided = span_split(&in, '/', &head);
	struct feedback f = {0};

	number = mem_span(span_trim(head));
	f.value = strtod(number, &end);
	if (end == number || *end || !(f.value >= 0 && f.value <= 1))
		return false;
	in = span_trim(in);
	if (divided && span_is(in, "concurrency"))
		f.divisor = FEEDBACK_CONCURRENCY;
	else if (divided && span_is(in, "sqrt_concurrency"))
		f.divisor = FEEDBACK_SQRT;
	else if (divided)
		return false;
	*out = f;
	return true;
}
