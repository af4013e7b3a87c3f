/* SPDX-License-Identifier: ISC */
/*
 * assign.c - where the recipients of a range go: to the schedule, or to their end at once
 *
 * rewrite says which transport and next hop; what needs no agent (error, retry, discard,
 * suspended destinations, defer_transports) is decided here.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/ask_rewrite.h"
#include "mail/verify_sender.h"
#include "qmgr.h"

/* content_filter and FILTER: "transport:nexthop"; without next hop default_filter_nexthop or the recipient's domain. */
static void
apply_filter(const struct message *m, struct route *r)
{
	struct span rest = m->filter, transport;
	ptrdiff_t   at = span_find_last(r->recipient, '@');

	if (!m->filter.len)
		return;
	span_split(&rest, ':', &transport);
	r->transport = transport;
	r->nexthop = rest.len ? rest
	             : config.default_filter_nexthop[0] ? span_of(config.default_filter_nexthop)
	                                                : span_from(r->recipient, (size_t)(at + 1));
	r->is_error = false;
}

/* "5.1.1 text" of an error transport's next hop. */
static struct outcome *
outcome_of_text(struct recipient *r, enum deliver_action action, const char *dsn,
                const char *fallback, struct span text)
{
	struct span rest = text, first;
	char        code[16];

	snprintf(code, sizeof code, "%s", dsn[0] ? dsn : fallback);
	if (!dsn[0] && span_split(&rest, ' ', &first) && first.len >= 5 &&
	    first.len < sizeof code && first.at[0] == fallback[0] && first.at[1] == '.') {
		snprintf(code, sizeof code, "%.*s", SPAN_ARGS(first));
		text = span_trim(rest);
	}
	code[0] = fallback[0];
	return outcome_new(r, action, code, text);
}

static bool
is_double_bounce(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	if (config.verify_sender_ttl > 0 &&
	    verify_sender_is(span_of(config.verify_sender), config.verify_sender_ttl, clock_wall(), address))
		return true;
	return at >= 0 &&
	       span_is_nocase(span_first(address, (size_t)at), config.double_bounce_sender);
}

/* What qmgr decides by itself, or NULL. */
static struct outcome *
decide(struct recipient *r, const struct route *route)
{
	if (route->class == ROUTE_LOCAL && is_double_bounce(r->address))
		return outcome_new(r, DELIVER_SENT, "2.0.0",
		                   SPAN("undeliverable postmaster notification discarded"));
	if (span_is(route->transport, "error"))
		return outcome_of_text(r, DELIVER_BOUNCED, route->dsn, "5.0.0", route->nexthop);
	if (span_is(route->transport, "retry"))
		return outcome_of_text(r, DELIVER_DEFERRED, route->dsn, "4.0.0", route->nexthop);
	if (span_is(route->transport, "discard"))
		return outcome_new(r, DELIVER_SENT, "2.0.0",
		                   route->nexthop.len ? route->nexthop : SPAN("discarded"));
	for (size_t i = 0; i < config.defer_transports.count; i++)
		if (span_is(route->transport, config.defer_transports.item[i]))
			return outcome_new(r, DELIVER_DEFERRED, "4.3.2",
			                   SPAN("deferred transport"));
	return NULL;
}

static struct outcome *
outcome_suspended(struct recipient *r, const struct suspension *s)
{
	autotext struct text text = {0};

	text_add_format(&text, "delivery temporarily suspended: %s", s->text);
	return outcome_new(r, DELIVER_DEFERRED, s->dsn, text_span(&text));
}

static struct outcome *
assign_one_locked(struct qmgr *q, struct message *m, struct recipient *r, const struct route *route)
{
	autotext struct text     key = {0};
	const struct suspension *s;

	text_add(&key, route->nexthop);
	text_add_byte(&key, '\0');
	if (m->verp.len || schedule_recipient_limit(q->schedule, route->transport) == 1)
		text_add(&key, r->address); /* concurrency is per recipient then, as in Postfix */
	text_lower(&key);
	s = schedule_suspended(q->schedule, route->transport, text_span(&key), clock_now());
	if (s)
		return outcome_suspended(r, s);
	schedule_add(q->schedule, &m->job, route->transport, route->nexthop, text_span(&key), r);
	return NULL;
}

static struct outcome *
assign_routes(struct qmgr *q, struct message *m, struct route *routes)
{
	struct outcome *list = NULL, *o;

	qmgr_enter(q);
	if (!m->in_job) {
		job_begin(&m->job, q->next_job++, queue_file_rcpt_count(m->file), m);
		m->in_job = true;
		monitor_wake(&q->lock);
	}
	for (size_t i = 0; i < m->n_rcpts; i++) {
		struct recipient *r = &m->rcpts[i];

		if (m->wish) {
			m->left--; /* it is being withdrawn */
			continue;
		}
		if (routes[i].recipient.len)
			r->address = arena_span(m->range, routes[i].recipient);
		apply_filter(m, &routes[i]);
		o = decide(r, &routes[i]);
		if (!o)
			o = assign_one_locked(q, m, r, &routes[i]);
		if (o) {
			o->next = list;
			list = o;
		}
	}
	if (list) /* else this hand goes on with what it has added, without a wait between */
		hands_wake_locked(q);
	qmgr_leave(q);
	return list;
}

struct outcome *
message_assign(struct qmgr *q, struct message *m)
{
	autoarena struct arena *arena = arena_new();
	autofree struct span   *in = mem_array(m->n_rcpts, sizeof *in);
	autofree struct route  *routes = mem_array(m->n_rcpts, sizeof *routes);
	struct outcome         *list = NULL;
	struct fault            why = {0};

	for (size_t i = 0; i < m->n_rcpts; i++)
		in[i] = m->rcpts[i].address;
	if ((m->probe ? ask_resolve_probe : ask_resolve)(m->sender, in, m->n_rcpts, arena, routes, &why) == 0)
		return assign_routes(q, m, routes);
	log_warning("%s: %s", m->id, fault_text(&why));
	m->soon = true;
	for (size_t i = 0; i < m->n_rcpts; i++) {
		struct outcome *o = outcome_new(&m->rcpts[i], DELIVER_DEFERRED, "4.3.0",
		                                SPAN("address resolver failure"));

		o->next = list;
		list = o;
	}
	return list;
}
