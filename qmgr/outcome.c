/* SPDX-License-Identifier: ISC */
/*
 * outcome.c - what became of a recipient, on disk
 *
 * Done, failed and delivered-but-not-told are bytes set in place, so that a
 * full disk cannot stop them; the reasons go into the journal, which may lose
 * its tail. One flush covers all outcomes that are there when a turn begins.
 * A mark that cannot be made would mean endless duplicates: the message is
 * stopped, with an alarm in the log, until somebody looks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "ipc/ask_verify.h"
#include "ipc/submit.h"
#include "qmgr.h"

struct outcome *
outcome_new(struct recipient *r, enum deliver_action action, const char *dsn, struct span text)
{
	struct outcome *o = mem_alloc(sizeof *o);

	o->rcpt = r;
	o->action = action;
	snprintf(o->dsn, sizeof o->dsn, "%s", dsn);
	text_add(&o->text, text);
	if (action == DELIVER_BOUNCED && config.soft_bounce) {
		o->action = DELIVER_DEFERRED;
		o->dsn[0] = '4';
	}
	return o;
}

static void
outcome_free(struct outcome *o)
{
	text_free(&o->text);
	text_free(&o->mta);
	text_free(&o->diagnostic);
	free(o);
}

void
outcomes_log(struct message *m, const struct outcome *o, const char *relay)
{
	struct delivery d = {.queue_id = span_of(m->id),
	                     .arrival_us = m->arrival_us,
	                     .active_us = m->active_us,
	                     .verify_only = m->verify_only};

	for (; o; o = o->next) {
		struct deliver_rcpt r = {.address = o->rcpt->address,
		                         .original = o->rcpt->original};
		struct deliver_status s = {.action = o->action,
		                           .dsn = o->dsn,
		                           .text = text_span(&o->text),
		                           .relay = span_of(relay)};

		deliver_log(&d, &r, &s, NULL);
	}
}

/* RFC 3461, 4.1: nobody is told unless NOTIFY asks, or is absent. */
static bool
wants_failure(const struct recipient *r)
{
	return r->notify == NOTIFY_DEFAULT || (r->notify & NOTIFY_FAILURE);
}

static enum queue_rcpt_state
state_of(const struct message *m, const struct outcome *o)
{
	bool report = m->verify_only || m->trace || (config.confirm_delay_cleared && m->warned && m->sender.len);

	if (m->probe)
		return RCPT_DONE;
	if (o->action == DELIVER_DEFERRED)
		return m->verify_only ? RCPT_SUCCESS : RCPT_TODO;
	if (o->action == DELIVER_BOUNCED)
		return m->verify_only           ? RCPT_SUCCESS
		       : wants_failure(o->rcpt) ? RCPT_FAILED
		                                : RCPT_DONE;
	return report || ((o->rcpt->notify & NOTIFY_SUCCESS) && strcmp(o->report, "none") != 0)
	               ? RCPT_SUCCESS
	               : RCPT_DONE;
}

static enum queue_event_kind
event_of(enum deliver_action action)
{
	static const enum queue_event_kind kinds[] = {EVENT_SENT, EVENT_DEFERRED, EVENT_FAILED};

	return kinds[action];
}

static int
journal(struct message *m, const struct outcome *o, struct fault *why)
{
	struct queue_event e = {.kind = event_of(o->action),
	                        .rcpt_at = o->rcpt->at,
	                        .when_us = clock_wall(),
	                        .dsn = span_of(o->dsn),
	                        .text = span_first(text_span(&o->text), 2000),
	                        .mta = span_first(text_span(&o->mta), 300),
	                        .diagnostic = span_first(text_span(&o->diagnostic), 2000),
	                        .action = span_of(o->report)};

	return queue_journal_add(m->file, &e, why);
}

struct tally {
	size_t  count;
	int64_t deferred;
	bool    marked, failed, succeeded;
};

static int
record_one(struct message *m, const struct outcome *o, struct tally *t, struct fault *why)
{
	enum queue_rcpt_state state = state_of(m, o);
	struct fault          lost = {0};

	/* The reason first: a mark without a reason would make an empty notice. Losing it is not
	 * fatal. */
	if (state != RCPT_DONE && journal(m, o, &lost) < 0)
		log_warning("%s", fault_text(&lost));
	if (state == RCPT_TODO) {
		t->deferred++;
		return 0;
	}
	if (queue_file_mark(m->file, o->rcpt->at, state, why) < 0)
		return -1;
	t->marked = true;
	t->failed |= state == RCPT_FAILED;
	t->succeeded |= state == RCPT_SUCCESS;
	return 0;
}

static int
record_all(struct qmgr *q, struct message *m, const struct outcome *list, struct tally *t,
           struct fault *why)
{
	int opened;

	for (const struct outcome *o = list; o; o = o->next)
		t->count++;
	opened = message_open(q, m, why);
	if (opened != 0)
		return opened == 1 ? fault_set(why, FAULT_SYSTEM, "it is gone") : -1;
	for (const struct outcome *o = list; o; o = o->next)
		if (record_one(m, o, t, why) < 0)
			return -1;
	(void)fault_point("qmgr.marked", NULL);
	return t->marked ? queue_file_sync(m->file, why) : 0;
}

static struct outcome *
take_pending(struct qmgr *q, struct message *m)
{
	struct outcome *list;

	qmgr_enter(q);
	list = take(m->pending);
	qmgr_leave(q);
	return list;
}

/* True when this was the last of the range. */
static bool
settle(struct qmgr *q, struct message *m, const struct tally *t, bool trouble)
{
	struct entry *dropped = NULL;
	bool          last;

	qmgr_enter(q);
	m->deferred += t->deferred;
	m->failed |= t->failed;
	m->succeeded |= t->succeeded;
	m->suspended |= trouble;
	if (trouble && m->in_job)
		dropped = schedule_drop(q->schedule, &m->job);
	m->left -= t->count + 1; /* and this task's own hold */
	for (struct entry *next; dropped; dropped = next) {
		next = dropped->job_next;
		m->left -= dropped->n_rcpts;
		entry_free(dropped);
	}
	last = m->left == 0;
	qmgr_leave(q);
	return last;
}

/* Lost when verify is away: then it is asked again, and probes again. */
static void
tell_verify(const struct outcome *o)
{
	static const enum verify_state states[] = {VERIFY_OK, VERIFY_DEFER, VERIFY_BOUNCE};
	struct fault                   why = {0};

	for (; o; o = o->next) {
		struct span asked = o->rcpt->original.len ? o->rcpt->original : o->rcpt->address;

		if (ask_verify_update(asked, states[o->action], text_span(&o->text), &why) < 0)
			log_warning("address verification result for <%.*s>: %s", SPAN_ARGS(asked), fault_text(&why));
	}
}

void
outcomes_record(struct qmgr *q, struct message *m, struct outcome *list)
{
	struct outcome *end = list, *next;
	struct tally    t = {0};
	struct fault    why = {0};
	bool            trouble, last;

	if (!list)
		return;
	if (m->probe)
		tell_verify(list);
	while (end->next)
		end = end->next;
	qmgr_enter(q);
	end->next = m->pending;
	m->pending = list;
	m->left++; /* others may record ours while we wait for our turn: m must not go away */
	qmgr_leave(q);
	turn_take(q, m);
	list = take_pending(q, m); /* with what others brought meanwhile */
	trouble = list && record_all(q, m, list, &t, &why) < 0;
	turn_give(q, m);
	if (trouble)
		log_error(
			"%s: cannot record what was delivered: %s: delivery of this message is SUSPENDED, "
			"to keep its recipients from getting it again and again",
			m->id, fault_text(&why));
	for (; list; list = next) {
		next = list->next;
		outcome_free(list);
	}
	last = settle(q, m, &t, trouble);
	if (last)
		message_go_on(q, m);
}

void
entries_defer(struct qmgr *q, struct entry *e, const struct suspension *why)
{
	autotext struct text text = {0};

	text_add_format(&text, "delivery temporarily suspended: %s", why->text);
	for (struct entry *next; e; e = next) {
		struct message *m = e->job->owner;
		struct outcome *list = NULL;

		next = e->job_next;
		for (size_t i = 0; i < e->n_rcpts; i++) {
			struct outcome *o = outcome_new(e->rcpts[i], DELIVER_DEFERRED, why->dsn,
			                                text_span(&text));

			o->next = list;
			list = o;
		}
		entry_free(e);
		outcomes_log(m, list, "none");
		outcomes_record(q, m, list); /* m may be gone now */
	}
}
