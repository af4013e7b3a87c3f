/* SPDX-License-Identifier: ISC */
/*
 * active.c - a message in memory: loaded, its recipients assigned range by range
 *
 * No more than a range of recipients is in memory, so that a message to a
 * million costs what one to a thousand does. Its file is locked while open;
 * when very many messages wait, files are closed and opened again when needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "ipc/ask_verify.h"
#include "ipc/log_address.h"
#include "qmgr.h"

enum {
	RANGE_MAX = 1000,
	OPEN_FILES_MAX = 1000,
	AGAIN_LOCKED_US = 2000000,
	AGAIN_TROUBLE_US = 60000000
};

/* Memory. */

struct message *
message_new(const char *id)
{
	struct message *m = mem_alloc(sizeof *m);

	snprintf(m->id, sizeof m->id, "%s", id);
	m->content = -1;
	m->active_us = clock_wall();
	return m;
}

static void
free_range(struct qmgr *q, struct message *m)
{
	qmgr_enter(q);
	q->rcpts -= m->n_rcpts;
	qmgr_leave(q);
	m->n_rcpts = 0;
	free(take(m->rcpts));
	arena_free(take(m->range));
}

static void
close_file(struct qmgr *q, struct message *m)
{
	if (!m->file)
		return;
	queue_file_close(take(m->file));
	close(take_fd(m->content));
	qmgr_enter(q);
	q->open_files--;
	qmgr_leave(q);
}

void
message_forget(struct qmgr *q, struct message *m)
{
	free_range(q, m);
	close_file(q, m);
	qmgr_enter(q);
	strmap_remove(q->messages, span_of(m->id));
	q->n_active--;
	q->n_deferred_active -= m->was_deferred;
	monitor_wake(&q->lock); /* for wishes that wait until it is theirs */
	if (intake_wake_locked(q) <= clock_wall())
		hands_wake_locked(q);
	qmgr_leave(q);
	arena_free(m->arena);
	free(m);
}

/* Turns at the file. */

void
turn_take(struct qmgr *q, struct message *m)
{
	qmgr_enter(q);
	while (m->turn) {
		q->turn_waiters++;
		pthread_cond_wait(&q->turns, &q->lock.mutex);
		q->turn_waiters--;
	}
	m->turn = true;
	qmgr_leave(q);
}

void
turn_give(struct qmgr *q, struct message *m)
{
	qmgr_enter(q);
	m->turn = false;
	if (q->turn_waiters)
		pthread_cond_broadcast(&q->turns);
	qmgr_leave(q);
}

/* 0; 1 it is not there; -1. */
int
message_open(struct qmgr *q, struct message *m, struct fault *why)
{
	int got;

	if (m->file)
		return 0;
	got = queue_file_open(q->queue, QUEUE_ACTIVE, m->id, QUEUE_OPEN_WRITE, &m->file, why);
	if (got != 0)
		return got;
	if (queue_file_content(m->file, &m->content, why) < 0) {
		queue_file_close(take(m->file));
		return -1;
	}
	qmgr_enter(q);
	q->open_files++;
	qmgr_leave(q);
	return 0;
}

/* Loading. */

static struct span
keep(struct message *m, struct span s)
{
	return arena_span(m->arena, s.at ? s : SPAN_NONE);
}

static void
keep_envelope(struct message *m)
{
	const struct queue_envelope *e = queue_file_envelope(m->file);
	autotext struct text         pieces = {0};

	m->arena = arena_new();
	m->sender = keep(m, e->sender);
	m->envid = keep(m, e->envid);
	m->ret = keep(m, e->ret);
	m->body = keep(m, e->body);
	m->filter = keep(m, e->filter);
	m->verp = keep(m, e->verp);
	m->client_name = keep(m, e->client_name);
	m->client_address = keep(m, e->client_address);
	m->client_port = keep(m, e->client_port);
	m->helo = keep(m, e->helo);
	m->protocol = keep(m, e->protocol);
	m->sasl_method = keep(m, e->sasl_method);
	m->sasl_sender = keep(m, e->sasl_user.len ? e->auth : SPAN_NONE);
	m->sasl_user = keep(m, e->sasl_user);
	message_pieces_print(&e->content, &pieces);
	m->pieces = keep(m, text_span(&pieces));
	m->size = e->content.size;
	m->arrival_us = e->arrival_us;
	m->smtputf8 = e->smtputf8;
	m->verify_only = e->verify_only;
	m->trace = e->trace;
	m->probe = e->verify_only && span_is(e->origin, VERIFY_ORIGIN);
	m->expired = queue_file_expired(m->file);
	m->next_at = queue_file_rcpt_first(m->file);
}

static int
read_journal(struct message *m, struct fault *why)
{
	int64_t at = 0;

	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct queue_event      e;
		int                     got = queue_journal_next(m->file, &at, arena, &e, why);

		if (got <= 0)
			return got;
		if (e.kind == EVENT_TRIED)
			m->tries = e.number;
		else if (e.kind == EVENT_KILLED)
			m->killed = e.number;
		else if (e.kind == EVENT_WARNED)
			m->warned = true;
	}
}

/* What could not be loaded: a damaged file is kept for a human, else it is tried again. */
static void
give_up_loading(struct qmgr *q, struct message *m, struct fault *why)
{
	struct fault  other = {0};
	int64_t       wait = AGAIN_TROUBLE_US;

	if (why->class == FAULT_INPUT) {
		if (queue_quarantine(q->queue, QUEUE_ACTIVE, m->id, fault_text(why), &other) < 0)
			log_warning("%s", fault_text(&other));
		message_forget(q, m);
		return;
	}
	if (why->class == FAULT_TIME) {
		log_info("%s: skipped, still being delivered", m->id);
		wait = AGAIN_LOCKED_US;
	} else {
		log_warning("%s: %s", m->id, fault_text(why));
	}
	qmgr_enter(q);
	intake_again_locked(q, m->id, clock_wall() + wait);
	qmgr_leave(q);
	message_forget(q, m);
}

static int
move_to_active(struct qmgr *q, struct message *m, enum queue_state from)
{
	struct fault why = {0};
	int moved = from == QUEUE_ACTIVE ? 0
	                                 : queue_move(q->queue, m->id, from, QUEUE_ACTIVE, &why);

	if (moved < 0) { /* it stays where it is: found again by the next walk, or when due */
		log_warning("%s", fault_text(&why));
		if (from == QUEUE_DEFERRED) {
			qmgr_enter(q);
			intake_deferred_locked(q, m->id, clock_wall() + AGAIN_TROUBLE_US);
			qmgr_leave(q);
		}
	}
	return moved;
}

static void
log_loaded(const struct message *m)
{
	autotext struct text from = {0};

	log_add_address(&from, "from=", m->sender);
	log_info("%s: %s, size=%lld, nrcpt=%lld (queue active)", m->id, text_string(&from), (long long)m->size,
	         (long long)queue_file_rcpt_count(m->file));
}

void
message_load(struct qmgr *q, struct message *m, enum queue_state from)
{
	struct fault why = {0};
	int          got;

	if (move_to_active(q, m, from) != 0) {
		message_forget(q, m);
		return;
	}
	m->fresh = from == QUEUE_INCOMING;
	(void)fault_point("qmgr.active", NULL);
	got = message_open(q, m, &why);
	if (got == 1) {
		message_forget(q, m);
		return;
	}
	if (got == 0) {
		keep_envelope(m);
		got = read_journal(m, &why);
	}
	if (got < 0) {
		give_up_loading(q, m, &why);
		return;
	}
	log_loaded(m);
	message_go_on(q, m);
}

/* A range of recipients. */

static size_t
range_size(struct qmgr *q)
{
	size_t room;

	qmgr_enter(q);
	room = (size_t)config.recipient_limit > q->rcpts ? (size_t)config.recipient_limit - q->rcpts
	                                                 : 0;
	qmgr_leave(q);
	if (room > RANGE_MAX)
		return RANGE_MAX;
	return room > (size_t)config.recipient_minimum ? room : (size_t)config.recipient_minimum;
}

static void
add_rcpt(struct message *m, const struct queue_rcpt *r, size_t limit)
{
	if (m->n_rcpts % 16 == 0) {
		size_t room = m->n_rcpts + 16 < limit ? m->n_rcpts + 16 : limit;

		m->rcpts = mem_grow(m->rcpts, room, sizeof *m->rcpts);
	}
	m->rcpts[m->n_rcpts++] = (struct recipient){r->at, r->address, r->original, r->orcpt,
	                                            r->notify};
}

static int
read_range(struct qmgr *q, struct message *m, struct fault *why)
{
	size_t            limit = range_size(q);
	struct queue_rcpt r;
	int               got = 0;

	m->range = arena_new();
	while (m->n_rcpts < limit &&
	       (got = queue_file_rcpt(m->file, m->next_at, m->range, &r, why)) > 0) {
		m->next_at = r.next;
		if (r.state == RCPT_TODO)
			add_rcpt(m, &r, limit);
		m->failed |= r.state == RCPT_FAILED;
		m->succeeded |= r.state == RCPT_SUCCESS || r.state == RCPT_EXPANDED;
	}
	if (m->n_rcpts < limit && got == 0)
		m->next_at = 0;
	qmgr_enter(q);
	q->rcpts += m->n_rcpts;
	m->left = m->n_rcpts + 1; /* one for the task that assigns them */
	qmgr_leave(q);
	return got < 0 ? -1 : 0;
}

static bool
give_up_hold_of(struct qmgr *q, struct message *m)
{
	bool last;

	qmgr_enter(q);
	last = --m->left == 0;
	qmgr_leave(q);
	return last;
}

/* Files of messages that only wait are closed when there are very many. */
static void
spare_file(struct qmgr *q, struct message *m)
{
	bool many;

	qmgr_enter(q);
	many = q->open_files > OPEN_FILES_MAX;
	qmgr_leave(q);
	if (!many)
		return;
	turn_take(q, m);
	close_file(q, m);
	turn_give(q, m);
}

static bool
is_over(struct qmgr *q, struct message *m)
{
	bool over;

	qmgr_enter(q);
	over = m->wish || m->next_at == 0;
	qmgr_leave(q);
	return over;
}

/* The next qmgr goes on with it. */
static bool
is_withdrawn(struct qmgr *q, struct message *m)
{
	bool withdrawn;

	qmgr_enter(q);
	withdrawn = m->withdrawn || (q->stopping && m->next_at != 0 && !m->wish);
	qmgr_leave(q);
	return withdrawn;
}

static bool
is_suspended(struct qmgr *q, struct message *m)
{
	bool suspended;

	qmgr_enter(q);
	suspended = m->suspended;
	qmgr_leave(q);
	return suspended;
}

/*
 * Marks could not be made: tried again, it would go to recipients who have it. On hold it stays untouched until
 * somebody looks, across restarts too. Where even that fails it stays in active/, and in the table, so that nobody loads it.
 */
static void
put_aside(struct qmgr *q, struct message *m)
{
	struct fault why = {0};
	int          moved;

	close_file(q, m);
	moved = queue_move(q->queue, m->id, QUEUE_ACTIVE, QUEUE_HOLD, &why);
	if (moved == 0 && queue_sync(q->queue, QUEUE_HOLD, &why) == 0)
		log_warning("%s: placed on hold", m->id);
	if (moved >= 0)
		message_forget(q, m);
	else
		log_error("%s: %s: it rests in active/ until the queue manager is started again", m->id, fault_text(&why));
}

static int
open_again(struct qmgr *q, struct message *m, struct fault *why)
{
	int got = message_open(q, m, why);

	return got == 1 ? fault_set(why, FAULT_SYSTEM, "it is gone") : got;
}

void
message_go_on(struct qmgr *q, struct message *m)
{
	struct fault why = {0};

	for (;;) {
		struct outcome *list;

		free_range(q, m);
		if (is_withdrawn(q, m)) {
			message_forget(q, m);
			return;
		}
		if (is_suspended(q, m)) {
			put_aside(q, m);
			return;
		}
		if (open_again(q, m, &why) < 0) {
			give_up_loading(q, m, &why);
			return;
		}
		if (is_over(q, m)) {
			message_finish(q, m);
			return;
		}
		if (read_range(q, m, &why) < 0) {
			give_up_loading(q, m, &why);
			return;
		}
		list = m->n_rcpts ? message_assign(q, m) : NULL;
		outcomes_log(m, list, "none");
		spare_file(q, m);
		outcomes_record(q, m, list);
		if (!give_up_hold_of(q, m))
			return;
	}
}

static struct message *
next_to_withdraw_locked(struct qmgr *q, size_t *at)
{
	struct span id;
	void       *value;

	while (strmap_next(q->messages, at, &id, &value)) {
		struct message *m = value;
		struct entry   *list = m->in_job ? schedule_drop(q->schedule, &m->job) : NULL;
		bool            last = false;

		for (struct entry *next; list; list = next) {
			next = list->job_next;
			m->withdrawn = true;
			m->left -= list->n_rcpts;
			last = m->left == 0;
			entry_free(list);
		}
		if (last)
			return m;
	}
	return NULL;
}

void
messages_withdraw(struct qmgr *q)
{
	for (;;) {
		struct message *m;
		size_t          at = 0;

		qmgr_enter(q);
		m = next_to_withdraw_locked(q, &at);
		qmgr_leave(q);
		if (!m)
			return;
		message_forget(q, m);
	}
}
