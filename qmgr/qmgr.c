/* SPDX-License-Identifier: ISC */
/*
 * qmgr.c - the queue manager: what waits, what goes next, and what became of it
 *
 * One process, of which one task looks after time, notices and the tools, and
 * others (hands.c) load and deliver. See qmgr.h for the rooms.
 */
#include "qmgr.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/master_cf.h"
#include "config/site.h"
#include "service/service.h"

struct qmgr_config config;

static const struct param params[] = {
	STRING("address_verify_sender", &config.verify_sender, "$double_bounce_sender",
               "the sender of probes: mail to it is discarded while address_verify_sender_ttl is set"),
	DURATION("address_verify_sender_ttl", &config.verify_sender_ttl, "0s", "0s", "",
                 "how long it is the same; 0: always"),
	DURATION("minimal_backoff_time", &config.retry.minimal_backoff, "300s", "1s", "",
                 "shortest time between tries of a message, and the rest of a dead destination"),
	DURATION("maximal_backoff_time", &config.retry.maximal_backoff, "4000s", "1s", "",
                 "longest time between tries of a message"),
	DURATION("queue_run_delay", &config.run_delay, "300s", "1s", "",
                 "how often deferred mail is looked at"),
	DURATION("maximal_queue_lifetime", &config.retry.lifetime, "5d", "0", "90d",
                 "then a message is returned"),
	DURATION("bounce_queue_lifetime", &config.retry.bounce_lifetime, "5d", "0", "90d",
                 "then a message with null sender is given up"),
	DURATION("delay_warning_time", &config.retry.warning, "0h", "0", "",
                 "when the sender is told that mail is late; 0: never"),
	DURATION("transport_retry_time", &config.transport_rest, "60s", "1s", "",
                 "rest of a transport whose agents are not there"),
	NUMBER("qmgr_message_active_limit", &config.active_limit, "20000", "1", "",
               "messages in memory"),
	NUMBER("qmgr_message_recipient_limit", &config.recipient_limit, "20000", "1", "",
               "recipients in memory"),
	NUMBER("qmgr_message_recipient_minimum", &config.recipient_minimum, "10", "1", "",
               "recipients of a message in memory, whatever the limit"),
	NUMBER("initial_destination_concurrency", NULL, "5", "1", "",
               "deliveries at once to a destination, at first"),
	STRING("default_filter_nexthop", &config.default_filter_nexthop, "",
               "next hop of a filter that names none; empty: the recipient's domain"),
	BOOLEAN("confirm_delay_cleared", &config.confirm_delay_cleared, "no",
                "who was told that mail is late is told when it has arrived"),
	BOOLEAN("disable_verp_bounces", &config.disable_verp_bounces, "no",
                "failure notices of VERP mail go to the plain sender, not to one for each recipient"),
	LIST("defer_transports", &config.defer_transports, "", "transports that wait for a flush"),
	NUMBER("default_destination_concurrency_limit", NULL, "20", "0", "",
               "deliveries at once to a destination; <transport>_ for one"),
	NUMBER("default_destination_recipient_limit", NULL, "50", "0", "",
               "recipients of one delivery; <transport>_ for one"),
	NUMBER("default_destination_concurrency_failed_cohort_limit", NULL, "1", "0", "",
               "windows of failures that make a destination dead; 0: never"),
	STRING("default_destination_concurrency_positive_feedback", NULL, "1",
               "how the window grows with success"),
	STRING("default_destination_concurrency_negative_feedback", NULL, "1",
               "how the window shrinks with failure"),
	DURATION("default_destination_rate_delay", NULL, "0s", "0", "",
                 "between deliveries to a destination"),
	DURATION("default_transport_rate_delay", NULL, "0s", "0", "",
                 "between deliveries by a transport, one at a time; <transport>_ for one"),
	NUMBER("local_destination_concurrency_limit", NULL, "2", "0", "",
               "deliveries at once to a local recipient"),
	NUMBER("local_destination_recipient_limit", NULL, "1", "0", "",
               "recipients of one local delivery"),
	END_OF_PARAMS};

/* The monitor. */

void
qmgr_enter(struct qmgr *q)
{
	monitor_enter(&q->lock);
}

void
qmgr_leave(struct qmgr *q)
{
	monitor_leave(&q->lock);
}

/* Limits of a transport out of main.cf. */

static int
number_of(const char *transport, const char *suffix, const char *fallback)
{
	struct fault why = {0};
	int          n = 0;

	if (param_transport_number(config.main_cf, transport, suffix, fallback, &n, &why) < 0)
		log_warning("%s", fault_text(&why));
	return n;
}

static void
feedback_of(const char *transport, const char *suffix, const char *fallback, struct feedback *f)
{
	autotext struct text value = {0};
	struct fault         why = {0};

	*f = (struct feedback){1, FEEDBACK_PLAIN};
	if (param_transport_text(config.main_cf, transport, suffix, fallback, &value, &why) < 0 ||
	    !feedback_parse(text_span(&value), f))
		log_warning("%s%s: bad feedback \"%s\": 1 is used", transport, suffix,
		            text_string(&value));
}

/* As many agents as master will start; it says 0 where there is no limit. */
static int
process_limit_of(const char *transport)
{
	const struct master_row *row = master_cf_find(config.master_cf, transport, MASTER_UNIX);

	if (!row || row->maxproc == MASTER_DEFAULT)
		return config.process_limit;
	return row->maxproc > 0 ? row->maxproc : INT_MAX;
}

static int64_t
duration_of(const char *transport, const char *suffix, const char *fallback)
{
	struct fault why = {0};
	int64_t      ms = 0;

	if (param_transport_duration(config.main_cf, transport, suffix, fallback, &ms, &why) < 0)
		log_warning("%s", fault_text(&why));
	return ms;
}

static void
limits_of(void *context, struct span name, struct transport_limits *l)
{
	autofree char *transport = mem_span(name);

	(void)context;
	l->process_limit = process_limit_of(transport);
	l->initial = number_of(transport, "_initial_destination_concurrency", "initial_destination_concurrency");
	l->destination_rest = config.retry.minimal_backoff;
	l->transport_rest = config.transport_rest;
	l->concurrency_limit = number_of(transport, "_destination_concurrency_limit",
	                                 "default_destination_concurrency_limit");
	l->recipient_limit = number_of(transport, "_destination_recipient_limit",
	                               "default_destination_recipient_limit");
	l->cohort_limit = number_of(transport, "_destination_concurrency_failed_cohort_limit",
	                            "default_destination_concurrency_failed_cohort_limit");
	feedback_of(transport, "_destination_concurrency_positive_feedback",
	            "default_destination_concurrency_positive_feedback", &l->positive);
	feedback_of(transport, "_destination_concurrency_negative_feedback",
	            "default_destination_concurrency_negative_feedback", &l->negative);
	l->rate_delay = duration_of(transport, "_destination_rate_delay", "default_destination_rate_delay");
	l->transport_rate_delay = duration_of(transport, "_transport_rate_delay", "default_transport_rate_delay");
}

/* Starting. */

static struct qmgr *
qmgr_new(struct fault *why)
{
	struct qmgr *q = mem_alloc(sizeof *q);

	monitor_init(&q->lock);
	pthread_cond_init(&q->turns, NULL);
	if (queue_open(service->root ? "." : site.queue_directory, &q->queue, why) < 0) {
		free(q);
		return NULL;
	}
	q->schedule = schedule_new(limits_of, NULL);
	q->intake = intake_new();
	q->hands = hands_new();
	q->agents = agents_new();
	q->messages = strmap_new();
	return q;
}

/* What is wrong with it is master's to say. */
static int
read_services(struct fault *why)
{
	struct faults faults = {0};

	(void)why;
	config.master_cf = master_cf_read(service->config_directory, service->main_cf, &faults);
	faults_free(&faults);
	return 0;
}

/* Before the sandbox: a descriptor for each message and each delivery. */
static int
prepare(struct fault *why)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return fault_errno(why, "getrlimit");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	control_prepare();
	return read_services(why);
}

static void
settle_config(void)
{
	if (config.retry.bounce_lifetime > config.retry.lifetime) {
		log_warning(
			"bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime");
		config.retry.bounce_lifetime = config.retry.lifetime;
	}
	config.main_cf = service->main_cf;
	config.soft_bounce = site.soft_bounce;
	config.double_bounce_sender = site.double_bounce_sender;
	config.process_limit = site.default_process_limit;
	config.answer_time = site.daemon_timeout;
	config.private_directory = service->root ? "/private"
	                                         : mem_format("%s/private", site.queue_directory);
}

/* Running. */

enum {
	TICK_MS = 1000,
	WALK_MS = 10 * 1000,
	SWEEP_MS = 10 * 1000,
	REFILL_MS = 3600 * 1000,
	ACTIVE_MS = 30 * 1000,
	DRAIN_MS = 100 * 1000,
	SWEEP_AGE = 36 * 3600
};

struct loop {
	struct qmgr           *q;
	const struct listener *listener;
	size_t                 count;
	bool                  *is_notice;
	int64_t                next_walk, next_sweep, next_refill, next_active;
	int                    run;            /* run_begin's */
};

static void
accept_control(struct qmgr *q, int listener)
{
	struct fault    why = {0};
	struct control *c;
	int             sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0)
		return;
	c = mem_alloc(sizeof *c);
	*c = (struct control){q, sock};
	if (task_start(control_serve, c, &why) < 0) {
		log_warning("%s", fault_text(&why));
		close(sock);
		free(c);
	}
}

static void
sweep_incoming(struct qmgr *q)
{
	struct fault why = {0};
	int          count = 0;

	if (queue_sweep(q->queue, SWEEP_AGE, &count, &why) < 0)
		log_warning("%s", fault_text(&why));
	else if (count)
		log_info("removed %d unfinished messages whose writers have died", count);
}

static void
do_walks(struct loop *o)
{
	int64_t      now = clock_now();
	struct qmgr *q = o->q;
	struct fault why = {0};
	bool         wants;

	qmgr_enter(q);
	wants = intake_wants_scan_locked(q);
	qmgr_leave(q);
	if (wants || now >= o->next_walk) {
		o->next_walk = now + WALK_MS;
		intake_scan_incoming(q);
	}
	if (now >= o->next_active) { /* what a qmgr before us, draining, let go of after we had looked */
		o->next_active = now + REFILL_MS;
		intake_scan_active(q, false, true);
	}
	if (now >= o->next_refill) {
		o->next_refill = now + REFILL_MS;
		sweep_incoming(q);
		if (task_start(intake_scan_deferred, q, &why) < 0)
			log_warning("%s", fault_text(&why));
	}
}

/* What time brings: ms until there is more of it. */
static int
tick(struct loop *o)
{
	struct qmgr *q = o->q;
	int64_t      now = clock_now(), due, rate;
	int64_t      wait = TICK_MS;

	do_walks(o);
	agents_expire(q);
	qmgr_enter(q);
	if (now >= o->next_sweep) {
		o->next_sweep = now + SWEEP_MS;
		schedule_sweep(q->schedule, now);
	}
	due = intake_wake_locked(q);
	rate = hands_schedule_wake_locked(q);
	if (due <= clock_wall() || rate <= now)
		hands_wake_locked(q);
	else if (rate - now < wait)
		wait = rate - now;
	qmgr_leave(q);
	return (int)wait;
}

static void
listen_once(struct loop *o, struct pollfd *p)
{
	int wait = tick(o);

	p[0] = (struct pollfd){.fd = service_stop_fd(), .events = POLLIN};
	for (size_t i = 0; i < o->count; i++)
		p[i + 1] = (struct pollfd){.fd = o->listener[i].fd, .events = POLLIN};
	if (poll(p, o->count + 1, wait) <= 0)
		return;
	for (size_t i = 0; i < o->count; i++) {
		if (!p[i + 1].revents)
			continue;
		if (o->is_notice[i])
			intake_notice(o->q, o->listener[i].fd);
		else
			accept_control(o->q, o->listener[i].fd);
	}
}

/* Deliveries in flight end; what waits stays in active/ for the next qmgr. */
static void
drain(struct loop *o)
{
	struct qmgr *q = o->q;
	int64_t deadline = clock_after(DRAIN_MS);
	int     busy;

	qmgr_enter(q);
	q->stopping = true;
	qmgr_leave(q);
	messages_withdraw(q); /* their locks are what the next qmgr waits for */
	do {
		poll(NULL, 0, 20);
		qmgr_enter(q);
		busy = hands_busy_locked(q);
		qmgr_leave(q);
	} while (busy > 0 && clock_now() < deadline);
	if (busy == 0)
		run_ended_well(o->run);
	else
		log_warning(
			"%d deliveries did not end in time: what their agents still deliver may be delivered twice",
			busy);
}

static int
run(const struct listener *listener, size_t count, struct fault *why)
{
	struct qmgr          *q;
	bool                  ended_well;
	struct loop           o = {.listener = listener, .count = count};
	autofree struct pollfd *p = mem_array(count + 1, sizeof *p);
	autofree bool        *is_notice = mem_array(count, sizeof *is_notice);

	settle_config();
	q = qmgr_new(why);
	if (!q)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int       type = 0;
		socklen_t size = sizeof type;

		getsockopt(listener[i].fd, SOL_SOCKET, SO_TYPE, &type, &size);
		is_notice[i] = type == SOCK_DGRAM;
	}
	o.q = q;
	o.is_notice = is_notice;
	o.run = run_begin(q->queue, &ended_well, why);
	if (o.run < 0)
		return -1;
	o.next_active = clock_after(ACTIVE_MS);
	intake_scan_active(q, true, ended_well);
	while (!service_stopping())
		listen_once(&o, p);
	drain(&o);
	close(o.run);
	return 0;
}

static const char *const asks[] = {"rewrite", "bounce", "cleanup", "verify", NULL};
static const char *const files[] = {"$queue_directory", NULL};

static const struct service qmgr = {
	.name = "qmgr",
	.about = "queue manager: schedules deliveries, tries again, gives up, tells the sender",
	.role = ROLE_MAIL,
	.model = SERVE_ITSELF,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE,
	.reads = files,
	.writes = files,
	.params = params,
	.prepare = prepare,
	.run = run,
};

int
main(int argc, char **argv)
{
	return service_run(&qmgr, argc, argv);
}
