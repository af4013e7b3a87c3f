/* SPDX-License-Identifier: ISC */
/*
 * queue_import_message.c - a message of Postfix's queue is written as one of ours
 *
 * Its content and envelope first; then, once it is committed, the mark of each recipient that is done, and why.
 */
#include <unistd.h>

#include "base/file.h"
#include "queue/maildrop.h"
#include "queue/queue_file.h"
#include "queue/queue_import_private.h"

/* ---- content ---- */

int
import_flush(int fd, struct text *out, int64_t *at, struct fault *why)
{
	if (file_write_at(fd, text_span(out), *at, why) < 0)
		return -1;
	*at += (int64_t)out->len;
	text_clear(out);
	return 0;
}

/* In our wire form; `each` frames what is ready, for maildrop. */
int
import_content(struct letter *l, int fd, int64_t *at, const char *line_end, bool framed, struct fault *why)
{
	struct postfix_content c = {.at = l->m.content_at};
	autotext struct text   ready = {0}, frame = {0};
	struct span            part;
	bool                   ends;
	int                    got;

	do {
		got = postfix_content_next(l->file, &c, &part, &ends, why);
		if (got == 1) {
			text_add(&ready, part);
			if (ends)
				text_add_string(&ready, line_end);
		}
		while (ready.len >= MAILDROP_RECORD_MAX || (got == 0 && ready.len)) {
			struct span one = span_first(text_span(&ready), MAILDROP_RECORD_MAX);

			if (framed)
				maildrop_put(&frame, 'D', one);
			else
				text_add(&frame, one);
			text_drop(&ready, one.len);
			if (import_flush(fd, &frame, at, why) < 0)
				return -1;
		}
	} while (got == 1);
	return got;
}

/* ---- the message ---- */

struct queue_envelope
import_envelope(struct letter *l)
{
	const struct postfix_message *m = &l->m;
	bool                          probe = m->trace & POSTFIX_TRACE_PROBE;

	return (struct queue_envelope){
		.sender = m->sender, .envid = m->envid, .auth = m->sasl_sender,
		.ret = m->ret & POSTFIX_RET_FULL ? SPAN("FULL") : m->ret ? SPAN("HDRS") : SPAN_NONE,
		.body = span_is(m->encoding, "8bit") ? SPAN("8BITMIME") : span_is(m->encoding, "7bit") ? SPAN("7BIT") : SPAN_NONE,
		.filter = m->redirect.len ? SPAN_NONE : m->filter, .redirect = m->redirect, .verp = m->verp,
		.client_name = m->client_name, .client_address = m->client_address, .client_port = m->client_port,
		.helo = m->helo, .protocol = m->protocol, .sasl_method = m->sasl_method, .sasl_user = m->sasl_user,
		.origin = probe ? SPAN("verify") : m->client_address.len ? SPAN("smtpd") : SPAN("pickup"),
		.encoding = SPAN_NONE, .arrival_us = m->arrival_us, .smtputf8 = m->smtputf8,
		.verify_only = probe || (m->trace & POSTFIX_TRACE_VERIFY), .trace = m->trace & POSTFIX_TRACE_REPORT};
}

static int
put_message(struct letter *l, struct queue_draft *d, struct fault *why)
{
	struct queue_envelope e = import_envelope(l);
	struct piece          piece = {QUEUE_CONTENT_AT, 0};
	int64_t               end = QUEUE_CONTENT_AT;

	if (l->i->move->owner != (uid_t)-1 && fchown(queue_draft_fd(d), l->i->move->owner, (gid_t)-1) < 0)
		return fault_errno(why, "chown");
	if (import_content(l, queue_draft_fd(d), &end, "\r\n", false, why) < 0)
		return -1;
	piece.len = end - QUEUE_CONTENT_AT;
	e.content = (struct message_content){.fd = -1, .pieces = &piece, .n_pieces = 1, .size = piece.len};
	if (queue_draft_content(d, piece.len, why) < 0 || queue_draft_envelope(d, &e, why) < 0)
		return -1;
	for (size_t i = 0; i < l->m.n_rcpts; i++) {
		const struct postfix_rcpt *r = &l->m.rcpts[i];
		struct queue_rcpt          one = {.address = r->address, .original = r->original, .orcpt = r->orcpt,
		                                  .notify = r->notify & 1 ? 1 : r->notify};

		if (queue_draft_rcpt(d, &one, why) < 0)
			return -1;
	}
	return 0;
}

/* ---- marks ---- */

static int
journal(struct queue_file *f, enum queue_event_kind kind, int64_t at, const struct letter *l, const struct postfix_reason *r,
        struct fault *why)
{
	struct queue_event e = {.kind = kind, .rcpt_at = at, .when_us = l->due_us, .number = kind == EVENT_TRIED,
	                        .dsn = SPAN_NONE, .text = SPAN_NONE, .mta = SPAN_NONE, .diagnostic = SPAN_NONE, .action = SPAN_NONE};

	if (r) {
		e.dsn = r->status;
		e.text = r->reason;
		e.mta = r->mta;
		e.diagnostic = r->diagnostic;
		e.action = r->action;
	}
	return queue_journal_add(f, &e, why);
}

/* Done; done, and its notice is still due; or not done, and why. */
static int
mark_one(struct letter *l, struct queue_file *f, const struct queue_rcpt *ours, const struct postfix_rcpt *theirs,
         struct fault *why)
{
	const struct postfix_reason *failed = import_reason(l, LOG_BOUNCE, theirs), *sent = import_reason(l, LOG_TRACE, theirs),
	                            *deferred = import_reason(l, LOG_DEFER, theirs);
	bool wants_failure = ours->notify == 0 || (ours->notify & 4);

	if (!theirs->done)
		return deferred ? journal(f, EVENT_DEFERRED, ours->at, l, deferred, why) : 0;
	if (failed && (wants_failure || l->m.trace))
		return journal(f, EVENT_FAILED, ours->at, l, failed, why) < 0 ? -1
		       : queue_file_mark(f, ours->at, l->m.trace & POSTFIX_TRACE_VERIFY ? RCPT_SUCCESS : RCPT_FAILED, why);
	if (sent)
		return journal(f, EVENT_SENT, ours->at, l, sent, why) < 0 ? -1 : queue_file_mark(f, ours->at, RCPT_SUCCESS, why);
	return queue_file_mark(f, ours->at, RCPT_DONE, why);
}

static int
mark_all(struct letter *l, struct queue_file *f, struct fault *why)
{
	int64_t at = queue_file_rcpt_first(f);

	for (size_t i = 0; i < l->m.n_rcpts; i++) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;

		if (queue_file_rcpt(f, at, arena, &r, why) != 1)
			return fault_set(why, FAULT_SYSTEM, "a recipient is missing");
		if (mark_one(l, f, &r, &l->m.rcpts[i], why) < 0)
			return -1;
		at = r.next;
	}
	if (l->m.warned && journal(f, EVENT_WARNED, 0, l, NULL, why) < 0)
		return -1;
	if (l->i->state == QUEUE_DEFERRED && journal(f, EVENT_TRIED, 0, l, NULL, why) < 0)
		return -1;
	return l->expired ? queue_file_set_expired(f, why) : 0;
}

int
import_message(struct letter *l, struct fault *why)
{
	struct queue_draft *d;
	struct queue_file  *f;
	int                 got;

	if (queue_draft_claim(l->i->stage, &l->to, &d, why) != 0)
		return why->class ? -1 : fault_set(why, FAULT_SYSTEM, "is in the queue in between already");
	if (put_message(l, d, why) < 0) {
		queue_draft_abandon(d);
		return -1;
	}
	if (queue_draft_commit(d, QUEUE_INCOMING, why) < 0)
		return -1;
	got = queue_file_open(l->i->stage, QUEUE_INCOMING, l->to.text, QUEUE_OPEN_WRITE, &f, why);
	if (got != 0)
		return got < 0 ? -1 : fault_set(why, FAULT_SYSTEM, "is gone");
	got = mark_all(l, f, why);
	if (got == 0)
		got = queue_set_due(l->i->stage, QUEUE_INCOMING, l->to.text, l->due_us, why);
	if (got == 0)
		got = queue_file_sync(f, why);
	queue_file_close(f);
	return got == 0 ? 0 : -1;
}
