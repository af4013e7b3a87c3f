/* SPDX-License-Identifier: ISC */
/*
 * test_schedule.c - fairness, windows, death and back-off, with a clock of our own
 */
#include <stdio.h>

#include "../unit.h"
#include "../../../qmgr/due.h"
#include "../../../qmgr/retry.h"
#include "../../../qmgr/schedule.h"
#include "base/clock.h"
#include "base/mem.h"

static struct transport_limits limits = {.process_limit = 100,
                                         .initial = 5,
                                         .concurrency_limit = 20,
                                         .recipient_limit = 50,
                                         .cohort_limit = 1,
                                         .positive = {1, FEEDBACK_PLAIN},
                                         .negative = {1, FEEDBACK_PLAIN},
                                         .destination_rest = 300000,
                                         .transport_rest = 60000};

static void
give_limits(void *context, struct span transport, struct transport_limits *l)
{
	*l = *(struct transport_limits *)context;
	if (span_is(transport, "local"))
		l->recipient_limit = 1;
}

static struct schedule *
start(void)
{
	return schedule_new(give_limits, &limits);
}

static void
add(struct schedule *s, struct job *j, const char *transport, const char *nexthop, int count)
{
	for (int i = 0; i < count; i++)
		schedule_add(s, j, span_of(transport), span_of(nexthop), span_of(nexthop), j);
}

static void
add_spread(struct schedule *s, struct job *j, const char *transport, int count)
{
	for (int i = 0; i < count; i++) {
		char name[40];

		snprintf(name, sizeof name, "d%d.example", i);
		schedule_add(s, j, span_of(transport), span_of(name), span_of(name), j);
	}
}

static size_t
free_list(struct entry *list)
{
	size_t count = 0;

	for (struct entry *e = list, *next; e; e = next, count++) {
		next = e->job_next;
		entry_free(e);
	}
	return count;
}

UNIT_TEST(recipients_are_grouped_by_the_limit)
{
	struct schedule *s = start();
	struct job       j;
	struct entry    *e;

	job_begin(&j, 1, 120, NULL);
	add(s, &j, "smtp", "example.org", 120);
	for (int i = 0; i < 3; i++) {
		e = schedule_pick(s, 0, NULL);
		ck_assert_uint_eq(e->n_rcpts, i < 2 ? 50 : 20);
		ck_span(entry_nexthop(e), "example.org");
		ck_assert_ptr_null(schedule_finish(s, e, DELIVERY_REACHED, NULL, 0));
	}
	ck_assert_ptr_null(schedule_pick(s, 0, NULL));
	ck_assert_uint_eq(schedule_destination_count(s), 0);
	schedule_free(s);
}
END_TEST

/* postconf(5), default_transport_rate_delay: one delivery, then the delay, whatever the destination. */
UNIT_TEST(a_transport_waits_between_deliveries)
{
	struct schedule *s;
	struct job       j;
	struct entry    *e;
	int64_t          wake;

	limits.transport_rate_delay = 1000;
	s = start();
	job_begin(&j, 1, 2, NULL);
	add(s, &j, "slow", "a.example", 1);
	add(s, &j, "slow", "b.example", 1);
	limits.transport_rate_delay = 0;
	ck_assert_ptr_nonnull(e = schedule_pick(s, 0, NULL));
	ck_assert_ptr_null(schedule_pick(s, 0, NULL)); /* one at a time */
	schedule_finish(s, e, DELIVERY_REACHED, NULL, 100);
	ck_assert(!schedule_has_work(s, 1099));
	ck_assert_ptr_null(schedule_pick(s, 1099, &wake));
	ck_assert_int_eq(wake, 1100);
	ck_assert_ptr_nonnull(e = schedule_pick(s, 1100, NULL));
	schedule_finish(s, e, DELIVERY_REACHED, NULL, 1100);
	ck_assert_ptr_null(schedule_pick(s, 5000, NULL));
	schedule_free(s);
}
END_TEST

/* Mail for it may come one by one: it is dead all the same, not tried for each. */
UNIT_TEST(failures_count_while_nothing_waits)
{
	struct schedule        *s = start();
	const struct suspension why = {.dsn = "4.4.1", .text = "refused"};
	int                     tried = 0;

	for (int i = 0; i < 20; i++) {
		struct job    j;
		struct entry *e;

		if (schedule_suspended(s, SPAN("smtp"), SPAN("dead.example"), 1000 + i))
			continue;
		job_begin(&j, (uint64_t)i, 1, NULL);
		add(s, &j, "smtp", "dead.example", 1);
		ck_assert_ptr_nonnull(e = schedule_pick(s, 1000 + i, NULL));
		schedule_finish(s, e, DELIVERY_DEAD, &why, 1000 + i);
		tried++;
	}
	ck_assert_int_le(tried, 5);
	schedule_sweep(s, 1000 + 20 + limits.destination_rest);
	ck_assert_uint_eq(schedule_destination_count(s), 0);
	schedule_free(s);
}
END_TEST

UNIT_TEST(a_small_message_overtakes_a_big_one)
{
	struct schedule *s;
	struct job       big, small[3];
	struct entry    *e;
	int              before = 0;

	limits.process_limit = 1;
	s = start();
	job_begin(&big, 1, 1000, NULL);
	add_spread(s, &big, "local", 1000);
	for (int i = 0; i < 10; i++) {
		e = schedule_pick(s, 0, NULL);
		schedule_finish(s, e, DELIVERY_REACHED, NULL, 0);
	}
	job_begin(&small[0], 2, 1, NULL);
	add(s, &small[0], "local", "new.example", 1);
	while ((e = schedule_pick(s, 0, NULL))->job != &small[0]) {
		before++;
		schedule_finish(s, e, DELIVERY_REACHED, NULL, 0);
	}
	schedule_finish(s, e, DELIVERY_REACHED, NULL, 0);
	ck_assert_int_le(before, LANES);
	schedule_free(s);
	limits.process_limit = 100;
}
END_TEST

UNIT_TEST(a_flood_of_small_ones_does_not_starve_a_big_one)
{
	struct schedule *s;
	struct job       big, *small = mem_array(4000, sizeof *small);
	int              of_big = 0;

	limits.process_limit = 1;
	s = start();
	job_begin(&big, 1, 1000, NULL);
	add_spread(s, &big, "smtp", 1000);
	for (int i = 0; i < 4000; i++) {
		job_begin(&small[i], (uint64_t)i + 2, 1, NULL);
		add(s, &small[i], "smtp", "busy.example", 1);
	}
	for (int i = 0; i < 1000; i++) {
		struct entry *e = schedule_pick(s, 0, NULL);

		of_big += e->job == &big;
		schedule_finish(s, e, DELIVERY_REACHED, NULL, 0);
	}
	ck_assert_int_ge(of_big, 200);
	ck_assert_int_le(of_big, 800);
	schedule_free(s);
	free(small);
	limits.process_limit = 100;
}
END_TEST

UNIT_TEST(in_a_lane_the_oldest_goes_first)
{
	struct schedule *s = start();
	struct job       j[50];

	for (int i = 49; i >= 0; i--) {
		job_begin(&j[i], (uint64_t)i, 1, NULL);
		schedule_add(s, &j[i], SPAN("smtp"), SPAN("a"), i % 2 ? SPAN("a") : SPAN("b"),
		             NULL);
	}
	for (int i = 0; i < 10; i++)
		ck_assert_ptr_eq(schedule_pick(s, 0, NULL)->job, &j[i]);
	schedule_free(s);
}
END_TEST

UNIT_TEST(the_window_grows_with_success_up_to_the_limit)
{
	struct schedule *s = start();
	struct job       j;
	struct entry    *flight[100];
	int              in_flight = 0, widest = 0;

	job_begin(&j, 1, 10000, NULL);
	add(s, &j, "smtp", "example.org", 5000);
	for (int round = 0; round < 10; round++) {
		struct entry *e;

		while ((e = schedule_pick(s, 0, NULL)))
			flight[in_flight++] = e;
		if (round == 0)
			ck_assert_int_eq(in_flight, 5); /* initial_destination_concurrency */
		widest = in_flight > widest ? in_flight : widest;
		while (in_flight)
			schedule_finish(s, flight[--in_flight], DELIVERY_REACHED, NULL, 0);
	}
	ck_assert_int_eq(widest, 20); /* default_destination_concurrency_limit */
	schedule_free(s);
}
END_TEST

UNIT_TEST(a_cohort_of_failures_kills_a_destination)
{
	static const struct suspension why = {.dsn = "4.4.1", .text = "connection refused"};
	struct schedule *s = start();
	struct job       j, other;
	struct entry    *back = NULL;
	int              failures = 0;
	const struct suspension *said;

	job_begin(&j, 1, 1000, NULL);
	job_begin(&other, 2, 1, NULL);
	add(s, &j, "smtp", "dead.example", 1000);
	add(s, &other, "smtp", "alive.example", 1);
	while (!back && failures < 50) {
		struct entry *e = schedule_pick(s, 1000, NULL);

		if (e->job == &other) {
			schedule_finish(s, e, DELIVERY_REACHED, NULL, 1000);
			continue;
		}
		failures++;
		back = schedule_finish(s, e, DELIVERY_DEAD, &why, 1000);
	}
	ck_assert_int_le(failures, 5);
	ck_assert_uint_eq(free_list(back), 20 - (size_t)failures);
	ck_assert_ptr_null(j.waiting);
	said = schedule_suspended(s, SPAN("smtp"), SPAN("dead.example"), 2000);
	ck_assert_str_eq(said->text, "connection refused");
	ck_assert_ptr_null(schedule_suspended(s, SPAN("smtp"), SPAN("alive.example"), 2000));
	ck_assert_ptr_null(schedule_suspended(s, SPAN("smtp"), SPAN("dead.example"), 302000));
	add(s, &j, "smtp", "dead.example", 1);
	ck_assert_ptr_eq(schedule_pick(s, 302000, NULL)->job, &j);
	schedule_free(s);
}
END_TEST

UNIT_TEST(a_dead_transport_gives_everything_back_until_it_has_rested)
{
	static const struct suspension why = {.dsn = "4.3.0", .text = "mail transport unavailable"};
	struct schedule *s = start();
	struct job       j;
	struct entry    *e;

	job_begin(&j, 1, 3, NULL);
	add_spread(s, &j, "smtp", 3);
	add(s, &j, "local", "x", 1);
	while (!span_is(entry_transport(e = schedule_pick(s, 0, NULL)), "smtp"))
		schedule_finish(s, e, DELIVERY_REACHED, NULL, 0);
	ck_assert_uint_eq(free_list(schedule_transport_dead(s, SPAN("smtp"), &why, 0)), 2);
	ck_assert_ptr_null(schedule_finish(s, e, DELIVERY_UNKNOWN, NULL, 0));
	ck_assert_ptr_nonnull(schedule_suspended(s, SPAN("smtp"), SPAN("whoever"), 59999));
	ck_assert_ptr_null(schedule_suspended(s, SPAN("smtp"), SPAN("whoever"), 60000));
	schedule_free(s);
}
END_TEST

UNIT_TEST(flushing_revives_the_dead)
{
	static const struct suspension why = {.dsn = "4.3.0", .text = "gone"};
	struct schedule *s = start();
	struct job       j;

	job_begin(&j, 1, 3, NULL);
	add(s, &j, "smtp", "x", 1);
	free_list(schedule_transport_dead(s, SPAN("smtp"), &why, 0));
	schedule_revive(s);
	ck_assert_ptr_null(schedule_suspended(s, SPAN("smtp"), SPAN("x"), 0));
	schedule_free(s);
}
END_TEST

UNIT_TEST(a_rate_delay_spaces_deliveries)
{
	struct schedule *s;
	struct job       j;
	struct entry    *e;
	int64_t          wake;

	limits.rate_delay = 1000;
	s = start();
	job_begin(&j, 1, 200, NULL);
	add(s, &j, "smtp", "slow.example", 150);
	e = schedule_pick(s, 0, &wake);
	ck_assert_ptr_null(schedule_pick(s, 0, &wake)); /* one at a time */
	schedule_finish(s, e, DELIVERY_REACHED, NULL, 500);
	ck_assert_ptr_null(schedule_pick(s, 1499, &wake));
	ck_assert_int_eq(wake, 1500);
	e = schedule_pick(s, 1500, &wake);
	ck_assert_ptr_nonnull(e);
	schedule_finish(s, e, DELIVERY_REACHED, NULL, 1600);
	schedule_free(s);
	limits.rate_delay = 0;
}
END_TEST

UNIT_TEST(a_message_can_be_withdrawn)
{
	struct schedule *s = start();
	struct job       a, b;

	job_begin(&a, 1, 400, NULL);
	job_begin(&b, 2, 400, NULL);
	add_spread(s, &a, "smtp", 200);
	add_spread(s, &b, "smtp", 200);
	ck_assert_uint_eq(free_list(schedule_drop(s, &a)), 200);
	for (struct entry *e; (e = schedule_pick(s, 0, NULL));) {
		ck_assert_ptr_eq(e->job, &b);
		schedule_finish(s, e, DELIVERY_REACHED, NULL, 0);
	}
	ck_assert_ptr_null(b.waiting);
	ck_assert_uint_eq(schedule_destination_count(s), 0);
	schedule_free(s);
}
END_TEST

/* Whatever happens in whatever order, each recipient comes out once. */
UNIT_TEST(nothing_is_lost_in_any_order)
{
	static const struct suspension why = {.dsn = "4.4.1", .text = "no"};
	enum { JOBS = 300 };
	struct schedule *s = start();
	struct job      *jobs = mem_array(JOBS, sizeof *jobs);
	struct entry    *flight[200];
	size_t           in = 0, out = 0;
	int              n_flight = 0;
	int64_t          now = 0;

	srandom(7);
	for (int step = 0, next = 0; step < 40000; step++, now += random() % 50) {
		long         what = random() % 12;
		struct entry *e;

		if (what == 0 && next < JOBS) {
			int n = (int)(random() % 300) + 1;

			job_begin(&jobs[next], (uint64_t)next, n, NULL);
			for (int i = 0; i < n; i++) {
				char name[20];

				snprintf(name, sizeof name, "d%ld.", random() % 40);
				if (schedule_suspended(s, SPAN("smtp"),
				                       span_at(name, strlen(name) + 1), now))
					continue; /* qmgr's keys hold a NUL */
				schedule_add(s, &jobs[next], SPAN("smtp"), span_of(name),
				             span_at(name, strlen(name) + 1), NULL);
				in++;
			}
			next++;
		} else if (what == 1 && next) {
			for (e = schedule_drop(s, &jobs[random() % next]); e; e = e->job_next)
				out += e->n_rcpts; /* leaked in this test: counted only */
		} else if (what < 7 && n_flight < 200 && (e = schedule_pick(s, now, NULL))) {
			out += e->n_rcpts;
			flight[n_flight++] = e;
		} else if (n_flight) {
			int pick = (int)(random() % n_flight);

			e = schedule_finish(s, flight[pick],
			                    random() % 3 ? DELIVERY_REACHED : DELIVERY_DEAD, &why,
			                    now);
			flight[pick] = flight[--n_flight];
			for (; e; e = e->job_next)
				out += e->n_rcpts;
		}
		if (step % 1000 == 0)
			schedule_sweep(s, now);
	}
	while (n_flight || out < in) {
		struct entry *e = n_flight < 200 ? schedule_pick(s, now, NULL) : NULL;

		if (e) {
			out += e->n_rcpts;
			flight[n_flight++] = e;
		} else {
			ck_assert_int_gt(n_flight, 0);
			schedule_finish(s, flight[--n_flight], DELIVERY_REACHED, NULL, now);
		}
	}
	ck_assert_uint_eq(in, out);
	for (int i = 0; i < JOBS; i++)
		ck_assert_ptr_null(jobs[i].waiting);
	schedule_sweep(s, now + 1000000);
	ck_assert_uint_eq(schedule_destination_count(s), 0);
	schedule_free(s);
	free(jobs);
}
END_TEST

UNIT_TEST(feedback_is_read_as_postconf_writes_it)
{
	static const struct {
		const char *text;
		bool good;
		double value;
		enum feedback_divisor divisor;
	} rows[] = {
		{"1", true, 1, FEEDBACK_PLAIN},
		{"0.5", true, 0.5, FEEDBACK_PLAIN},
		{"1/concurrency", true, 1, FEEDBACK_CONCURRENCY},
		{"1 / sqrt_concurrency", true, 1, FEEDBACK_SQRT},
		{"2", false, 0, 0},
		{"-1", false, 0, 0},
		{"", false, 0, 0},
		{"1/x", false, 0, 0},
		{"one", false, 0, 0},
		{"nan", false, 0, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct feedback f = {0};

		ck_assert_msg(feedback_parse(span_of(rows[i].text), &f) == rows[i].good, "%s",
		              rows[i].text);
		ck_assert(f.value == rows[i].value && f.divisor == rows[i].divisor);
	}
}
END_TEST

UNIT_TEST(back_off_is_the_age_within_bounds)
{
	static const struct retry_policy p = {.minimal_backoff = 300000,
	                                      .maximal_backoff = 4000000,
	                                      .lifetime = 432000000,
	                                      .bounce_lifetime = 86400000,
	                                      .warning = 14400000};
	const int64_t second = 1000000, now = 2000000 * second;

	ck_assert_int_eq(retry_due(&p, now - 5 * second, now), now + 300 * second);
	ck_assert_int_eq(retry_due(&p, now - 1000 * second, now), now + 1000 * second);
	ck_assert_int_eq(retry_due(&p, now - 100000 * second, now), now + 4000 * second);
	ck_assert_int_eq(retry_due(&p, now + 100000 * second, now),
	                 now + 300 * second); /* the clock went back */
	ck_assert(!retry_expired(&p, false, now - 431999 * second, now));
	ck_assert(retry_expired(&p, false, now - 432000 * second, now));
	ck_assert(retry_expired(&p, true, now - 86400 * second, now));
	ck_assert(!retry_warns(&p, now - 14399 * second, now));
	ck_assert(retry_warns(&p, now - 14400 * second, now));
}
END_TEST

UNIT_TEST(a_hundred_thousand_due_times_come_out_in_order)
{
	struct due *d = due_new();
	char        id[DUE_ID_SIZE];
	int         n = 0;

	srandom(3);
	for (int i = 0; i < 100000; i++) {
		snprintf(id, sizeof id, "id%d", i);
		due_add(d, span_of(id), (random() % 5000) * 1000000);
	}
	ck_assert(!due_take(d, -1000000, id));
	for (int64_t now = 0; now < 5000; now++) {
		while (due_take(d, now * 1000000, id))
			n++;
		ck_assert_int_gt(due_next(d), now * 1000000);
	}
	ck_assert_int_eq(n, 100000);
	due_free(d);
}
END_TEST

UNIT_TEST(due_times_can_be_hurried_and_refilled)
{
	struct due *d = due_new();
	char        id[DUE_ID_SIZE];

	due_add(d, SPAN("a"), 5000000);
	due_add(d, SPAN("b"), 6000000);
	due_add(d, SPAN("c"), 7000000);
	ck_assert(due_hurry_one(d, SPAN("c")) && !due_hurry_one(d, SPAN("x")));
	ck_assert(due_take(d, 0, id));
	ck_assert_str_eq(id, "c");
	due_refill_begin(d);
	due_refill(d, SPAN("a"), 5000000);
	due_add(d, SPAN("z"), 1000000);
	due_refill_end(d);
	ck_assert_uint_eq(due_count(d), 2);
	due_hurry(d);
	ck_assert(due_take(d, 0, id) && due_take(d, 0, id) && !due_take(d, 0, id));
	due_free(d);
}
END_TEST

static bool
is_odd(void *count, struct span id)
{
	++*(size_t *)count;
	return (id.at[id.len - 1] - '0') % 2;
}

UNIT_TEST(many_are_hurried_in_one_pass)                     /* ETRN of a domain for which half of the queue waits */
{
	struct due *d = due_new();
	char        id[DUE_ID_SIZE], name[16];
	size_t      asked = 0, odd = 0;

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "%05d", i);
		due_add(d, span_of(name), (int64_t)(i * 7919 % 5000 + 10) * 1000000);
	}
	ck_assert_uint_eq(due_hurry_some(d, is_odd, &asked), 2500);
	ck_assert_uint_eq(asked, 5000);
	for (; due_take(d, 0, id); odd++)
		ck_assert(id[4] % 2);
	ck_assert_uint_eq(odd, 2500);
	for (int64_t last = 0; due_count(d); last = due_next(d)) {
		ck_assert_int_ge(due_next(d), last);
		ck_assert(due_take(d, (int64_t)10000 * 1000000, id) && id[4] % 2 == 0);
	}
	due_free(d);
}
END_TEST

UNIT_MAIN("qmgr/schedule", recipients_are_grouped_by_the_limit, a_transport_waits_between_deliveries, failures_count_while_nothing_waits, a_small_message_overtakes_a_big_one,
          a_flood_of_small_ones_does_not_starve_a_big_one, in_a_lane_the_oldest_goes_first,
          the_window_grows_with_success_up_to_the_limit, a_cohort_of_failures_kills_a_destination,
          a_dead_transport_gives_everything_back_until_it_has_rested, flushing_revives_the_dead,
          a_rate_delay_spaces_deliveries, a_message_can_be_withdrawn, nothing_is_lost_in_any_order,
          feedback_is_read_as_postconf_writes_it, back_off_is_the_age_within_bounds,
          a_hundred_thousand_due_times_come_out_in_order, due_times_can_be_hurried_and_refilled, many_are_hurried_in_one_pass)
