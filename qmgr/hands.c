/* SPDX-License-Identifier: ISC */
/*
 * hands.c - the tasks that load and deliver
 *
 * A hand delivers when the schedule has something, else loads the next
 * message, else waits; before it goes off to wait for a disk or a peer it wakes
 * another hand if there is more to do. So there are as many as are useful, and
 * on a quiet machine one hand carries a message from incoming/ to its end.
 */

#include "base/clock.h"
#include "base/log.h"
#include "qmgr.h"

enum { HANDS_MAX = 1000, LOADERS_MAX = 16, SPARE_MAX = 64 };

struct hand {
	pthread_cond_t wake;
	struct hand   *next;
	bool           called;
};

struct hands {
	struct hand *spare; /* the last one to come is the first to go: its stack is warm */
	int          count, n_spare, loading;
	int64_t      schedule_wake;
};

struct work {
	struct entry    *entry;
	struct message  *load;
	enum queue_state from;
};

struct hands *
hands_new(void)
{
	struct hands *h = mem_alloc(sizeof *h);

	h->schedule_wake = CLOCK_NEVER;
	return h;
}

int
hands_busy_locked(struct qmgr *q)
{
	return q->hands->count - q->hands->n_spare;
}

int64_t
hands_schedule_wake_locked(struct qmgr *q)
{
	return q->hands->schedule_wake;
}

static void hand_run(void *);

void
hands_wake_locked(struct qmgr *q)
{
	struct hands *h = q->hands;
	struct hand  *one = h->spare;
	struct fault  why = {0};

	if (one) {
		h->spare = one->next;
		h->n_spare--;
		one->called = true;
		pthread_cond_signal(&one->wake);
		return;
	}
	if (h->count >= HANDS_MAX)
		return;
	h->count++;
	if (task_start(hand_run, q, &why) < 0) {
		h->count--;
		log_warning("%s", fault_text(&why));
	}
}

static struct message *
begin_load_locked(struct qmgr *q, const char *id, enum queue_state from)
{
	struct message *m = message_new(id);

	m->was_deferred = from == QUEUE_DEFERRED;
	strmap_put(q->messages, span_of(id), m);
	q->n_active++;
	q->n_deferred_active += m->was_deferred;
	return m;
}

static bool
find_work_locked(struct qmgr *q, struct work *w)
{
	char id[QUEUE_ID_SIZE];

	*w = (struct work){0};
	if (q->stopping)
		return false;
	w->entry = schedule_pick(q->schedule, clock_now(), &q->hands->schedule_wake);
	if (w->entry)
		return true;
	if (q->hands->loading >= LOADERS_MAX || !intake_next_locked(q, id, &w->from))
		return false;
	w->load = begin_load_locked(q, id, w->from);
	q->hands->loading++;
	return true;
}

/* False when there are enough spare hands without this one. */
static bool
wait_for_work_locked(struct qmgr *q, struct hand *me)
{
	struct hands *h = q->hands;

	if (h->n_spare >= SPARE_MAX || q->stopping)
		return false;
	me->called = false;
	me->next = h->spare;
	h->spare = me;
	h->n_spare++;
	while (!me->called)
		pthread_cond_wait(&me->wake, &q->lock.mutex);
	return true;
}

static bool
more_to_do_locked(struct qmgr *q)
{
	return schedule_has_work(q->schedule, clock_now()) ||
	       (q->hands->loading < LOADERS_MAX && intake_wake_locked(q) <= clock_wall());
}

static void
do_work(struct qmgr *q, struct work *w)
{
	if (w->entry) {
		handoff(q, w->entry);
		return;
	}
	message_load(q, w->load, w->from);
	qmgr_enter(q);
	q->hands->loading--;
	qmgr_leave(q);
}

static void
hand_run(void *given)
{
	struct qmgr *q = given;
	struct hand  me = {.wake = PTHREAD_COND_INITIALIZER};
	struct work  w;

	qmgr_enter(q);
	for (;;) {
		if (!find_work_locked(q, &w)) {
			if (wait_for_work_locked(q, &me))
				continue;
			break;
		}
		if (more_to_do_locked(q))
			hands_wake_locked(q);
		qmgr_leave(q);
		do_work(q, &w);
		qmgr_enter(q);
	}
	q->hands->count--;
	qmgr_leave(q);
	pthread_cond_destroy(&me.wake);
}
