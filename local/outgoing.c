/* SPDX-License-Identifier: ISC */
/*
 * outgoing.c - redirects and answers of a recipient's filter go into the queue
 */
#include "local/outgoing.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/submit.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/message_id.h"

enum { SUBMIT_MS = 300 * 1000, COPY_SIZE = 65536 };

struct sending {
	struct delivery              *d;
	const struct message_content *content;
	const struct deliver_rcpt    *rcpt;
	struct span                   sender;
	const struct errand_result   *result;
	const struct outgoing        *answer;      /* NULL: the redirects */
};

static void
add_head(const struct sending *s, struct submission *submission, struct text *out)
{
	autotext struct text date = {0}, me = {0};
	int64_t              now = clock_wall() / 1000000;

	date_add_local(now, &date);
	text_add_format(out, "Received: by %s (%s)\r\n\tid %.*s; %s\r\n", site.myhostname, site.mail_name,
		SPAN_ARGS(s->d->queue_id), text_string(&date));
	if (s->answer) {
		text_add_string(out, "Message-ID: ");
		message_id_make(now, span_of(submit_queue_id(submission)), span_of(site.myhostname), out);
		text_add_format(out, "\r\nDate: ");
		date_add(date_local(now), out);
		text_add_string(out, "\r\n");
		return;
	}
	address_external(s->rcpt->address, &me);
	if (span_find_any(text_span(&me), "\r\n") < 0)
		text_add_format(out, "Delivered-To: %s\r\nX-Sieve: Postern\r\nX-Sieve-Redirected-From: %s\r\n", text_string(&me),
			text_string(&me));
}

static int
write_content(const struct sending *s, struct submission *submission, int fd, int64_t at, int64_t *length, struct fault *why)
{
	autotext struct text chunk = {0};
	int64_t              position = 0, to = at;

	add_head(s, submission, &chunk);
	if (s->answer)
		text_add(&chunk, s->answer->content);
	do {
		if (file_write_at(fd, text_span(&chunk), to, why) < 0)
			return -1;
		to += (int64_t)chunk.len;
		text_clear(&chunk);
		if (!s->answer && message_read(s->content, &position, COPY_SIZE, &chunk, why) < 0)
			return -1;
	} while (chunk.len);
	*length = to - at;
	return 0;
}

static int
add_recipients(const struct sending *s, struct submission *submission, struct fault *why)
{
	const struct submit_rcpt to_sender = {.address = s->d->sender, .original = s->d->sender, .orcpt = SPAN_NONE, .notify = NOTIFY_NEVER};

	if (s->answer)
		return submit_recipient(submission, &to_sender, why);
	for (size_t i = 0; i < s->result->n_outgoing; i++) {
		const struct submit_rcpt rcpt = {.address = s->result->outgoing[i].address, .original = s->rcpt->address,
			.orcpt = s->rcpt->orcpt, .notify = s->rcpt->notify};

		if (!s->result->outgoing[i].answer && submit_recipient(submission, &rcpt, why) < 0)
			return -1;
	}
	return 0;
}

static int
submit_all(const struct sending *s, struct submission *submission, struct fault *why)
{
	struct submit_envelope envelope = {.sender = s->answer ? SPAN_NONE : s->sender,
		.envid = s->answer ? SPAN_NONE : s->d->envid, .ret = s->answer ? SPAN_NONE : s->d->ret,
		.body = s->answer ? SPAN("8BITMIME") : s->d->body, .smtputf8 = s->d->smtputf8,
		.auth = SPAN_NONE, .filter = SPAN_NONE, .redirect = SPAN_NONE, .verp = SPAN_NONE};
	int                    fd;
	int64_t                at;

	if (submit_content(submission, &fd, &at, why) < 0 || write_content(s, submission, fd, at, &envelope.length, why) < 0 ||
	    add_recipients(s, submission, why) < 0 || submit_prepare(submission, &envelope, why) < 0)
		return -1;
	return submit_commit(submission, SPAN_NONE, why);
}

/* Queued; or an outcome that says why not. */
static void
send_one(const struct sending *s, struct outcome *o)
{
	const struct submit_origin origin = {.origin = "local", .client_name = SPAN_NONE, .client_address = SPAN_NONE,
		.client_port = SPAN_NONE, .helo = SPAN_NONE, .protocol = SPAN_NONE, .sasl_method = SPAN_NONE, .sasl_user = SPAN_NONE};
	struct submission         *submission = NULL;
	struct fault               why = {0};
	const char                *status = NULL;

	if (submit_open(&origin, clock_after(SUBMIT_MS), &submission, &why) == 0 && submit_all(s, submission, &why) == 0) {
		log_info("%.*s: sieve: %s queued as %s", SPAN_ARGS(s->d->queue_id), s->answer ? "vacation response" : "redirect",
			submit_queue_id(submission));
		submit_close(submission);
		return;
	}
	if (submission)
		status = submit_status(submission);
	if (s->answer)                 /* the message itself was delivered, and is not delivered again for an answer */
		log_warning("%.*s: sieve: vacation response: %s", SPAN_ARGS(s->d->queue_id), fault_text(&why));
	else
		outcome_set(o, status && status[0] == '5' ? DELIVER_BOUNCED : DELIVER_DEFERRED,
			status && status[0] ? status : "4.3.0", "unable to forward: %s", fault_text(&why));
	submit_close(submission);
}

void
outgoing_send(struct delivery *d, const struct message_content *content, const struct deliver_rcpt *rcpt, struct span sender,
	const struct errand_result *result, struct outcome *o)
{
	struct sending s = {.d = d, .content = content, .rcpt = rcpt, .sender = sender, .result = result};
	bool           redirects = false;

	if (o->action == DELIVER_DEFERRED)
		return;
	for (size_t i = 0; i < result->n_outgoing; i++)
		redirects = redirects || !result->outgoing[i].answer;
	if (redirects)
		send_one(&s, o);
	for (size_t i = 0; i < result->n_outgoing; i++) {
		if (!result->outgoing[i].answer || d->sender.len == 0)
			continue;
		s.answer = &result->outgoing[i];
		send_one(&s, o);
		break;
	}
}
