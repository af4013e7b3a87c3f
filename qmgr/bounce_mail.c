/* SPDX-License-Identifier: ISC */
/*
 * bounce_mail.c - a delivery status notification, built and submitted (RFC 3464, 3461 6)
 *
 * The notification goes through cleanup like any mail, with its sender given
 * by the caller (null, or double-bounce for what goes to the postmaster, so that
 * it can never make a loop). The original is copied from its descriptor.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "bounce.h"
#include "config/site.h"
#include "ipc/submit.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/message_id.h"
#include "queue/message.h"

enum { SUBMIT_MS = 90 * 1000, COPY = 65536 };

/* The shape that lib/mail wants. */

static enum dsn_action
action_of(struct span name)
{
	static const char *const names[] = {"failed", "delayed", "delivered", "relayed",
	                                    "expanded", "deliverable", "undeliverable"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (span_is(name, names[i]))
			return (enum dsn_action)i;
	return DSN_FAILED;
}

static struct dsn_recipient
recipient_of(const struct notice *n, const struct notice_rcpt *r)
{
	int64_t              now = clock_wall() / 1000000;
	struct dsn_recipient out = {.recipient = r->address,
	                            .original = r->original,
	                            .orcpt = r->orcpt,
	                            .action = action_of(r->action),
	                            .remote_mta = r->mta,
	                            .reason = r->text,
	                            .last_attempt = now,
	                            .diagnostic = r->diagnostic.len ? r->diagnostic : r->text,
	                            .diagnostic_is_smtp = r->diagnostic.len > 0};

	if (!status_parse(r->dsn, &out.status, NULL))
		out.status = STATUS(5, 0, 0);
	if (out.action == DSN_DELAYED)
		out.retry_until = n->expires_us / 1000000;
	return out;
}

static enum bounce_kind
kind_of(const struct notice *n)
{
	static const char *const kinds[] = {"failure", "delay", "success", "verify"};

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (span_is(n->kind, kinds[i]))
			return (enum bounce_kind)i;
	return BOUNCE_FAILURE;
}

static int
build(const struct bounce_mail *m, struct span id, struct text *head, struct text *tail,
      bool *whole, struct fault *why)
{
	const struct notice            *n = m->notice;
	autofree struct dsn_recipient *rcpts = mem_array(n->n_rcpts, sizeof *rcpts);
	struct dsn d = {.host = span_of(site.myhostname),
	                .mail_name = span_of(site.mail_name),
	                .origin = span_of(site.myorigin),
	                .queue_id = n->queue_id,
	                .boundary_seed = id,
	                .sender = n->sender,
	                .to = m->to,
	                .envid = n->envid,
	                .smtputf8 = n->smtputf8,
	                .ret = span_is_nocase(n->ret, "FULL")   ? SMTP_RET_FULL
	                       : span_is_nocase(n->ret, "HDRS") ? SMTP_RET_HDRS
	                                                        : SMTP_RET_NONE,
	                .arrival = n->arrival_us / 1000000,
	                .now = clock_wall() / 1000000,
	                .original_size = (uint64_t)n->size,
	                .size_limit = (uint64_t)bounce_config.size_limit,
	                .words = &bounce_templates.of[kind_of(n)],
	                .to_postmaster = m->to_postmaster,
	                .double_bounce = m->is_double,
	                .report = span_is(n->kind, "verify"),
	                .recipients = rcpts,
	                .count = n->n_rcpts};

	for (size_t i = 0; i < n->n_rcpts; i++)
		rcpts[i] = recipient_of(n, &n->rcpts[i]);
	return dsn_build(&d, head, tail, whole, why);
}

/* Writing. */

struct writer {
	int     fd;
	int64_t at, length;
};

static int
put(struct writer *w, struct span bytes, struct fault *why)
{
	if (file_write_at(w->fd, bytes, w->at + w->length, why) < 0)
		return -1;
	w->length += (int64_t)bytes.len;
	return 0;
}

static int
put_trace(struct writer *w, struct span id, struct fault *why)
{
	autotext struct text line = {0};
	int64_t              now = clock_wall() / 1000000;

	text_add_format(&line, "Received: by %s (%s)\r\n\tid %.*s; ", site.myhostname,
	                site.mail_name, SPAN_ARGS(id));
	date_add_local(now, &line);
	text_add(&line, SPAN("\r\nMessage-Id: "));
	message_id_make(now, id, span_of(site.myhostname), &line);
	text_add(&line, SPAN("\r\n"));
	return put(w, text_span(&line), why);
}

/* enable_threaded_bounces: the notice stands below the message that it is about (RFC 5322, 3.6.4). */
static int
put_thread(struct writer *w, const struct notice *n, struct fault *why)
{
	struct message_content original = {.fd = n->content};
	autoarena struct arena *arena = arena_new();
	autotext struct text   bytes = {0}, lines = {0};
	struct header_field    id, references;
	int                    got;

	if (message_pieces_parse(n->pieces, &original, why) < 0)
		return -1;
	got = message_header(&original, (size_t)site.header_size_limit, &bytes, why);
	message_content_free(&original);
	if (got < 0 || !header_find(text_span(&bytes), "Message-Id", &id))
		return got;
	text_add(&lines, SPAN("References:"));
	if (header_find(text_span(&bytes), "References", &references)) {
		text_add(&lines, SPAN(" "));
		text_add(&lines, references.value);
		text_add(&lines, SPAN("\r\n\t"));
	} else {
		text_add(&lines, SPAN(" "));
	}
	text_add(&lines, header_unfolded(arena, id.value));
	text_add(&lines, SPAN("\r\nIn-Reply-To: "));
	text_add(&lines, header_unfolded(arena, id.value));
	text_add(&lines, SPAN("\r\n"));
	return put(w, text_span(&lines), why);
}

static int
put_original(struct writer *w, const struct notice *n, bool whole, struct fault *why)
{
	struct message_content original = {.fd = n->content};
	autotext struct text   bytes = {0};
	int64_t                position = 0;
	int                    got;

	if (message_pieces_parse(n->pieces, &original, why) < 0)
		return -1;
	got = whole ? 0 : message_header(&original, (size_t)site.header_size_limit, &bytes, why);
	if (!whole && got == 0)
		got = put(w, text_span(&bytes), why);
	while (whole && (got = message_read(&original, &position, COPY, &bytes, why)) == 0 &&
	       bytes.len)
		if ((got = put(w, text_span(&bytes), why)) < 0)
			break;
	message_content_free(&original);
	return got;
}

static int
put_all(const struct bounce_mail *m, struct submission *s, int *fd, int64_t *length, struct fault *why)
{
	autotext struct text head = {0}, tail = {0};
	struct span          id = span_of(submit_queue_id(s));
	struct writer        w = {.fd = -1};
	bool                 whole = false;

	if (build(m, id, &head, &tail, &whole, why) < 0 || submit_content(s, &w.fd, &w.at, why) < 0)
		return -1;
	if (put_trace(&w, id, why) < 0 || (bounce_config.threaded && put_thread(&w, m->notice, why) < 0) ||
	    put(&w, text_span(&head), why) < 0 ||
	    put_original(&w, m->notice, whole, why) < 0 || put(&w, text_span(&tail), why) < 0)
		return -1;
	*length = w.length;
	*fd = w.fd;
	return 0;
}

static int
submit(const struct bounce_mail *m, struct submission *s, bool filtered, struct fault *why)
{
	/* Not NOTIFY_NEVER: when it cannot be delivered, we want to be asked again and tell the postmaster. */
	struct submit_rcpt     to = {.address = m->to};
	struct submit_envelope e = {.sender = m->sender, .smtputf8 = m->notice->smtputf8};
	struct milter_mail     mail = {.submission = s, .envelope = &e, .rcpts = &to, .n_rcpts = 1, .fd = -1,
	                               .size_limit = site.message_size_limit, .myhostname = site.myhostname,
	                               .soft_bounce = site.soft_bounce};
	autotext struct text   edits = {0};
	char                   status[16];
	int                    judged = 0;

	if (put_all(m, s, &mail.fd, &e.length, why) < 0 || submit_recipient(s, &to, why) < 0 ||
	    submit_prepare(s, &e, why) < 0)
		return -1;
	if (filtered)
		judged = milters_judge(&bounce_config.milters, &mail, &edits, status, why);
	if (judged != 0)
		return judged < 0 ? -1 : 0;
	submit_deadline(s, clock_after(SUBMIT_MS));
	return submit_commit(s, text_span(&edits), why);
}

int
bounce_send(const struct bounce_mail *m, char id[BOUNCE_ID_SIZE], struct fault *why)
{
	bool filtered = list_has(&bounce_config.internal_mail_filter_classes, "bounce");
	struct submit_origin origin = {
		.origin = "bounce", .no_header_body_checks = !filtered, .no_milters = !filtered};
	struct submission   *s = NULL;
	int                  sent;

	if (submit_open(&origin, clock_after(SUBMIT_MS), &s, why) < 0)
		return -1;
	snprintf(id, BOUNCE_ID_SIZE, "%s", submit_queue_id(s));
	sent = submit(m, s, filtered, why);
	submit_close(s);
	return sent;
}
