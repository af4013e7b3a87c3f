/* SPDX-License-Identifier: ISC */
/*
 * notices.c - what bounce is asked to tell, out of the queue file
 *
 * Recipients come from the envelope by their state, reasons from the journal:
 * the last event of each. A reason that a crash tore off is made up for.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "ipc/notify.h"
#include "ipc/submit.h"
#include "qmgr.h"

enum { CHUNK = 2000, NOTIFY_MS = 100 * 1000 };

struct batch {
	struct arena       *arena;
	int64_t            *at;         /* of each recipient, ascending */
	struct notice_rcpt *rcpts;
	size_t              count;
};

static bool
tells_of(enum notice_kind kind, const struct queue_rcpt *r)
{
	switch (kind) {
	case NOTICE_FAILURE:
		return r->state == RCPT_FAILED;
	case NOTICE_SUCCESS:
	case NOTICE_VERIFY:
		return r->state == RCPT_SUCCESS || r->state == RCPT_EXPANDED;
	case NOTICE_DELAY:
		return r->state == RCPT_TODO &&
		       (r->notify == NOTIFY_DEFAULT || (r->notify & NOTIFY_DELAY));
	case NOTICE_WAITING:
		return r->state == RCPT_TODO;
	case NOTICE_EXPIRED:
		return r->state == RCPT_TODO &&
		       (r->notify == NOTIFY_DEFAULT || (r->notify & NOTIFY_FAILURE));
	}
	return false;
}

static const char *
kind_name(enum notice_kind kind)
{
	static const char *const names[] = {"failure", "success", "delay", "failure", "verify", ""};

	return names[kind];
}

static const char *
action_name(enum notice_kind kind)
{
	static const char *const names[] = {"failed", "delivered", "delayed",
	                                    "failed", "delivered", ""};

	return names[kind];
}

/* Up to CHUNK recipients from *next on: 0; *next is 0 at the end. */
static int
read_rcpts(struct queue_file *f, enum notice_kind kind, int64_t *next, struct batch *b,
           struct fault *why)
{
	const char *dsn = kind == NOTICE_SUCCESS || kind == NOTICE_VERIFY ? "2.0.0"
	                : kind == NOTICE_FAILURE ? "5.0.0" : "4.0.0";
	struct queue_rcpt r;
	int               got = 1;

	while (b->count < CHUNK && (got = queue_file_rcpt(f, *next, b->arena, &r, why)) > 0) {
		*next = r.next;
		if (!tells_of(kind, &r))
			continue;
		b->at[b->count] = r.at;
		b->rcpts[b->count++] = (struct notice_rcpt){
			.address = r.address,
			.original = r.original,
			.orcpt = r.orcpt,
			.notify = r.notify,
			.action = span_of(action_name(kind)),
			.dsn = span_of(dsn),
			.text = kind == NOTICE_WAITING ? SPAN_NONE : SPAN("the reason was lost"),
			.mta = SPAN_NONE,
			.diagnostic = SPAN_NONE};
		if (r.state == RCPT_EXPANDED) { /* RFC 3461, 5.2.7.3; cleanup knew all of it */
			b->rcpts[b->count - 1].action = SPAN("expanded");
			b->rcpts[b->count - 1].text = SPAN("alias expanded");
		}
	}
	if (got == 0)
		*next = 0;
	return got < 0 ? -1 : 0;
}

static struct notice_rcpt *
find(const struct batch *b, int64_t at)
{
	size_t low = 0, high = b->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->at[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < b->count && b->at[low] == at ? &b->rcpts[low] : NULL;
}

static void
take_reason(struct batch *b, enum notice_kind kind, const struct queue_event *e)
{
	struct notice_rcpt *r = find(b, e->rcpt_at);

	if (!r || !strchr("dfs", (char)e->kind))
		return;
	r->dsn = arena_span(b->arena, e->dsn);
	r->text = arena_span(b->arena, e->text);
	r->mta = arena_span(b->arena, e->mta);
	r->diagnostic = arena_span(b->arena, e->diagnostic);
	if (kind == NOTICE_VERIFY && e->kind != EVENT_SENT)
		r->action = e->kind == EVENT_FAILED ? SPAN("failed") : SPAN("delayed");
	else if (e->kind == EVENT_SENT && e->action.len)
		r->action = span_is(e->action, "none") ? SPAN("relayed")
		                                       : arena_span(b->arena, e->action);
}

static int
read_reasons(struct queue_file *f, enum notice_kind kind, struct batch *b, struct fault *why)
{
	int64_t at = 0;

	for (;;) {
		autoarena struct arena *arena = arena_new();
		struct queue_event      e;
		int                     got = queue_journal_next(f, &at, arena, &e, why);

		if (got <= 0)
			return got;
		take_reason(b, kind, &e);
	}
}

/* sendmail -bv: nothing was sent. */
static void
tell_what_would_be(const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		b->rcpts[i].action = span_is(b->rcpts[i].action, "failed") || span_is(b->rcpts[i].action, "delayed")
		                             ? SPAN("undeliverable") : SPAN("deliverable");
}

/* owner@list.example to joe@example.org, with "+=": owner+joe=example.org@list.example */
struct span
message_sender(const struct message *m, struct span to, struct text *verp)
{
	ptrdiff_t at = span_find_last(m->sender, '@'), to_at = span_find_last(to, '@');

	if (m->verp.len != 2 || at < 0 || to_at < 0)
		return m->sender;
	text_add(verp, span_first(m->sender, (size_t)at));
	text_add_byte(verp, m->verp.at[0]);
	text_add(verp, span_first(to, (size_t)to_at));
	text_add_byte(verp, m->verp.at[1]);
	text_add(verp, span_from(to, (size_t)to_at + 1));
	text_add(verp, span_from(m->sender, (size_t)at));
	return text_span(verp);
}

static int ask_for(struct message *, enum notice_kind, struct span sender, struct notice_rcpt *, size_t, struct fault *);

/* What VERP is for: the notice comes back to the address that tells whom it is about. Who was told so is
 * done, even if the notice about the next one cannot be made: else he is told again each time. */
static int
ask(struct message *m, enum notice_kind kind, const struct batch *b, struct fault *why)
{
	if (m->verify_only)
		tell_what_would_be(b);
	if (m->verp.len != 2 || config.disable_verp_bounces || (kind != NOTICE_FAILURE && kind != NOTICE_EXPIRED))
		return ask_for(m, kind, m->sender, b->rcpts, b->count, why);
	for (size_t i = 0; i < b->count; i++) {
		autotext struct text verp = {0};

		if (ask_for(m, kind, message_sender(m, b->rcpts[i].address, &verp), &b->rcpts[i], 1, why) < 0 ||
		    queue_file_mark(m->file, b->at[i], RCPT_DONE, why) < 0)
			return -1;
	}
	return 0;
}

static int
ask_for(struct message *m, enum notice_kind kind, struct span sender, struct notice_rcpt *rcpts, size_t count,
        struct fault *why)
{
	struct notice n = {
		.kind = span_of(kind_name(kind)),
		.queue_id = span_of(m->id),
		.sender = sender,
		.envid = m->envid,
		.ret = m->ret,
		.pieces = m->pieces,
		.arrival_us = m->arrival_us,
		.size = m->size,
		.smtputf8 = m->smtputf8,
		.content = m->content,
		.rcpts = rcpts,
		.n_rcpts = count,
		.expires_us = retry_expires(&config.retry, m->sender.len == 0, m->arrival_us)};
	char          id[QUEUE_ID_SIZE];

	return notify_ask(&n, clock_after(NOTIFY_MS), id, sizeof id, why);
}

/* Told: nothing more to do for them. Expired ones who want no notice are in none, but done too. */
static int
mark(struct message *m, enum notice_kind kind, int64_t from, int64_t until, struct fault *why)
{
	int64_t           at = from;
	struct queue_rcpt r;
	int               got = 1;

	if (kind == NOTICE_DELAY)
		return 0;
	while (at && at != until) {
		autoarena struct arena *arena = arena_new();

		got = queue_file_rcpt(m->file, at, arena, &r, why);
		if (got <= 0)
			break;
		at = r.next;
		if ((tells_of(kind, &r) || (kind == NOTICE_EXPIRED && r.state == RCPT_TODO)) &&
		    queue_file_mark(m->file, r.at, RCPT_DONE, why) < 0)
			return -1;
	}
	return got < 0 ? -1 : queue_file_sync(m->file, why);
}

int
message_notify(struct qmgr *q, struct message *m, enum notice_kind kind, struct fault *why)
{
	int64_t next = queue_file_rcpt_first(m->file);

	(void)q;
	while (next) {
		autoarena struct arena *arena = arena_new();
		autofree int64_t       *at = mem_array(CHUNK, sizeof *at);
		autofree struct notice_rcpt *rcpts = mem_array(CHUNK, sizeof *rcpts);
		struct batch            b = {arena, at, rcpts, 0};
		int64_t                 from = next;

		if (read_rcpts(m->file, kind, &next, &b, why) < 0)
			return -1;
		if (b.count &&
		    (read_reasons(m->file, kind, &b, why) < 0 || ask(m, kind, &b, why) < 0))
			return -1;
		(void)fault_point("qmgr.noticed", NULL);
		if ((b.count || kind == NOTICE_EXPIRED) && mark(m, kind, from, next, why) < 0)
			return -1;
	}
	return 0;
}

int
rcpts_waiting(struct queue_file *f, int64_t *next, struct arena *arena, struct notice_rcpt **rcpts,
              size_t *count, struct fault *why)
{
	autofree int64_t *at = mem_array(CHUNK, sizeof *at);
	struct batch      b = {arena, at, arena_alloc(arena, CHUNK * sizeof *b.rcpts), 0};

	if (read_rcpts(f, NOTICE_WAITING, next, &b, why) < 0 ||
	    read_reasons(f, NOTICE_WAITING, &b, why) < 0)
		return -1;
	*rcpts = b.rcpts;
	*count = b.count;
	return 0;
}
