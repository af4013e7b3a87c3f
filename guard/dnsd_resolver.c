/* SPDX-License-Identifier: ISC */
/*
 * dnsd_resolver.c - libunbound behind a deadline
 *
 * Questions go out by ub_resolve_async from any task; one task takes the
 * answers in with ub_process and wakes whoever waits. A question that is given
 * up is cancelled; when the answer is being taken in just then, ub_cancel says
 * so and the waiter waits these microseconds for it.
 */
#include "dnsd_resolver.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "service/sandbox.h"
#include "base/mem.h"
#include "dnsd_records.h"

enum { WARM_MS = 3000, ANCHOR_FILE_MAX = 1 << 20 };

static struct {
	struct monitor lock;
	struct ub_ctx *context;
} resolver;

struct question {
	bool              done;
	int               error;
	struct ub_result *result;      /* owned once done */
};

static void
take_answer(void *argument, int error, struct ub_result *result)
{
	struct question *q = argument;

	monitor_enter(&resolver.lock);
	q->error = error;
	q->result = result;
	q->done = true;
	monitor_wake(&resolver.lock);
	monitor_leave(&resolver.lock);
}

static int
option(const char *name, const char *value, struct fault *why)
{
	int error = ub_ctx_set_option(resolver.context, name, value);

	return error ? fault_set(why, FAULT_SYSTEM, "libunbound: %s %s: %s", name, value, ub_strerror(error)) : 0;
}

/* "127.0.0.1@5353": TCP to that port is let through by the sandbox. */
static void
allow_port_of(struct span server)
{
	ptrdiff_t at = span_find(server, '@');
	uint64_t  port;

	if (at >= 0 && span_number(span_from(server, (size_t)at + 1), &port) && port > 0 && port <= UINT16_MAX)
		sandbox_allow_port((uint16_t)port);
}

static int
forward_to(const char *servers, struct fault *why)
{
	struct span rest = span_of(servers), one;

	while (span_next(&rest, ", \t", &one)) {
		autofree char *server = mem_span(one);
		int            error = ub_ctx_set_fwd(resolver.context, server);

		if (error)
			return fault_set(why, FAULT_INPUT, "dnsd_servers: %s: %s", server, ub_strerror(error));
		allow_port_of(one);
	}
	return 0;
}

static int
configure(const struct resolver_settings *s, struct fault *why)
{
	int error = 0;

	/* A forwarder on this machine, and internal zones, are ordinary here. */
	if (option("do-not-query-localhost:", "no", why) < 0 || option("unblock-lan-zones:", "yes", why) < 0 ||
	    option("insecure-lan-zones:", "yes", why) < 0)
		return -1;
	if (*s->servers)
		return forward_to(s->servers, why);
	error = ub_ctx_resolvconf(resolver.context, NULL);
	if (error)
		log_warning("libunbound: resolv.conf: %s: asking the root servers", ub_strerror(error));
	if (*s->hosts && (error = ub_ctx_hosts(resolver.context, s->hosts)) != 0)
		return fault_set(why, FAULT_INPUT, "libunbound: %s: %s", s->hosts, ub_strerror(error));
	return 0;
}

/*
 * libunbound answers for names of special use (RFC 6761) by itself; the site's own servers may know them
 * (a .onion behind a mapping resolver, .test and home.arpa in a laboratory), as the system's resolver would ask.
 */
static int
ask_about_special_names(struct fault *why)
{
	static const char *const zones[] = {"test.", "invalid.", "onion.", "home.arpa.", "resolver.arpa."};

	for (size_t i = 0; i < COUNT(zones); i++) {
		int error = ub_ctx_zone_add(resolver.context, zones[i], "transparent");

		if (error)
			return fault_set(why, FAULT_SYSTEM, "libunbound: %s: %s", zones[i], ub_strerror(error));
	}
	return 0;
}

/* The configuration, the anchor and the thread come at the first question. */
static int
warm(struct fault *why)
{
	struct question q = {0};
	int64_t         deadline = clock_after(WARM_MS);
	int             error, id;

	error = ub_resolve_async(resolver.context, "localhost", DNS_A, 1, &q, take_answer, &id);
	while (!error && !q.done && clock_left(deadline) > 0) {
		struct pollfd p = {.fd = ub_fd(resolver.context), .events = POLLIN};

		poll(&p, 1, clock_left(deadline));
		error = ub_process(resolver.context);
	}
	if (error || !q.done || q.error)
		return fault_set(why, FAULT_SYSTEM, "libunbound: %s", error ? ub_strerror(error) : ub_strerror(q.error));
	ub_resolve_free(q.result);
	return 0;
}

/* DS and DNSKEY records, one a line; also the file of an autotrust resolver. We read it: libunbound would want
 * to write it back, from inside the sandbox (ub_ctx_add_ta_autr). */
static int
add_anchors(const char *path, struct fault *why)
{
	autotext struct text bytes = {0};
	struct span          rest, line;
	size_t               count = 0;

	if (file_read(path, ANCHOR_FILE_MAX, &bytes, why) < 0)
		return -1;
	rest = text_span(&bytes);
	while (span_next(&rest, "\r\n", &line)) {
		struct span    record = SPAN_NONE;
		autofree char *text = NULL;
		int            error;

		span_split(&line, ';', &record);
		record = span_trim(record);
		if (record.len == 0)
			continue;
		text = mem_span(record);
		if ((error = ub_ctx_add_ta(resolver.context, text)) != 0)
			return fault_set(why, FAULT_INPUT, "dnsd_trust_anchor_file %s: %s", path, ub_strerror(error));
		count++;
	}
	return count ? 0 : fault_set(why, FAULT_INPUT, "dnsd_trust_anchor_file %s: no DS or DNSKEY record in it", path);
}

int
resolver_start(const struct resolver_settings *s, struct fault *why)
{
	int error;

	monitor_init(&resolver.lock);
	resolver.context = ub_ctx_create();
	if (!resolver.context)
		return fault_set(why, FAULT_SYSTEM, "libunbound: cannot start");
	if ((error = ub_ctx_async(resolver.context, 1)) != 0)
		return fault_set(why, FAULT_SYSTEM, "libunbound: %s", ub_strerror(error));
	if (configure(s, why) < 0)
		return -1;
	if (*s->trust_anchor && add_anchors(s->trust_anchor, why) < 0)
		return -1;
	if (ask_about_special_names(why) < 0)
		return -1;
	return warm(why);
}

static void
take_answers_in(void *unused)
{
	(void)unused;
	for (;;) {
		struct pollfd p = {.fd = ub_fd(resolver.context), .events = POLLIN};

		if (poll(&p, 1, -1) > 0 && ub_process(resolver.context) != 0)
			log_warning("libunbound: cannot take answers in");
	}
}

int
resolver_begin(struct fault *why)
{
	return task_start(take_answers_in, NULL, why);
}

static void
wait_for(struct question *q, int id, int64_t deadline)
{
	bool done;

	monitor_enter(&resolver.lock);
	while (!q->done && monitor_wait(&resolver.lock, deadline))
		;
	done = q->done;
	monitor_leave(&resolver.lock);
	if (done || ub_cancel(resolver.context, id) == 0)
		return;
	monitor_enter(&resolver.lock); /* too late to cancel: it is coming now */
	while (!q->done)
		monitor_wait(&resolver.lock, CLOCK_NEVER);
	monitor_leave(&resolver.lock);
}

static void
take_records(const struct ub_result *r, int type, struct resolver_answer *out)
{
	size_t count = 0;

	while (r->data && r->data[count])
		count++;
	out->records = mem_array(count, sizeof *out->records);
	for (size_t i = 0; i < count; i++) {
		struct fault why = {0};
		struct span  rdata = span_at(r->data[i], (size_t)r->len[i]);

		if (dns_record_print(type, rdata, &out->records[out->n_records], &why) == 0)
			out->n_records++;
		else
			text_free(&out->records[out->n_records]);
	}
}

/* RFC 1035, 4.1.1: rcodes 0 and 3 are answers, the others are trouble. */
static void
judge(const struct ub_result *r, int type, struct resolver_answer *out)
{
	out->secure = r->secure;
	out->ttl = r->ttl;
	if (r->bogus) {
		snprintf(out->trouble, sizeof out->trouble, "DNSSEC validation failure");
	} else if (r->nxdomain || r->rcode == 3) {
		out->state = RESOLVER_NXDOMAIN;
	} else if (r->rcode != 0) {
		snprintf(out->trouble, sizeof out->trouble, "Host not found, try again");
	} else if (!r->havedata) {
		out->state = RESOLVER_NONE;
	} else {
		take_records(r, type, out);
		out->state = out->n_records ? RESOLVER_FOUND : RESOLVER_TROUBLE;
		if (!out->n_records)
			snprintf(out->trouble, sizeof out->trouble, "Malformed or unexpected name server reply");
		if (r->canonname)
			text_add_string(&out->canonical, r->canonname);
	}
}

void
resolver_ask(struct span name, int type, int64_t deadline, struct resolver_answer *out)
{
	autofree char  *copy = mem_span(name);
	struct question q = {0};
	int             error, id = 0;

	*out = (struct resolver_answer){.state = RESOLVER_TROUBLE};
	error = ub_resolve_async(resolver.context, copy, type, 1, &q, take_answer, &id);
	if (error) {
		snprintf(out->trouble, sizeof out->trouble, "%s", ub_strerror(error));
		return;
	}
	wait_for(&q, id, deadline);
	if (!q.done || q.error || !q.result)
		snprintf(out->trouble, sizeof out->trouble, "Host not found, try again");
	else
		judge(q.result, type, out);
	if (q.result)
		ub_resolve_free(q.result);
}

void
resolver_answer_free(struct resolver_answer *a)
{
	for (size_t i = 0; i < a->n_records; i++)
		text_free(&a->records[i]);
	free(a->records);
	text_free(&a->canonical);
	*a = (struct resolver_answer){0};
}
