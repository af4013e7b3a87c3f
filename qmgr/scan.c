/* SPDX-License-Identifier: ISC */
/*
 * scan.c - which message is loaded next
 *
 * Fresh mail comes by notices, which may be lost, and by walks over incoming/.
 * Deferred mail comes by its due time; the index is filled in the background
 * at start, so that a deep deferred queue delays nothing. Fresh goes first, but
 * one in four goes to what is due, and deferred mail never takes more than half of
 * the active limit: neither can shut the other out.
 */
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "qmgr.h"

enum { FRESH_MAX = 8192, SHARE = 4, NOTICES_MAX = 64, CLAIMED_US = 2000000 };

struct fresh {
	char             id[QUEUE_ID_SIZE];
	enum queue_state from;
};

struct intake {
	struct fresh ring[FRESH_MAX];
	size_t       head, count;
	struct due  *due, *again;
	bool         refilling;          /* intake_scan_deferred is at it */
	bool         rescan;             /* incoming/ holds more than the ring took */
	unsigned     turn;
};

struct intake *
intake_new(void)
{
	struct intake *in = mem_alloc(sizeof *in);

	in->due = due_new();
	in->again = due_new();
	in->rescan = true;
	return in;
}

void
intake_add_locked(struct qmgr *q, struct span id, enum queue_state from)
{
	struct intake *in = q->intake;
	struct fresh  *f;

	if (in->count == FRESH_MAX) {
		in->rescan = true; /* it is found again */
		return;
	}
	if (id.len >= QUEUE_ID_SIZE || strmap_get(q->messages, id))
		return;
	f = &in->ring[(in->head + in->count++) % FRESH_MAX];
	memcpy(f->id, id.at, id.len);
	f->id[id.len] = '\0';
	f->from = from;
}

static bool
take_fresh(struct qmgr *q, char id[QUEUE_ID_SIZE], enum queue_state *from)
{
	struct intake *in = q->intake;

	while (in->count) {
		struct fresh *f = &in->ring[in->head];

		in->head = (in->head + 1) % FRESH_MAX;
		in->count--;
		if (strmap_get(q->messages, span_of(f->id)))
			continue;
		memcpy(id, f->id, QUEUE_ID_SIZE);
		*from = f->from;
		return true;
	}
	return false;
}

static bool
take_due(struct qmgr *q, struct due *d, char id[QUEUE_ID_SIZE])
{
	char due[DUE_ID_SIZE];

	while (due_take(d, clock_wall(), due)) {
		if (!strmap_get(q->messages, span_of(due))) {
			snprintf(id, QUEUE_ID_SIZE, "%s", due);
			return true;
		}
		/* somebody has it just now (a control command, perhaps); nothing else looks into active/ */
		if (d == q->intake->again)
			due_add(d, span_of(due), clock_wall() + CLAIMED_US);
	}
	return false;
}

bool
intake_next_locked(struct qmgr *q, char id[QUEUE_ID_SIZE], enum queue_state *from)
{
	struct intake *in = q->intake;
	bool           may_defer;

	if (q->stopping || q->n_active >= (size_t)config.active_limit)
		return false;
	if (take_due(q, in->again, id)) {
		*from = QUEUE_ACTIVE;
		return true;
	}
	may_defer = q->n_deferred_active * 2 < (size_t)config.active_limit;
	if (in->turn++ % SHARE != 0 && take_fresh(q, id, from))
		return true;
	if (may_defer && take_due(q, in->due, id)) {
		*from = QUEUE_DEFERRED;
		return true;
	}
	return take_fresh(q, id, from);
}

int64_t
intake_wake_locked(struct qmgr *q)
{
	struct intake *in = q->intake;
	int64_t        due = due_next(in->due), again = due_next(in->again);

	if (q->n_active >= (size_t)config.active_limit)
		return INT64_MAX; /* whoever finishes looks again */
	return in->count ? 0 : due < again ? due : again;
}

bool
intake_wants_scan_locked(struct qmgr *q)
{
	return q->intake->rescan && q->intake->count < FRESH_MAX / 4;
}

void
intake_again_locked(struct qmgr *q, const char *id, int64_t when_us)
{
	due_add(q->intake->again, span_of(id), when_us);
}

void
intake_deferred_locked(struct qmgr *q, const char *id, int64_t due_us)
{
	due_add(q->intake->due, span_of(id), due_us);
}

void
intake_flush_locked(struct qmgr *q)
{
	due_hurry(q->intake->due);
	q->intake->rescan = true;
}

bool
intake_flush_one_locked(struct qmgr *q, struct span id)
{
	return due_hurry_one(q->intake->due, id);
}

static bool
is_wanted(void *ids, struct span id)
{
	return strmap_remove(ids, id) != NULL;
}

void
intake_flush_these_locked(struct qmgr *q, struct strmap *ids)
{
	due_hurry_some(q->intake->due, is_wanted, ids);
}

/* Datagrams "new QUEUE_ID" from cleanup; what does not fit is looked at the next time. */
void
intake_notice(struct qmgr *q, int sock)
{
	struct notice { char bytes[64]; struct span id; } got[NOTICES_MAX];
	size_t        count = 0;
	ssize_t       n;

	while (count < NOTICES_MAX && (n = recv(sock, got[count].bytes, sizeof got->bytes, MSG_DONTWAIT)) >= 0) {
		struct span line = span_at(got[count].bytes, (size_t)n);

		got[count].id = span_from(line, 4);
		count += span_starts(line, "new ") && queue_id_valid(got[count].id);
	}
	if (!count)
		return;
	qmgr_enter(q);
	for (size_t i = 0; i < count; i++)
		intake_add_locked(q, got[i].id, QUEUE_INCOMING);
	hands_wake_locked(q);
	qmgr_leave(q);
}

/* One directory, into the ring, a portion under each lock. False when the ring is full. */
static bool
walk(struct qmgr *q, enum queue_state from, struct fault *why)
{
	struct queue_scan *scan;
	struct queue_id    id;
	bool               room = true;
	int                got;

	if (queue_scan_open(q->queue, from, &scan, why) < 0)
		return false;
	while (room && (got = queue_scan_next(scan, &id, NULL, why)) > 0) {
		qmgr_enter(q);
		room = q->intake->count < FRESH_MAX;
		if (room)
			intake_add_locked(q, span_of(id.text), from);
		qmgr_leave(q);
	}
	queue_scan_close(scan);
	return room && got == 0;
}

void
intake_scan_incoming(struct qmgr *q)
{
	struct fault why = {0};
	bool         all;

	qmgr_enter(q);
	q->intake->rescan = false;
	qmgr_leave(q);
	all = walk(q, QUEUE_INCOMING, &why);
	if (why.class)
		log_warning("%s", fault_text(&why));
	qmgr_enter(q);
	q->intake->rescan |= !all;
	hands_wake_locked(q);
	qmgr_leave(q);
}

/*
 * What the qmgr before left in active/ goes on. Of what it had handed out when it was killed (or is still
 * delivering, while it drains) nobody knows whether it has arrived. Later on: what such a one has
 * let go of since.
 */
void
intake_scan_active(struct qmgr *q, bool at_start, bool ended_well)
{
	struct queue_scan *scan;
	struct queue_id    id;
	struct fault       why = {0};
	int64_t            now = clock_wall();
	int                got;

	if (queue_scan_open(q->queue, QUEUE_ACTIVE, &scan, &why) < 0)
		log_fatal("%s", fault_text(&why));
	while ((got = queue_scan_next(scan, &id, NULL, &why)) > 0) {
		bool known;

		qmgr_enter(q);
		known = strmap_get(q->messages, span_of(id.text)) != NULL;
		if (!known && strlen(id.text) < DUE_ID_SIZE)
			intake_again_locked(q, id.text, now);
		else if (!known)
			intake_add_locked(q, span_of(id.text), QUEUE_ACTIVE);
		qmgr_leave(q);
		if (at_start && !ended_well)
			log_info("%s: was active when the queue manager before was killed: possible duplicate", id.text);
	}
	queue_scan_close(scan);
	if (got < 0)
		log_fatal("%s", fault_text(&why));
}

/* Over a very deep queue a walk may take longer than the time to the next. */
static bool
begin_refill(struct qmgr *q)
{
	bool ours;

	qmgr_enter(q);
	ours = !q->intake->refilling;
	if (ours)
		due_refill_begin(q->intake->due);
	q->intake->refilling = true;
	qmgr_leave(q);
	return ours;
}

static void
end_refill(struct qmgr *q, bool whole)
{
	qmgr_enter(q);
	if (whole)
		due_refill_end(q->intake->due);
	else
		due_refill_cancel(q->intake->due);
	q->intake->refilling = false;
	hands_wake_locked(q);
	qmgr_leave(q);
}

/* Every due time, afresh: at start, and now and then for what others put there. */
void
intake_scan_deferred(void *given)
{
	struct qmgr       *q = given;
	struct queue_scan *scan;
	struct queue_id    id;
	struct fault       why = {0};
	bool               stopping = false;
	int64_t            due;
	int                got = 0;

	if (!begin_refill(q))
		return;
	if (queue_scan_open(q->queue, QUEUE_DEFERRED, &scan, &why) < 0) {
		log_warning("%s", fault_text(&why));
		end_refill(q, false);
		return;
	}
	while (!stopping && (got = queue_scan_next(scan, &id, &due, &why)) > 0) {
		/* No message waits longer than it may live: a clock was wrong when that was written. */
		if (due > clock_wall() + config.retry.lifetime * 1000 + config.retry.maximal_backoff * 1000)
			due = clock_wall();
		qmgr_enter(q);
		due_refill(q->intake->due, span_of(id.text), due);
		stopping = q->stopping;
		qmgr_leave(q);
	}
	queue_scan_close(scan);
	if (got < 0)
		log_warning("%s", fault_text(&why));
	end_refill(q, got == 0);
}
