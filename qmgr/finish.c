/* SPDX-License-Identifier: ISC */
/*
 * finish.c - every recipient was tried: tell, then remove or defer
 *
 * The sender is told before the message goes away, never after; when telling
 * fails the message stays, and only the telling is tried again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "ipc/log_address.h"
#include "ipc/submit.h"
#include "qmgr.h"

enum { SOON_US = 5 * 1000000, TROUBLE_US = 60 * 1000000, SLOWER_MAX = 100 };

static void
stay_active(struct qmgr *q, struct message *m)
{
	qmgr_enter(q);
	intake_again_locked(q, m->id, clock_wall() + TROUBLE_US);
	qmgr_leave(q);
	message_forget(q, m);
}

static void
remove_it(struct qmgr *q, struct message *m)
{
	struct fault why = {0};

	if (queue_remove(q->queue, QUEUE_ACTIVE, m->id, &why) < 0) {
		log_warning("%s", fault_text(&why));
		stay_active(q, m);
		return;
	}
	(void)fault_point("qmgr.removed", NULL);
	log_info("%s: removed", m->id);
	message_forget(q, m);
}

/*
 * Our own troubles are over in seconds, remote ones in minutes; ours that are not are
 * tried less often each time (a notice that cleanup never takes). What lost its agent
 * is spread out, so that a message that kills agents does not meet the same
 * bystanders again.
 */
static int64_t
next_try(const struct message *m, int64_t now)
{
	int64_t due = retry_due(&config.retry, m->arrival_us, now);
	int64_t soon = now + SOON_US * (m->killed + 1 + (m->tries < SLOWER_MAX ? m->tries : SLOWER_MAX));

	if (m->killed_now)
		soon += random() % (2 * SOON_US * (m->killed + 1));

	return m->soon && soon < due ? soon : due;
}

/* Three deaths in a row are meant, not three in five days. */
static void
forgive(struct message *m)
{
	struct queue_event e = {.kind = EVENT_KILLED, .when_us = clock_wall()};

	if (m->killed && !m->killed_now)
		(void)queue_journal_add(m->file, &e, NULL);
}

/* From here on a wish waits for the message to come to rest. */
static enum wish
begin_finish(struct qmgr *q, struct message *m)
{
	enum wish wish;

	qmgr_enter(q);
	m->finishing = true;
	wish = m->wish;
	qmgr_leave(q);
	return wish;
}

static void
defer(struct qmgr *q, struct message *m)
{
	int64_t            now = clock_wall(), due = next_try(m, now);
	struct queue_event e = {.kind = EVENT_TRIED, .number = m->tries + 1, .when_us = due};
	struct fault       why = {0};

	if (queue_journal_add(m->file, &e, &why) < 0)
		log_warning("%s", fault_text(&why));
	forgive(m);
	if (queue_set_due(q->queue, QUEUE_ACTIVE, m->id, due, &why) < 0 ||
	    queue_move(q->queue, m->id, QUEUE_ACTIVE, QUEUE_DEFERRED, &why) < 0) {
		log_warning("%s", fault_text(&why));
		stay_active(q, m);
		return;
	}
	(void)fault_point("qmgr.deferred", NULL);
	qmgr_enter(q);
	intake_deferred_locked(q, m->id, due);
	qmgr_leave(q);
	message_forget(q, m);
}

/* What an administrator asked for while it was active. */
static void
fulfil(struct qmgr *q, struct message *m, enum wish wish)
{
	struct fault why = {0};
	int          moved;

	if (wish == WISH_DELETE) {
		remove_it(q, m);
		return;
	}
	if (wish == WISH_HOLD) {
		moved = queue_move(q->queue, m->id, QUEUE_ACTIVE, QUEUE_HOLD, &why);
		if (moved < 0) {
			log_warning("%s", fault_text(&why));
			stay_active(q, m);
			return;
		}
		message_forget(q, m);
		return;
	}
	if (wish == WISH_REQUEUE) {
		char id[QUEUE_ID_SIZE];

		snprintf(id, sizeof id, "%s", m->id);
		if (message_requeue(q->queue, QUEUE_ACTIVE, id, &why) < 0)
			log_warning("%s: requeue: %s", id, fault_text(&why));
		message_forget(q,
		               m); /* its file is closed now; when it is still there, it goes on */
		qmgr_enter(q);
		intake_again_locked(q, id, clock_wall());
		qmgr_leave(q);
		return;
	}
	stay_active(q, m);
}

/* Notices that are due whatever happens next: -1 when one could not be sent. */
static int
tell(struct qmgr *q, struct message *m, struct fault *why)
{
	if (m->failed && message_notify(q, m, NOTICE_FAILURE, why) < 0)
		return -1;
	if (m->succeeded &&
	    message_notify(q, m, m->verify_only || m->trace ? NOTICE_VERIFY : NOTICE_SUCCESS, why) <
	            0)
		return -1;
	return 0;
}

static int
expire(struct qmgr *q, struct message *m, struct fault *why)
{
	autotext struct text from = {0};

	log_add_address(&from, "from=", m->sender);
	log_info("%s: %s, status=%s, returned to sender", m->id, text_string(&from),
	         m->expired ? "force-expired" : "expired");
	return message_notify(q, m, NOTICE_EXPIRED, why);
}

static void
warn_sender(struct qmgr *q, struct message *m)
{
	struct queue_event e = {.kind = EVENT_WARNED, .when_us = clock_wall()};
	struct fault       why = {0};

	if (m->warned || m->sender.len == 0 ||
	    !retry_warns(&config.retry, m->arrival_us, clock_wall()))
		return;
	if (message_notify(q, m, NOTICE_DELAY, &why) < 0 ||
	    queue_journal_add(m->file, &e, &why) < 0)
		log_warning("%s: %s", m->id, fault_text(&why));
}

void
message_finish(struct qmgr *q, struct message *m)
{
	struct fault why = {0};
	enum wish    wish = begin_finish(q, m);

	if (wish && wish != WISH_EXPIRE) {
		fulfil(q, m, wish);
		return;
	}
	if (tell(q, m, &why) < 0) {
		log_warning("%s: %s", m->id, fault_text(&why));
		m->soon = true;
		defer(q, m);
		return;
	}
	if (m->deferred == 0 && wish != WISH_EXPIRE) {
		remove_it(q, m);
		return;
	}
	m->expired |= wish == WISH_EXPIRE;
	if (m->expired ||
	    retry_expired(&config.retry, m->sender.len == 0, m->arrival_us, clock_wall())) {
		if (expire(q, m, &why) == 0) {
			remove_it(q, m);
			return;
		}
		log_warning("%s: %s", m->id, fault_text(&why));
		m->soon = true;
	}
	warn_sender(q, m);
	defer(q, m);
}
