/* SPDX-License-Identifier: ISC */
/*
 * handoff.c - an entry, given to a delivery agent
 *
 * What an agent has reported stays reported when it dies; the rest is
 * deferred ("unknown mail transport error"). A message over which agents died
 * three times goes to hold. A kept connection that turns out dead before it
 * answered anything is tried once more on a new one: the agent had ended
 * between two deliveries.
 */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "qmgr.h"

enum { KILLS_MAX = 3, DONE_MS = 30 * 1000 };

enum ending { ENDED, AGENT_DIED, NOBODY_THERE, OWN_TROUBLE };

struct flight {
	struct qmgr      *q;
	struct message   *m;
	struct entry     *entry;
	struct span       transport;
	struct delivery   d;
	bool             *answered;
	size_t            n_answered, n;
	struct outcome   *list;         /* not recorded yet */
	bool              dead;
	struct suspension why;
	struct fault      fault;
};

/* Making the request. */

static struct deliver_rcpt *
make_rcpts(const struct entry *e)
{
	struct deliver_rcpt *rcpts = mem_array(e->n_rcpts, sizeof *rcpts);

	for (size_t i = 0; i < e->n_rcpts; i++) {
		const struct recipient *r = e->rcpts[i];

		rcpts[i] = (struct deliver_rcpt){.index = (int64_t)i,
		                                 .address = r->address,
		                                 .original = r->original,
		                                 .orcpt = r->orcpt,
		                                 .notify = r->notify};
	}
	return rcpts;
}

/* A descriptor of our own, since the message's may be closed by another task. */
static int
content_of(struct flight *f, int *fd)
{
	int opened;

	turn_take(f->q, f->m);
	opened = message_open(f->q, f->m, &f->fault);
	if (opened == 0 && (*fd = fcntl(f->m->content, F_DUPFD_CLOEXEC, 3)) < 0)
		opened = fault_errno(&f->fault, "dup");
	turn_give(f->q, f->m);
	return opened == 1 ? fault_set(&f->fault, FAULT_SYSTEM, "it is gone") : opened;
}

static struct span
sender_of(const struct flight *f, struct text *verp)
{
	return f->n == 1 ? message_sender(f->m, ((struct recipient *)f->entry->rcpts[0])->address, verp) : f->m->sender;
}

static void
describe(struct flight *f, int content, struct text *client, struct text *verp)
{
	const struct message *m = f->m;

	if (m->client_name.len)
		text_add_format(client, "%.*s[%.*s]", SPAN_ARGS(m->client_name),
		                SPAN_ARGS(m->client_address));
	f->d = (struct delivery){
		.queue_id = span_of(m->id),
		.transport = f->transport,
		.nexthop = entry_nexthop(f->entry),
		.sender = sender_of(f, verp),
		.envid = m->envid,
		.ret = m->ret,
		.body = m->body,
		.log_client = text_span(client),
		.sasl_method = m->sasl_method,
		.sasl_sender = m->sasl_sender,
		.sasl_user = m->sasl_user,
		.client_name = m->client_name,
		.client_address = m->client_address,
		.client_port = m->client_port,
		.helo = m->helo,
		.protocol = m->protocol,
		.size = m->size,
		.arrival_us = m->arrival_us,
		.active_us = m->active_us,
		.handed_us = clock_wall(),
		.smtputf8 = m->smtputf8,
		.verify_only = m->verify_only,
		.trace = m->trace,
		.wants_8bit = span_is_nocase(m->body, "8BITMIME"),
		.first_try = m->fresh && !m->tries && !m->killed,
		.soft_bounce = config.soft_bounce,
		.pieces = m->pieces,
		.content = content,
		.rcpts = make_rcpts(f->entry),
		.n_rcpts = f->n,
	};
}

/* Collecting the answers. */

static void
take_answer(struct flight *f, const struct deliver_answer *a)
{
	const struct deliver_status *s = &a->status;
	struct outcome *o = outcome_new(f->entry->rcpts[a->index], s->action, s->dsn, s->text);

	text_add(&o->mta, s->mta);
	text_add(&o->diagnostic, s->diagnostic);
	snprintf(o->report, sizeof o->report, "%s", s->report);
	o->next = f->list;
	f->list = o;
	f->answered[a->index] = true;
	f->n_answered++;
}

static bool
more_is_here(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static enum ending
collect(struct flight *f, int sock)
{
	autoframe struct frame frame = {0};
	struct deliver_answer  a;
	int                    got;

	for (;;) {
		bool all = f->n_answered == f->n;

		got = deliver_next(sock, &frame, &a,
		                   clock_after(all ? DONE_MS : config.answer_time), &f->fault);
		if (got != 0)
			break;
		if (a.index >= (int64_t)f->n || f->answered[a.index]) {
			fault_set(&f->fault, FAULT_INPUT, "an answer that nobody asked for");
			return AGENT_DIED;
		}
		take_answer(f, &a);
		/* Not the last: the message would be finished under our feet. */
		if (f->n_answered < f->n && !more_is_here(sock))
			outcomes_record(f->q, f->m, take(f->list));
	}
	if (got < 0)
		return f->n_answered == f->n ? ENDED : AGENT_DIED;
	if (f->n_answered < f->n) {
		fault_set(&f->fault, FAULT_INPUT, "done, without an answer for each recipient");
		return AGENT_DIED;
	}
	f->dead = a.destination_dead;
	snprintf(f->why.dsn, sizeof f->why.dsn, "%s", a.dsn);
	snprintf(f->why.text, sizeof f->why.text, "%.*s", SPAN_ARGS(a.status.text));
	return ENDED;
}

static enum ending
ask_agent(struct flight *f)
{
	autoclose int        content = -1;
	autotext struct text client = {0}, verp = {0};
	enum ending          ending;

	if (content_of(f, &content) < 0)
		return OWN_TROUBLE;
	describe(f, content, &client, &verp);
	for (;;) {
		autoclose int sock = -1;
		bool          kept, asked;

		if (agents_take(f->q, f->transport, &sock, &kept, &f->fault) < 0)
			return NOBODY_THERE;
		f->d.handed_us = clock_wall();
		asked = deliver_ask(sock, &f->d, clock_after(config.answer_time), &f->fault) == 0;
		ending = asked ? collect(f, sock) : AGENT_DIED;
		if (ending == ENDED && f->fault.class == FAULT_NONE)
			agents_give(f->q, f->transport, take_fd(sock));
		if (ending != AGENT_DIED || !kept || f->n_answered)
			return ending;
		if (asked) /* it may have delivered before it died */
			log_warning("%s: the agent of transport %.*s ended before it had answered: %s: asking another: possible duplicate",
			            f->m->id, SPAN_ARGS(f->transport), fault_text(&f->fault));
		fault_clear(&f->fault);
		f->d.first_try = false;
	}
}

/* Ending. */

static void
defer_rest(struct flight *f, const char *dsn, const char *text)
{
	struct outcome *list = NULL;

	for (size_t i = 0; i < f->n; i++) {
		struct outcome *o;

		if (f->answered[i])
			continue;
		o = outcome_new(f->entry->rcpts[i], DELIVER_DEFERRED, dsn, span_of(text));
		o->next = list;
		list = o;
	}
	outcomes_log(f->m, list, "none");
	while (list) {
		struct outcome *next = list->next;

		list->next = f->list;
		f->list = list;
		list = next;
	}
}

static void
count_kill(struct flight *f)
{
	struct message    *m = f->m;
	struct queue_event e = {.kind = EVENT_KILLED, .when_us = clock_wall()};
	bool               counts;

	qmgr_enter(f->q);
	counts = !f->q->stopping && !m->killed_now; /* once a run, however many were in flight */
	m->soon = true;
	m->killed_now = true;
	qmgr_leave(f->q);
	log_warning("%s: the agent of transport %.*s ended before it had answered: %s: possible duplicate", m->id,
	            SPAN_ARGS(f->transport), fault_text(&f->fault));
	if (!counts)
		return;
	turn_take(f->q, m);
	e.number = ++m->killed;
	if (message_open(f->q, m, &f->fault) != 0 || queue_journal_add(m->file, &e, &f->fault) < 0)
		log_warning("%s: %s", m->id, fault_text(&f->fault));
	turn_give(f->q, m);
	if (e.number < KILLS_MAX)
		return;
	log_warning("%s: agents ended %d times over this message: placed on hold", m->id,
	            (int)e.number);
	qmgr_enter(f->q);
	m->wish = m->wish ? m->wish : WISH_HOLD;
	qmgr_leave(f->q);
}

static struct entry *
end_entry(struct flight *f, enum ending ending)
{
	struct qmgr         *q = f->q;
	struct entry        *back = NULL, *rest;
	enum delivery_result result = ending != ENDED ? DELIVERY_UNKNOWN
	                              : f->dead       ? DELIVERY_DEAD
	                                              : DELIVERY_REACHED;

	qmgr_enter(q);
	if (ending == NOBODY_THERE)
		back = schedule_transport_dead(q->schedule, f->transport, &f->why, clock_now());
	rest = schedule_finish(q->schedule, f->entry, result, &f->why, clock_now());
	if (schedule_has_work(q->schedule, clock_now()))
		hands_wake_locked(q);
	qmgr_leave(q);
	if (!back)
		return rest;
	assert(!rest);
	return back;
}

void
handoff(struct qmgr *q, struct entry *e)
{
	struct flight f = {.q = q,
	                   .m = e->job->owner,
	                   .entry = e,
	                   .transport = entry_transport(e),
	                   .n = e->n_rcpts};
	autofree bool *answered = mem_array(e->n_rcpts, sizeof *answered);
	struct entry  *back;
	enum ending    ending;

	f.answered = answered;
	ending = ask_agent(&f);
	free(f.d.rcpts);
	(void)fault_point("qmgr.answered", NULL);
	if (ending == NOBODY_THERE) {
		log_warning("connect to transport private/%.*s: %s", SPAN_ARGS(f.transport),
		            f.fault.class == FAULT_SYSTEM ? strerror(f.fault.error)
		                                          : fault_text(&f.fault));
		f.why = (struct suspension){.dsn = "4.3.0", .text = "mail transport unavailable"};
		defer_rest(&f, "4.3.0", "mail transport unavailable");
	} else if (ending == AGENT_DIED) {
		count_kill(&f);
		defer_rest(&f, "4.3.0", "unknown mail transport error");
	} else if (ending == OWN_TROUBLE) {
		log_warning("%s: %s", f.m->id, fault_text(&f.fault));
		defer_rest(&f, "4.3.0", "queue file trouble");
	}
	back = end_entry(&f, ending);
	outcomes_record(q, f.m, f.list); /* the message may be gone now */
	entries_defer(q, back, &f.why);
}
