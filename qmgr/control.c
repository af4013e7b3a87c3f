/* SPDX-License-Identifier: ISC */
/*
 * control.c - what postqueue, postsuper and smtpd ask of the running qmgr
 *
 * A message that is active belongs to the tasks that deliver it: it gets a
 * wish, which is fulfilled when no delivery of it is in flight any more. Any other
 * message is claimed (entered into the table, so that nobody loads it) while
 * its file is changed.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/notify.h"
#include "ipc/peer.h"
#include "ipc/queue_talk.h"
#include "qmgr.h"
#include "service/service.h"

enum { READY };

struct session {
	struct qmgr *q;
	int          sock;
	bool         may_change;
};

/* Flushing. */

static int
do_flush(void *given, struct frame *request, struct frame *answer, struct fault *why)
{
	struct session *s = given;

	(void)request;
	(void)why;
	qmgr_enter(s->q);
	schedule_revive(s->q->schedule);
	intake_flush_locked(s->q);
	hands_wake_locked(s->q);
	qmgr_leave(s->q);
	queue_answer_done(answer, 0);
	return READY;
}

static void
hurry(struct qmgr *q, struct span id)
{
	qmgr_enter(q);
	if (!intake_flush_one_locked(q, id))
		intake_add_locked(q, id, QUEUE_DEFERRED);
	hands_wake_locked(q);
	qmgr_leave(q);
}

static void
revive(struct qmgr *q)
{
	qmgr_enter(q);
	schedule_revive(q->schedule);
	qmgr_leave(q);
}

static int
do_flush_one(void *given, struct frame *request, struct frame *answer, struct fault *why)
{
	struct session  *s = given;
	struct span      id = SPAN_NONE, domain;
	enum queue_state state;

	if (queue_decode_flush(request, &id, &domain, why) < 0)
		return -1;
	if (!queue_id_valid(id)) {
		peer_refuse(answer, "not a queue id");
		return READY;
	}
	autofree char *name = mem_span(id);
	revive(s->q);
	if (queue_where(s->q->queue, name, &state, why) == 0 && state == QUEUE_DEFERRED)
		hurry(s->q, id);
	queue_answer_done(answer, 1);
	return READY;
}

static bool
goes_to(struct queue_file *f, struct span domain)
{
	int64_t at = queue_file_rcpt_first(f);

	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;
		ptrdiff_t               sign;

		if (queue_file_rcpt(f, at, arena, &r, NULL) <= 0)
			return false;
		at = r.next;
		sign = span_find_last(r.address, '@');
		if (r.state == RCPT_TODO &&
		    span_equal_nocase(span_from(r.address, (size_t)(sign + 1)), domain))
			return true;
	}
}

/* One walk at a time: anybody on the network may ask for one by ETRN, and it reads the whole queue. */
static struct {
	struct monitor lock;
	bool           running;
	struct text    domain;
} walk = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

/* False: somebody does just that. */
static bool
walk_begin(struct span domain)
{
	bool ours = true;

	monitor_enter(&walk.lock);
	while (walk.running && ours)
		if (span_equal_nocase(text_span(&walk.domain), domain))
			ours = false;
		else
			monitor_wait(&walk.lock, CLOCK_NEVER);
	if (ours) {
		walk.running = true;
		text_set(&walk.domain, domain);
	}
	monitor_leave(&walk.lock);
	return ours;
}

static void
walk_end(void)
{
	monitor_enter(&walk.lock);
	walk.running = false;
	monitor_wake(&walk.lock);
	monitor_leave(&walk.lock);
}

/* Deferred messages with somebody of that domain, by id. */
static int
find_site(struct queue *queue, struct span domain, struct strmap *ids, struct fault *why)
{
	struct queue_scan *scan;
	struct queue_id    one;

	if (queue_scan_open(queue, QUEUE_DEFERRED, &scan, why) < 0)
		return -1;
	while (queue_scan_next(scan, &one, NULL, why) > 0) {
		struct queue_file *f = NULL;

		if (queue_file_open(queue, QUEUE_DEFERRED, one.text, QUEUE_OPEN_READ, &f, why) != 0)
			continue;
		if (goes_to(f, domain))
			strmap_put(ids, span_of(one.text), ids);
		queue_file_close(f);
	}
	queue_scan_close(scan);
	return 0;
}

/* What was not on the list of due times is in nobody's memory, and loaded as fresh mail is. */
static void
hurry_all(struct qmgr *q, struct strmap *ids)
{
	size_t      at = 0;
	struct span id;
	void       *unused;

	qmgr_enter(q);
	schedule_revive(q->schedule);
	intake_flush_these_locked(q, ids);
	while (strmap_next(ids, &at, &id, &unused))
		intake_add_locked(q, id, QUEUE_DEFERRED);
	hands_wake_locked(q);
	qmgr_leave(q);
}

static int
do_flush_site(void *given, struct frame *request, struct frame *answer, struct fault *why)
{
	struct session *s = given;
	struct span     id, domain = SPAN_NONE;
	struct strmap  *ids;
	int64_t         count = 0;
	int             found;

	if (queue_decode_flush(request, &id, &domain, why) < 0)
		return -1;
	if (!walk_begin(domain)) {
		queue_answer_done(answer, 0);
		return READY;
	}
	ids = strmap_new();
	found = find_site(s->q->queue, domain, ids, why);
	count = (int64_t)strmap_count(ids);
	hurry_all(s->q, ids);
	strmap_free(ids, NULL);
	walk_end();
	if (found < 0)
		peer_refuse(answer, "%s", fault_text(why));
	else
		queue_answer_done(answer, count);
	return READY;
}

/* Changing. */

static enum wish
wish_of(struct span what)
{
	static const struct { const char *what; enum wish wish;
	} rows[] = {
		{"delete", WISH_DELETE},
		{"hold", WISH_HOLD},
		{"requeue", WISH_REQUEUE},
		{"expire", WISH_EXPIRE},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (span_is(what, rows[i].what))
			return rows[i].wish;
	return WISH_NONE; /* release */
}

enum { BUSY_MS = 150 * 1000 };

enum wished { WISHED, CLAIMED, BUSY };

/* Who is being loaded, finished, or changed by somebody else will be at rest, or in flight, soon. */
static struct message *
wait_until_free_locked(struct qmgr *q, const char *id, bool *busy)
{
	int64_t         deadline = clock_after(BUSY_MS);
	struct message *m;

	*busy = false;
	while ((m = strmap_get(q->messages, span_of(id))) != NULL && (!m->in_job || m->finishing))
		if (!monitor_wait(&q->lock, deadline)) {
			*busy = true;
			return m;
		}
	return m;
}

/* WISHED: it is active, and does it when nothing of it is in flight. CLAIMED: it rests, and is ours. */
static enum wished
wish(struct qmgr *q, const char *id, enum wish wanted, struct message **claimed)
{
	struct message *m;
	struct entry   *list = NULL, *next;
	bool            last = false, busy;

	qmgr_enter(q);
	m = wait_until_free_locked(q, id, &busy);
	if (busy) {
		qmgr_leave(q);
		return BUSY;
	}
	if (!m) {
		*claimed = message_new(id);
		strmap_put(q->messages, span_of(id), *claimed);
		q->n_active++;
		qmgr_leave(q);
		return CLAIMED;
	}
	if (wanted && (!m->wish || wanted == WISH_DELETE))
		m->wish = wanted;
	if (m->wish)
		list = schedule_drop(q->schedule, &m->job);
	for (; list; list = next) {
		next = list->job_next;
		m->left -= list->n_rcpts;
		last = m->left == 0;
		entry_free(list);
	}
	qmgr_leave(q);
	if (last)
		message_go_on(q, m);
	return WISHED;
}

static int
set_expired(struct qmgr *q, enum queue_state state, const char *id, struct fault *why)
{
	struct queue_file *f = NULL;
	int                got = queue_file_open(q->queue, state, id, QUEUE_OPEN_WRITE, &f, why);

	if (got != 0)
		return got;
	got = queue_file_set_expired(f, why);
	queue_file_close(f);
	return got;
}

/* What an administrator was told is done holds across a power cut too. */
static int
move_durably(struct qmgr *q, const char *id, enum queue_state from, enum queue_state to, struct fault *why)
{
	int moved = queue_move(q->queue, id, from, to, why);

	return moved == 0 ? queue_sync(q->queue, to, why) : moved;
}

/* 0 changed, 1 not there or not in that state, -1. */
static int
change_file(struct qmgr *q, const char *id, enum queue_state state, enum wish wanted,
            struct fault *why)
{
	if (state == QUEUE_CORRUPT && wanted != WISH_DELETE)
		return 1;
	switch (wanted) {
	case WISH_DELETE:
		return queue_remove(q->queue, state, id, why);
	case WISH_HOLD:
		return state == QUEUE_HOLD ? 1 : move_durably(q, id, state, QUEUE_HOLD, why);
	case WISH_REQUEUE:
		return message_requeue(q->queue, state, id, why);
	case WISH_EXPIRE:
		return set_expired(q, state, id, why);
	case WISH_NONE:
		break;
	}
	return state == QUEUE_HOLD ? move_durably(q, id, QUEUE_HOLD, QUEUE_INCOMING, why) : 1;
}

/* A claimed message may still wait for its time: nobody else has it on a list now. */
static void
unclaim(struct qmgr *q, struct message *claimed, bool at_once)
{
	enum queue_state state;
	char             id[QUEUE_ID_SIZE];

	snprintf(id, sizeof id, "%s", claimed->id);
	message_forget(q, claimed);
	if (queue_where(q->queue, id, &state, NULL) != 0)
		return;
	qmgr_enter(q);
	if (state == QUEUE_DEFERRED)
		intake_deferred_locked(q, id, at_once ? 0 : clock_wall());
	else if (state == QUEUE_INCOMING)
		intake_add_locked(q, span_of(id), state);
	hands_wake_locked(q);
	qmgr_leave(q);
}

static int
change_one(struct qmgr *q, struct span id, const enum queue_state *only, enum wish wanted,
           struct fault *why)
{
	autofree char   *name = mem_span(id);
	struct message  *claimed = NULL;
	enum queue_state state;
	int              got;

	if (only && (queue_where(q->queue, name, &state, why) != 0 || state != *only))
		return 1;
	switch (wish(q, name, wanted, &claimed)) {
	case WISHED:  return wanted == WISH_NONE;
	case BUSY:    return fault_set(why, FAULT_TIME, "it is busy: try again");
	case CLAIMED: break;
	}
	got = queue_where(q->queue, name, &state, why);
	if (got == 0)
		got = only && state != *only ? 1 : change_file(q, name, state, wanted, why);
	unclaim(q, claimed, wanted == WISH_EXPIRE);
	return got;
}

static int
change_all(struct qmgr *q, const enum queue_state *only, enum wish wanted, int64_t *count,
           struct fault *why)
{
	static const enum queue_state states[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED,
	                                          QUEUE_HOLD};

	for (size_t i = 0; i < COUNT(states); i++) {
		struct queue_scan *scan;
		struct queue_id    id;

		if ((only && *only != states[i]) ||
		    (wanted == WISH_NONE && states[i] != QUEUE_HOLD) ||
		    (wanted == WISH_HOLD && states[i] == QUEUE_HOLD))
			continue;
		if (queue_scan_open(q->queue, states[i], &scan, why) < 0)
			return -1;
		while (queue_scan_next(scan, &id, NULL, why) > 0) {
			int got = change_one(q, span_of(id.text), &states[i], wanted, why);

			if (got < 0)
				log_warning("%s: %s", id.text, fault_text(why));
			*count += got == 0;
		}
		queue_scan_close(scan);
	}
	return 0;
}

static int
do_change(void *given, struct frame *request, struct frame *answer, struct fault *why)
{
	struct session             *s = given;
	struct queue_change_request r;
	enum queue_state            state;
	int64_t                     count = 0;
	int                         got;

	if (queue_decode_change(request, &r, why) < 0)
		return -1;
	if (!s->may_change) {
		peer_refuse(answer,
		            "only the superuser and the mail system's owner may change the queue");
		return READY;
	}
	if (r.queue.len && (!queue_state_find(r.queue, &state) || state == QUEUE_MAILDROP)) {
		peer_refuse(answer, "no such queue");
		return READY;
	}
	if (span_is(r.queue_id, "ALL")) {
		got = change_all(s->q, r.queue.len ? &state : NULL, wish_of(r.what), &count, why);
	} else if (queue_id_valid(r.queue_id)) {
		got = change_one(s->q, r.queue_id, r.queue.len ? &state : NULL, wish_of(r.what),
		                 why);
		count = got == 0;
	} else {
		got = fault_set(why, FAULT_INPUT, "not a queue id");
	}
	if (got < 0)
		peer_refuse(answer, "%s", fault_text(why));
	else
		queue_answer_done(answer, count);
	return READY;
}

/* Listing. */

static int
list_file(struct queue_list_writer *w, struct queue_file *f, enum queue_state state,
          struct fault *why)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	struct queue_listed m = {.queue = span_of(queue_state_name(state)),
	                         .queue_id = span_of(queue_file_id(f)),
	                         .sender = e->sender,
	                         .arrival_us = e->arrival_us,
	                         .size = e->content.size,
	                         .expired = queue_file_expired(f)};
	int64_t                      next = queue_file_rcpt_first(f);

	if (queue_list_write_message(w, &m, why) < 0)
		return -1;
	while (next) {
		autoarena struct arena *arena = arena_new();
		struct notice_rcpt     *rcpts;
		size_t                  count;

		if (rcpts_waiting(f, &next, arena, &rcpts, &count, why) < 0)
			return 0; /* damaged: its head is told, the rest is the loader's to find */
		for (size_t i = 0; i < count; i++) {
			struct queue_listed_rcpt r = {rcpts[i].address, rcpts[i].text};

			if (queue_list_write_rcpt(w, &r, why) < 0)
				return -1;
		}
	}
	return 0;
}

static int
list_state(struct qmgr *q, struct queue_list_writer *w, enum queue_state state, struct fault *why)
{
	struct queue_scan *scan;
	struct queue_id    id;
	int                sent = 0;

	if (queue_scan_open(q->queue, state, &scan, why) < 0)
		return -1;
	while (sent == 0 && queue_scan_next(scan, &id, NULL, why) > 0) {
		struct queue_file *f = NULL;

		if (queue_file_open(q->queue, state, id.text, QUEUE_OPEN_READ, &f, why) != 0)
			continue; /* it has moved on */
		sent = list_file(w, f, state, why);
		queue_file_close(f);
	}
	queue_scan_close(scan);
	return sent;
}

static int
do_list(void *given, struct frame *request, struct frame *answer, struct fault *why)
{
	static const enum queue_state states[] = {QUEUE_ACTIVE, QUEUE_INCOMING, QUEUE_DEFERRED,
	                                          QUEUE_HOLD};
	struct session          *s = given;
	struct queue_list_writer w = {.sock = s->sock};

	(void)request;
	(void)answer;
	for (size_t i = 0; i < COUNT(states); i++)
		if (list_state(s->q, &w, states[i], why) < 0) {
			frame_clear(&w.rcpts);
			return -1;
		}
	return queue_list_write_done(&w, why) < 0 ? -1 : READY;
}

static const struct peer_verb verbs[] = {
	{"flush", READY, READY, do_flush},
	{"flush_one", READY, READY, do_flush_one},
	{"flush_site", READY, READY, do_flush_site},
	{"change", READY, READY, do_change},
	{"list", READY, READY, do_list},
	{NULL, 0, 0, NULL}
};

/* smtpd's, for ETRN: whoever takes over a program on the network learns nothing of the queue. */
static const struct peer_verb net_verbs[] = {
	{"flush_site", READY, READY, do_flush_site},
	{NULL, 0, 0, NULL}
};
static uid_t net_uid = (uid_t)-1;

void
control_prepare(void)
{
	const struct passwd *owner = service->root ? getpwnam(site.net_owner) : NULL;

	if (owner)
		net_uid = owner->pw_uid;
}

void
control_serve(void *given)
{
	struct control c = *(struct control *)given;
	struct session s = {.q = c.qmgr, .sock = c.sock};
	struct fault   why = {0};
	uid_t          uid;

	free(given);
	if (peer_uid(s.sock, &uid, &why) == 0) {
		s.may_change = uid == 0 || uid == geteuid();
		peer_serve(s.sock, uid == net_uid && !s.may_change ? net_verbs : verbs, &s);
	} else {
		log_warning("%s", fault_text(&why));
	}
	close(s.sock);
}
