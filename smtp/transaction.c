/* SPDX-License-Identifier: ISC */
/*
 * transaction.c - one message over one session (RFC 5321, 3.3; RFC 2033 for LMTP)
 *
 * With PIPELINING the envelope and DATA go out together (RFC 2920), in parts of
 * PIPELINE_BYTES, so that neither side waits for the other with full buffers. A recipient whose fate is sealed is reported at once; one that got
 * a 4xx is left for the next server unless this is the last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "mail/address.h"

enum { PIPELINE_BYTES = 8000 };

struct transaction {
	struct session  *s;
	struct delivery *d;
	bool             last;
	struct trouble  *t;
	struct deliver_rcpt **rcpts;   /* who takes part */
	size_t           n_rcpts, accepted;
	bool            *ok;           /* RCPT was accepted */
	int              mail_code;    /* of the reply to MAIL */
	struct message_content content;
	struct content  *out;          /* as this server gets it; NULL with verify_only */
	struct arena    *arena;
	bool             after_dot;    /* the message may have arrived */
};

/* ------------------------------------------------------------ reporting */

static void
report(struct transaction *x, struct deliver_rcpt *r, enum deliver_action action, const char *dsn, const struct trouble *t,
       struct span text)
{
	struct deliver_status st = {
		.action = action, .dsn = dsn, .text = text, .relay = span_of(x->s->relay),
		.conn_used = x->s->used > 0, .conn_use = x->s->used + 1,
		/* who speaks DSN says itself how it ends (RFC 3461, 5.2.2) */
		.report = x->s->ehlo.has & SMTP_HAS_DSN ? "none" : client.assume_final ? "delivered" : "relayed",
	};
	const struct tls_policy *policy = &x->s->policy;
	char         tls[40];
	struct fault why = {0};

	if (client.log_tls && policy->level != TLS_UNSET) {
		snprintf(tls, sizeof tls, "%s%s", policy_level_name(policy->level),
		         !x->s->tls && policy->level != TLS_NONE ? ":none" : "");
		st.tls = span_of(tls);
	}
	if (t) {
		st.mta = text_span(&t->mta);
		st.diagnostic = text_span(&t->diagnostic);
	}
	if (filtered_report(x->d, r, &st, &why) < 0)
		log_warning("%.*s: cannot report to qmgr: %s%s", SPAN_ARGS(x->d->queue_id), fault_text(&why),
		            action == DELIVER_SENT ? ": possible duplicate" : "");
}

static void
report_trouble(struct transaction *x, struct deliver_rcpt *r, enum step step, const struct trouble *t)
{
	char dsn[16];

	if (step == STEP_NEXT && !x->last)
		return; /* another server may take it */
	snprintf(dsn, sizeof dsn, "%s", t->dsn);
	report(x, r, step == STEP_NEVER ? DELIVER_BOUNCED : DELIVER_DEFERRED, dsn, t, text_span(&t->text));
}

/* The whole message was refused: everybody who is still there. After RCPT that is
 * who was accepted: the others have had an answer of their own. */
static enum step
all_refused(struct transaction *x, enum step step, const struct trouble *t)
{
	for (size_t i = 0; i < x->n_rcpts; i++)
		if (!x->rcpts[i]->reported && (!x->accepted || x->ok[i]))
			report_trouble(x, x->rcpts[i], step, t);
	return STEP_DONE;
}

static enum step
lost(struct transaction *x, const struct fault *why)
{
	session_lost(x->s, why, x->t);
	if (x->after_dot) {
		/* It may have arrived: trying another server now would make that duplicate sure. */
		log_warning("%.*s: possible duplicate: %s", SPAN_ARGS(x->d->queue_id), text_string(&x->t->text));
		for (size_t i = 0; i < x->n_rcpts; i++)
			if (x->ok[i] && !x->rcpts[i]->reported)
				report(x, x->rcpts[i], DELIVER_DEFERRED, x->t->dsn, x->t, text_span(&x->t->text));
	}
	return STEP_NEXT;
}

static void
report_sent(struct transaction *x, struct deliver_rcpt *r)
{
	char          dsn[STATUS_TEXT_SIZE];
	struct status status = x->s->reply.status;

	report(x, r, DELIVER_SENT, status_string(status, dsn), NULL, text_span(&x->s->reply.text));
}

/* ------------------------------------------------------------ the envelope */

/* smtp_generic_maps; what cannot be looked up goes nowhere: see take_part. */
static struct span
generic(struct transaction *x, struct span address)
{
	struct span  other;
	struct fault why = {0};

	return generic_address(address, x->arena, &other, &why) == 0 ? other : address;
}

static void
send_mail(struct transaction *x)
{
	struct delivery     *d = x->d;
	autotext struct text line = {0};
	struct smtp_mail     m = {
		.sender = generic(x, d->sender), .size = (uint64_t)x->content.size, .envid = d->envid, .smtputf8 = d->smtputf8,
		.body = x->out && content_is_8bit(x->out) ? SMTP_BODY_8BITMIME : SMTP_BODY_NONE,
		.auth = client.dummy_auth ? SPAN("<>") : SPAN_NONE,
		.ret = span_is(d->ret, "FULL") ? SMTP_RET_FULL : span_is(d->ret, "HDRS") ? SMTP_RET_HDRS : SMTP_RET_NONE,
	};

	smtp_format_mail(&m, x->s->ehlo.has & SMTP_OFFER_ALL, &line);
	session_send(x->s, "%s", text_string(&line));
}

/* The type of an ORCPT goes out as it is: an atom (RFC 3461, 4.2), or none of it. */
static struct span
clean_orcpt(struct span orcpt)
{
	ptrdiff_t end = span_find(orcpt, ';');

	for (ptrdiff_t i = 0; i < end; i++)
		if (!ascii_alpha(orcpt.at[i]) && !ascii_digit(orcpt.at[i]) && orcpt.at[i] != '-')
			return SPAN_NONE;
	return end > 0 ? orcpt : SPAN_NONE;
}

/* RFC 3461, 5.2.1: reports shall name whom the sender meant. */
static struct span
made_orcpt(struct transaction *x, struct span original)
{
	autotext struct text out = {0};

	for (size_t i = 0; i < original.len; i++)
		if ((unsigned char)original.at[i] < ' ' || (unsigned char)original.at[i] > 126)
			return SPAN_NONE;
	text_add_string(&out, "rfc822;");
	if (span_has(original, ' '))
		address_external(original, &out);
	else
		text_add(&out, original);
	return arena_span(x->arena, text_span(&out));
}

/* Gives the bytes of the line. */
static size_t
send_rcpt(struct transaction *x, const struct deliver_rcpt *r)
{
	autotext struct text line = {0};
	struct smtp_rcpt     p = {.recipient = generic(x, r->address), .notify = (unsigned)r->notify, .orcpt = clean_orcpt(r->orcpt)};

	if (p.orcpt.len == 0 && r->original.len)
		p.orcpt = made_orcpt(x, r->original);
	smtp_format_rcpt(&p, x->s->ehlo.has & SMTP_OFFER_ALL, &line);
	session_send(x->s, "%s", text_string(&line));
	return line.len + 2;
}

static int
read_mail(struct transaction *x, enum step *step, struct fault *why)
{
	x->s->state = "sending MAIL FROM";
	if (session_read(x->s, client.mail_timeout, why) < 0)
		return -1;
	x->mail_code = x->s->reply.code;
	*step = x->mail_code / 100 == 2 ? STEP_DONE : session_refused(x->s, "MAIL FROM command", x->t);
	/* At once: it may hang up without answers to the rest. But a kept session that is over
	 * says nothing about the message. */
	if (*step != STEP_DONE && !(x->s->used > 0 && x->mail_code == 421))
		all_refused(x, *step, x->t);
	return 0;
}

static int
read_rcpt(struct transaction *x, size_t i, bool mail_ok, struct fault *why)
{
	struct trouble t = {0};

	x->s->state = "sending RCPT TO";
	if (session_read(x->s, client.rcpt_timeout, why) < 0)
		return -1;
	if (x->s->reply.code / 100 == 2) {
		x->ok[i] = mail_ok;
		x->accepted += mail_ok;
		if (mail_ok && x->d->verify_only && !client.verify_at_data)
			report_sent(x, x->rcpts[i]);
	} else if (mail_ok) {
		if (x->s->reply.code == 552) /* RFC 5321, 4.5.3.1.10: too many recipients, said the old way */
			x->s->reply.code = 452;
		enum step step = session_refused(x->s, "RCPT TO command", &t);

		report_trouble(x, x->rcpts[i], step, &t);
		trouble_free(&t);
	}
	return 0;
}

/* Not for a probe, but with smtp_address_verify_target = data, and not where BDAT takes its place (RFC 3030, 2). */
static bool
sends_data(const struct transaction *x)
{
	return x->out ? !content_by_bdat(x->out) : client.verify_at_data;
}

/* Both leave the reply to DATA in s->reply; code 0: it was not sent. */
static int
envelope_pipelined(struct transaction *x, enum step *mail, struct fault *why)
{
	size_t sent = 0, answered = 0;

	send_mail(x);
	do {
		for (size_t bytes = 0; sent < x->n_rcpts && bytes < PIPELINE_BYTES; sent++)
			bytes += send_rcpt(x, x->rcpts[sent]);
		if (sent == x->n_rcpts && sends_data(x))
			session_send(x->s, "DATA");
		if (answered == 0 && read_mail(x, mail, why) < 0)
			return -1;
		for (; answered < sent; answered++)
			if (read_rcpt(x, answered, *mail == STEP_DONE, why) < 0)
				return -1;
	} while (*mail == STEP_DONE && sent < x->n_rcpts);
	x->s->reply.code = 0;
	if (sent < x->n_rcpts || !sends_data(x))
		return 0;
	x->s->state = "sending DATA command";
	return session_read(x->s, client.data_init_timeout, why);
}

static int
envelope_in_steps(struct transaction *x, enum step *mail, struct fault *why)
{
	send_mail(x);
	if (read_mail(x, mail, why) < 0)
		return -1;
	for (size_t i = 0; *mail == STEP_DONE && i < x->n_rcpts; i++) {
		send_rcpt(x, x->rcpts[i]);
		if (read_rcpt(x, i, true, why) < 0)
			return -1;
	}
	x->s->reply.code = 0;
	if (!x->accepted || !sends_data(x))
		return 0;
	x->s->state = "sending DATA command";
	session_send(x->s, "DATA");
	return session_read(x->s, client.data_init_timeout, why);
}

/* ------------------------------------------------------------ the content */

/* Nobody is left but the server said 354: an empty message to nobody. */
static int
send_nothing(struct transaction *x, struct fault *why)
{
	x->s->state = "sending end of data";
	conn_write(x->s->conn, SPAN(".\r\n"), NULL);
	return session_read(x->s, client.data_done_timeout, why);
}

/* LMTP gives one reply a recipient (RFC 2033, 4.2), SMTP one for all. */
static enum step
read_verdicts(struct transaction *x)
{
	struct fault why = {0};
	enum step    step = STEP_DONE;

	x->s->state = "sending end of data -- message may be sent more than once";
	for (size_t i = 0; i < x->n_rcpts; i++) {
		if (!x->ok[i])
			continue;
		if (session_read(x->s, client.data_done_timeout, &why) < 0)
			return lost(x, &why);
		if (x->s->reply.code / 100 == 2) {
			report_sent(x, x->rcpts[i]);
		} else {
			step = session_refused(x->s, "end of DATA command", x->t);
			report_trouble(x, x->rcpts[i], step, x->t);
		}
		if (client.lmtp)
			continue;
		for (size_t k = i + 1; k < x->n_rcpts; k++) { /* the same for the others */
			if (!x->ok[k])
				continue;
			if (x->s->reply.code / 100 == 2)
				report_sent(x, x->rcpts[k]);
			else
				report_trouble(x, x->rcpts[k], step, x->t);
		}
		break;
	}
	return STEP_DONE;
}

static enum step
send_data(struct transaction *x)
{
	struct fault why = {0};
	bool         unreadable = false, refused = false;

	if (content_send(x->out, x->s, &unreadable, &refused, &why) < 0) {
		if (!unreadable)
			return lost(x, &why);
		x->s->dead = true; /* half a message must not end with a dot */
		trouble_set(x->t, "4.3.0", "cannot read the message: %s", fault_text(&why));
		snprintf(x->t->relay, sizeof x->t->relay, "%s", x->s->relay);
		return STEP_NEXT;
	}
	if (refused)
		return all_refused(x, session_refused(x->s, "BDAT command", x->t), x->t);
	x->after_dot = true;
	return read_verdicts(x);
}

/* ------------------------------------------------------------ the whole */

/* What can be known before a word is said. */
static enum step
fits(struct transaction *x)
{
	struct session *s = x->s;

	if (x->d->smtputf8 && !(s->ehlo.has & SMTP_HAS_SMTPUTF8)) {
		trouble_set(x->t, "5.6.7", "SMTPUTF8 is required, but was not offered by host %s", s->where);
		return STEP_NEVER;
	}
	if ((s->ehlo.has & SMTP_HAS_SIZE) && s->ehlo.size > 0 && (uint64_t)x->content.size > s->ehlo.size) {
		trouble_set(x->t, "5.3.4", "message size %lld exceeds size limit %llu of server %s",
		            (long long)x->content.size, (unsigned long long)s->ehlo.size, s->where);
		return STEP_NEVER;
	}
	return STEP_DONE;
}

/* A probe that went as far as DATA: there is no way back from 354 but to hang up. */
static enum step
end_probe(struct transaction *x)
{
	if (x->s->reply.code / 100 != 3)
		return all_refused(x, session_refused(x->s, "DATA command", x->t), x->t);
	for (size_t i = 0; i < x->n_rcpts; i++)
		if (x->ok[i])
			report_sent(x, x->rcpts[i]);
	x->s->dead = true;
	return STEP_DONE;
}

static enum step
run(struct transaction *x)
{
	bool         pipelined = x->s->ehlo.has & SMTP_HAS_PIPELINING;
	struct fault why = {0};
	enum step    mail = STEP_DONE, step = fits(x);

	if (step != STEP_DONE)
		return all_refused(x, step, x->t);
	if (session_xforward(x->s, x->d, &why) < 0)
		return lost(x, &why);
	if ((pipelined ? envelope_pipelined(x, &mail, &why) : envelope_in_steps(x, &mail, &why)) < 0)
		return lost(x, &why);
	if (mail != STEP_DONE && x->s->used > 0 && x->mail_code == 421)
		return STEP_NEXT;
	if (x->accepted && x->d->verify_only && client.verify_at_data)
		return end_probe(x);
	if (x->s->reply.code / 100 == 3) {
		if (x->accepted)
			return send_data(x);
		return send_nothing(x, &why) < 0 ? lost(x, &why) : STEP_DONE;
	}
	if (x->accepted && x->out && content_by_bdat(x->out))
		return send_data(x);
	if (x->accepted && !x->d->verify_only) /* DATA was refused */
		return all_refused(x, session_refused(x->s, "DATA command", x->t), x->t);
	return STEP_DONE;
}

static bool
is_clean(struct span address)
{
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.at[i] < ' ' || address.at[i] == 0x7f)
			return false;
	return true;
}

static bool
has_generic(struct transaction *x, struct span address)
{
	struct span  unused;
	struct fault why = {0};

	if (generic_address(address, x->arena, &unused, &why) >= 0)
		return true;
	log_warning("%s_generic_maps: %s", client_prefix(), fault_text(&why));
	return false;
}

/* Whoever has no status yet. Nothing with a control character goes onto the wire,
 * wherever it came from (SECURITY.md 2, row 5). */
static void
take_part(struct transaction *x)
{
	bool sender_known = has_generic(x, x->d->sender), sender_clean = is_clean(generic(x, x->d->sender));

	for (size_t i = 0; i < x->d->n_rcpts; i++) {
		struct deliver_rcpt *r = &x->d->rcpts[i];

		if (r->reported)
			continue;
		if (!sender_known || !has_generic(x, r->address)) /* an address that is good only here must not go out */
			report(x, r, DELIVER_DEFERRED, "4.3.0", NULL, SPAN("address mapping failure"));
		else if (sender_clean && is_clean(generic(x, r->address)))
			x->rcpts[x->n_rcpts++] = r;
		else
			report(x, r, DELIVER_BOUNCED, is_clean(r->address) ? "5.1.7" : "5.1.3", NULL, SPAN("bad address syntax"));
	}
}

enum step
transaction_send(struct session *s, struct delivery *d, bool last, struct trouble *t)
{
	struct transaction x = {.s = s, .d = d, .last = last, .t = t};
	struct fault       why = {0};
	enum step          step;

	if (transcript_is_notice(d->sender)) /* a kept session */
		s->transcript.wanted = 0;
	x.arena = arena_new();
	x.rcpts = mem_array(d->n_rcpts, sizeof *x.rcpts);
	x.ok = mem_array(d->n_rcpts, sizeof *x.ok);
	take_part(&x);
	x.content.fd = d->content;
	if (message_pieces_parse(d->pieces, &x.content, &why) < 0) {
		trouble_set(t, "4.3.0", "queue file: %s", fault_text(&why));
		step = all_refused(&x, STEP_NEXT, t);
	} else if (!d->verify_only && content_open(s, d, &x.content, &x.out, &why) < 0) {
		trouble_set(t, "4.3.0", "cannot read the message: %s", fault_text(&why));
		step = all_refused(&x, STEP_NEXT, t);
	} else {
		step = x.n_rcpts ? run(&x) : STEP_DONE;
	}
	content_close(x.out);
	arena_free(x.arena);
	message_content_free(&x.content);
	free(x.rcpts);
	free(x.ok);
	return step;
}
