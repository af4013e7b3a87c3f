/* SPDX-License-Identifier: ISC */
/*
 * forward.c - addresses that are not delivered here become a new message
 *
 * One message for each sender (the message's own, or owner-list), through
 * cleanup, with a Received: and a Delivered-To: of ours in front: the latter is
 * how a message that comes back is known.  The content is copied as bytes.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/submit.h"
#include "local/run.h"
#include "mail/address.h"
#include "mail/date.h"

enum { SUBMIT_MS = 300 * 1000, COPY_SIZE = 65536 };

void
forward_add(struct run *r, struct span sender, struct span address)
{
	if (r->n_forwards == r->room_forwards) {
		r->room_forwards = r->room_forwards ? r->room_forwards * 2 : 4;
		r->forwards = mem_grow(r->forwards, r->room_forwards, sizeof *r->forwards);
	}
	r->forwards[r->n_forwards++] = (struct forwarding){sender, address};
}

static void
add_received(struct run *r, struct text *out)
{
	autotext struct text date = {0}, delivered = {0};

	date_add_local(clock_wall() / 1000000, &date);
	text_add_format(out, "Received: by %s (%s)\r\n\tid %.*s; %s\r\n", site.myhostname,
		site.mail_name, SPAN_ARGS(r->d->queue_id), text_string(&date));
	if (!list_has(&local_settings.prepend, "forward"))
		return;
	address_external(r->rcpt->address, &delivered);
	text_lower(&delivered);
	text_add_format(out, "Delivered-To: %s\r\n", text_string(&delivered));
}

/* The message into cleanup's descriptor: its length. */
static int
write_message(struct run *r, int fd, int64_t at, int64_t *length, struct fault *why)
{
	autotext struct text chunk = {0};
	int64_t              position = 0, to = at;

	add_received(r, &chunk);
	do {
		if (file_write_at(fd, text_span(&chunk), to, why) < 0)
			return -1;
		to += (int64_t)chunk.len;
		if (message_read(r->content, &position, COPY_SIZE, &chunk, why) < 0)
			return -1;
	} while (chunk.len);
	*length = to - at;
	return 0;
}

static int
submit_all(struct run *r, struct submission *s, struct span sender, struct fault *why)
{
	struct submit_envelope envelope = {.sender = sender,
		.envid = r->d->envid,
		.ret = r->d->ret,
		.body = r->d->body,
		.smtputf8 = r->d->smtputf8,
		.auth = SPAN_NONE,
		.filter = SPAN_NONE,
		.redirect = SPAN_NONE,
		.verp = SPAN_NONE};
	int                    fd;
	int64_t                at;

	if (submit_content(s, &fd, &at, why) < 0 ||
		write_message(r, fd, at, &envelope.length, why) < 0)
		return -1;
	for (size_t i = 0; i < r->n_forwards; i++) {
		/* a list with an owner is its own sender: who the first recipient was, and what was asked
		 * about him, does not go on (RFC 3461, 5.2.7.3) */
		bool                     owned = !span_equal(sender, r->d->sender);
		const struct submit_rcpt rcpt = {
			.address = r->forwards[i].address,
			.original = owned                   ? r->forwards[i].address
			            : r->rcpt->original.len ? r->rcpt->original
			                                    : r->rcpt->address,
			.orcpt = owned ? SPAN_NONE : r->rcpt->orcpt,
			.notify = owned ? 0 : r->rcpt->notify};

		if (span_equal(r->forwards[i].sender, sender) &&
			submit_recipient(s, &rcpt, why) < 0)
			return -1;
	}
	if (submit_prepare(s, &envelope, why) < 0)
		return -1;
	return submit_commit(s, SPAN_NONE, why);
}

/* All recipients of one sender; the outcome is that of the one who was expanded. */
static void
forward_for(struct run *r, struct span sender)
{
	const struct submit_origin origin = {.origin = "local",
		.client_name = SPAN_NONE,
		.client_address = SPAN_NONE,
		.client_port = SPAN_NONE,
		.helo = SPAN_NONE,
		.protocol = SPAN_NONE,
		.sasl_method = SPAN_NONE,
		.sasl_user = SPAN_NONE};
	struct submission *s = NULL;
	struct fault       why = {0};
	const char        *status;

	if (submit_open(&origin, clock_after(SUBMIT_MS), &s, &why) < 0) {
		run_add(r, r->rcpt->address, DELIVER_DEFERRED, "4.3.0", "unable to forward: %s",
			fault_text(&why));
		return;
	}
	if (submit_all(r, s, sender, &why) == 0) {
		run_add(r, r->rcpt->address, DELIVER_SENT, "2.0.0", "forwarded as %s",
			submit_queue_id(s));
	} else {
		bool never;

		status = submit_status(s);
		never = status && status[0] == '5';
		run_add(r, r->rcpt->address, never ? DELIVER_BOUNCED : DELIVER_DEFERRED,
			status && status[0] ? status : "4.3.0", "unable to forward: %s",
			fault_text(&why));
	}
	submit_close(s);
}

void
forward_finish(struct run *r)
{
	for (size_t i = 0; i < r->n_forwards; i++) {
		bool done = false;

		for (size_t k = 0; k < i; k++)
			done = done || span_equal(r->forwards[k].sender, r->forwards[i].sender);
		if (done)
			continue;
		if (r->d->verify_only)
			run_add(r, r->rcpt->address, DELIVER_SENT, "2.0.0", "forwards to %.*s",
			        SPAN_ARGS(r->forwards[i].address));
		else
			forward_for(r, r->forwards[i].sender);
	}
}
