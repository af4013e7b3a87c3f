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
#include "sieve/settings.h"

enum { SUBMIT_MS = 300 * 1000, COPY_SIZE = 65536 };

struct sending {
	struct delivery              *d;
	const struct message_content *content;
	const struct deliver_rcpt    *rcpt;
	const char                   *user;
	struct span                   sender;
	const struct errand_result   *result;
	const struct outgoing        *answer;      /* NULL: redirects */
	const struct edited          *edited;      /* of redirects: this header instead of the message's; NULL: as it came */
};

static void
add_head(const struct sending *s, struct text *out)
{
	autotext struct text date = {0}, me = {0};
	int64_t              now = clock_wall() / 1000000;

	date_add_local(now, &date);
	text_add_format(out, "Received: by %s (%s)\r\n\tid %.*s; %s\r\n", site.myhostname, site.mail_name,
		SPAN_ARGS(s->d->queue_id), text_string(&date));
	if (s->answer)                 /* the filter has put the rest there */
		return;
	address_external(s->rcpt->address, &me);
	if (span_find_any(text_span(&me), "\r\n") < 0)
		text_add_format(out, "Delivered-To: %s\r\nX-Sieve: Postern\r\nX-Sieve-Redirected-From: %s\r\n", text_string(&me),
			text_string(&me));
}

/* Without so many lines at its front: *skip counts down. */
static void
drop_lines(struct text *chunk, int64_t *skip)
{
	struct span rest = text_span(chunk), line;

	while (*skip > 0 && rest.len) {
		*skip -= span_has(rest, '\n');
		span_split(&rest, '\n', &line);
	}
	text_drop(chunk, chunk->len - rest.len);
}

static int
write_content(const struct sending *s, int fd, int64_t at, int64_t *length, struct fault *why)
{
	autotext struct text chunk = {0};
	int64_t              position = 0, to = at, skip = s->edited ? s->edited->lines : 0;
	size_t               got = 1;

	add_head(s, &chunk);
	if (s->answer)
		text_add(&chunk, s->answer->content);
	if (s->edited)
		text_add(&chunk, text_span(&s->edited->header));
	while (got) {
		if (file_write_at(fd, text_span(&chunk), to, why) < 0)
			return -1;
		to += (int64_t)chunk.len;
		text_clear(&chunk);
		if (!s->answer && message_read(s->content, &position, COPY_SIZE, &chunk, why) < 0)
			return -1;
		got = chunk.len;
		drop_lines(&chunk, &skip);
	}
	*length = to - at;
	return 0;
}

/* Is this what is being sent now? */
static bool
is_of(const struct sending *s, const struct outgoing *o)
{
	return !o->answer && (o->edited ? &s->result->edited[o->edited - 1] : NULL) == s->edited;
}

static int
add_recipients(const struct sending *s, struct submission *submission, struct fault *why)
{
	const struct submit_rcpt to_sender = {.address = s->d->sender, .original = s->d->sender, .orcpt = SPAN_NONE, .notify = NOTIFY_NEVER};

	for (size_t i = 0; s->answer && i < s->answer->n_to; i++) {
		const struct submit_rcpt rcpt = {.address = s->answer->to[i], .original = s->answer->to[i], .orcpt = SPAN_NONE,
			.notify = NOTIFY_NEVER};

		if (submit_recipient(submission, &rcpt, why) < 0)
			return -1;
	}
	if (s->answer)
		return s->answer->notice ? 0 : submit_recipient(submission, &to_sender, why);
	for (size_t i = 0; i < s->result->n_outgoing; i++) {
		const struct submit_rcpt rcpt = {.address = s->result->outgoing[i].address, .original = s->rcpt->address,
			.orcpt = s->rcpt->orcpt, .notify = s->rcpt->notify};

		if (is_of(s, &s->result->outgoing[i]) && submit_recipient(submission, &rcpt, why) < 0)
			return -1;
	}
	return 0;
}

/* Pigeonhole's words for a sender. */
static int
sender_by_word(const struct sending *s, struct span word, struct text *out, struct fault *why)
{
	struct span original = s->rcpt->original.len ? s->rcpt->original : s->rcpt->address;

	word = span_trim(word);
	if (span_is(word, "recipient"))
		text_set(out, s->rcpt->address);
	else if (span_is(word, "orig_recipient") || (span_is(word, "user_email") && !sieve_settings.user_email[0]))
		text_set(out, original);
	else if (span_is(word, "user_email"))
		return sieve_expand(span_of(sieve_settings.user_email), &(const struct sieve_user){span_of(s->user), SPAN_NONE}, out, why);
	else if (span_is(word, "postmaster"))
		text_add_format(out, "postmaster@%s", site.myhostname);
	else if (span_starts(word, "<") && span_ends(word, ">"))
		text_set(out, span_cut(word, 1, word.len - 1));
	else
		text_set(out, s->sender);
	return 0;
}

/* What came from nobody stays so: a bounce makes no bounces. */
static int
envelope_sender(const struct sending *s, struct text *out, struct fault *why)
{
	if (!s->answer)
		return s->sender.len ? sender_by_word(s, span_of(sieve_settings.redirect_from), out, why) : 0;
	if (!s->answer->notice && sieve_settings.vacation_from_recipient)
		return sender_by_word(s, SPAN("recipient"), out, why);
	if (s->answer->notice && sieve_settings.notify_from[0] && s->d->sender.len)
		return sender_by_word(s, span_of(sieve_settings.notify_from), out, why);
	return 0;
}

static int
prepare(const struct sending *s, struct submission *submission, struct fault *why)
{
	autotext struct text   from = {0};
	struct submit_envelope envelope = {.sender = SPAN_NONE,
		.envid = s->answer ? SPAN_NONE : s->d->envid, .ret = s->answer ? SPAN_NONE : s->d->ret,
		.body = s->answer ? SPAN("8BITMIME") : s->d->body, .smtputf8 = s->d->smtputf8,
		.auth = SPAN_NONE, .filter = SPAN_NONE, .redirect = SPAN_NONE, .verp = SPAN_NONE};
	int                    fd;
	int64_t                at;

	if (envelope_sender(s, &from, why) < 0)
		return -1;
	envelope.sender = text_span(&from);
	if (submit_content(submission, &fd, &at, why) < 0 || write_content(s, fd, at, &envelope.length, why) < 0 ||
	    add_recipients(s, submission, why) < 0)
		return -1;
	return submit_prepare(submission, &envelope, why);
}

static int
open_one(struct submission **out, struct fault *why)
{
	const struct submit_origin origin = {.origin = "local", .client_name = SPAN_NONE, .client_address = SPAN_NONE,
		.client_port = SPAN_NONE, .helo = SPAN_NONE, .protocol = SPAN_NONE, .sasl_method = SPAN_NONE, .sasl_user = SPAN_NONE};

	return submit_open(&origin, clock_after(SUBMIT_MS), out, why);
}

static const char *
kind_of(const struct sending *s)
{
	return !s->answer ? "redirect" : s->answer->notice ? "notification" : "vacation response";
}

static void
log_queued(const struct sending *s, struct submission *submission)
{
	log_info("%.*s: sieve: %s queued as %s", SPAN_ARGS(s->d->queue_id), kind_of(s),
		submit_queue_id(submission));
}

/* How many submissions are prepared: one for each version of the message.  -1: *why, and *failed, which may be NULL. */
static int
prepare_redirects(struct sending *s, struct submission **all, struct submission **failed, struct fault *why)
{
	int count = 0;

	for (size_t v = 0; v <= s->result->n_edited; v++) {
		bool wanted = false;

		s->edited = v ? &s->result->edited[v - 1] : NULL;
		for (size_t i = 0; i < s->result->n_outgoing; i++)
			wanted = wanted || is_of(s, &s->result->outgoing[i]);
		if (!wanted)
			continue;
		if (open_one(&all[count], why) < 0 || prepare(s, all[count], why) < 0) {
			*failed = all[count];
			return -1;
		}
		count++;
	}
	return count;
}

static int
commit_redirects(const struct sending *s, struct submission **all, int count, struct submission **failed, struct fault *why)
{
	for (int i = 0; i < count; i++) {
		if (submit_commit(all[i], SPAN_NONE, why) < 0) {
			*failed = all[i];
			return -1;
		}
		log_queued(s, all[i]);
	}
	return 0;
}

static void
send_redirects(struct sending *s, struct outcome *o)
{
	struct submission *all[EDITED_MAX + 1] = {NULL}, *failed = NULL;
	struct fault       why = {0};
	int                count = prepare_redirects(s, all, &failed, &why);

	if (count < 0 || commit_redirects(s, all, count, &failed, &why) < 0) {
		const char *status = failed ? submit_status(failed) : NULL;

		outcome_set(o, status && status[0] == '5' ? DELIVER_BOUNCED : DELIVER_DEFERRED,
			status && status[0] ? status : "4.3.0", "unable to forward: %s", fault_text(&why));
	}
	for (size_t i = 0; i < COUNT(all); i++)
		submit_close(all[i]);
}

/* The message itself was delivered, and is not delivered again for an answer. */
static void
send_answer(const struct sending *s)
{
	struct submission *submission = NULL;
	struct fault       why = {0};

	if (open_one(&submission, &why) < 0 || prepare(s, submission, &why) < 0 || submit_commit(submission, SPAN_NONE, &why) < 0)
		log_warning("%.*s: sieve: %s: %s", SPAN_ARGS(s->d->queue_id), kind_of(s), fault_text(&why));
	else
		log_queued(s, submission);
	submit_close(submission);
}

void
outgoing_send(struct delivery *d, const struct message_content *content, const struct deliver_rcpt *rcpt, const char *user,
	struct span sender, const struct errand_result *result, struct outcome *o)
{
	struct sending s = {.d = d, .content = content, .rcpt = rcpt, .user = user, .sender = sender, .result = result};
	bool           answered = false;

	if (o->action == DELIVER_DEFERRED)
		return;
	send_redirects(&s, o);
	s.edited = NULL;
	for (size_t i = 0; i < result->n_outgoing; i++) {
		const struct outgoing *one = &result->outgoing[i];

		/* one answer; notices wait for the next try, which makes them again */
		if (!one->answer || (one->notice ? o->action == DELIVER_DEFERRED : answered || d->sender.len == 0))
			continue;
		answered = answered || !one->notice;
		s.answer = one;
		send_answer(&s);
	}
}
