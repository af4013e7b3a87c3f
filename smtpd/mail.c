/* SPDX-License-Identifier: ISC */
/*
 * mail.c - MAIL and RCPT: the envelope
 *
 * The message begins at cleanup with the first accepted recipient: its queue
 * id is what logs and policy servers know it by.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "milter.h"
#include "proxy_filter.h"
#include "rules.h"
#include "session.h"
#include "settings.h"

/* Where SMTPUTF8 is off, UTF-8 in addresses is eight bits that go by (SMTPUTF8_README); strict_smtputf8
 * wants it asked for. */
unsigned
utf8_without_asking(void)
{
	return site.smtputf8_enable && site.strict_smtputf8 ? 0 : ADDRESS_UTF8;
}

static struct smtp_rules
grammar(struct session *s)
{
	struct smtp_rules r = {.address_flags = settings.strict_envelopes ? ADDRESS_STRICT : 0,
	                       .offer = SMTP_OFFER_SIZE | SMTP_OFFER_8BITMIME | SMTP_OFFER_DSN};

	if (hidden_keywords(s) & SMTP_HAS_DSN)
		r.offer &= ~(unsigned)SMTP_OFFER_DSN;
	if (settings.sasl_enable)
		r.offer |= SMTP_OFFER_AUTH;
	if (site.smtputf8_enable)
		r.offer |= SMTP_OFFER_SMTPUTF8;
	r.address_flags |= utf8_without_asking();
	if (s->t.mail.smtputf8)
		r.address_flags |= ADDRESS_UTF8;
	return r;
}

/* A faulty address is told as Postfix does, and logged. */
static void
refuse_syntax(struct session *s, const char *command, struct span argument)
{
	struct span address = span_first(span_from(argument, (size_t)span_find(argument, ':') + 1), 200);

	if (strstr(fault_text(&s->why), " 5.1."))
		log_warning("Illegal address syntax from %s in %s command: %.*s", s->client.label, command,
		            SPAN_ARGS(span_trim(address)));
	reply(s, "%s", fault_text(&s->why));
}

/* XVERP, XVERP=+= (VERP_README): out of the parameters, which RFC 5321 does not know it in. 0, -1: said why. */
static int
take_xverp(struct session *s, struct span *argument, struct span *verp)
{
	struct span rest = *argument, word;
	char       *out = arena_alloc(s->t.arena, argument->len + 1);
	size_t      len = 0;

	*verp = SPAN_NONE;
	while (span_next(&rest, " \t", &word)) {
		bool bare = span_is_nocase(word, "XVERP");

		if (word.at == argument->at || !(bare || span_starts_nocase(word, "XVERP="))) {
			if (len)
				out[len++] = ' ';
			memcpy(out + len, word.at, word.len);
			len += word.len;
			continue;
		}
		*verp = bare ? span_of(settings.verp_delimiters) : arena_span(s->t.arena, span_from(word, 6));
		if (verp->len != 2 || !strchr(settings.verp_filter, verp->at[0]) || !strchr(settings.verp_filter, verp->at[1])) {
			reply(s, "501 5.5.4 Error: Bad XVERP delimiters");
			return -1;
		}
	}
	if (verp->len)
		*argument = span_at(out, len);
	return 0;
}

void
do_mail(struct session *s, struct span argument)
{
	struct smtp_mail mail = {0};
	struct span      verp = SPAN_NONE;

	if (settings.helo_required && s->stage == CONNECTED)
		return reply(s, "503 5.5.1 Error: send HELO/EHLO first");
	transaction_reset(s);
	s->messages++;
	if (s->may_xverp && span_find_text(argument, SPAN("XVERP")) >= 0 && take_xverp(s, &argument, &verp) < 0)
		return;
	if (smtp_parse_mail(s->t.arena, argument, grammar(s), &mail, &s->why) < 0)
		return refuse_syntax(s, "MAIL", argument);
	if (client_exceeds(&s->client, "mail", "Message delivery request rate", settings.message_rate_limit))
		return reply(s, "450 4.7.1 Error: too much mail from %s", s->client.address);
	if (verp.len && mail.sender.len == 0)
		return reply(s, "503 5.5.4 Error: XVERP requires non-null sender");
	s->t.mail = mail;
	s->t.verp = verp;
	s->t.has_sender = true;
	if (transcript_is_notice(s->t.mail.sender))
		s->transcript.wanted = 0;
	if (site.message_size_limit > 0 && mail.size > (uint64_t)site.message_size_limit) {
		log_event(s, "reject", SPAN("552 5.3.4 Message size exceeds fixed limit"));
		transaction_reset(s);
		return reply(s, "552 5.3.4 Message size exceeds fixed limit");
	}
	if (!settings.delay_reject && rules_at_mail(s) == REJECT) {
		transaction_reset(s);
		return reply_text(s, text_span(&s->refusal));
	}
	if (milter_at_mail(s, argument)) {
		transaction_reset(s);
		return reply_text(s, text_span(&s->refusal));
	}
	s->stage = HAVE_SENDER;
	reply(s, "250 2.1.0 Ok");
}

static bool
overridden(const char *what)
{
	return list_has(&settings.receive_override, what);
}

static void
log_client(struct session *s)
{
	autotext struct text line = {0};

	text_add_format(&line, "%s: client=%s", session_queue_id(s), s->client.label);
	if (s->sasl_method[0])
		text_add_format(&line, ", sasl_method=%s", s->sasl_method);
	if (s->sasl_user[0])
		text_add_format(&line, ", sasl_username=%s", s->sasl_user);
	if (s->sasl_user[0] && s->t.mail.auth.len)
		text_add_format(&line, ", sasl_sender=%.*s", SPAN_ARGS(s->t.mail.auth));
	if (s->forward.known && s->forward.ident[0])
		text_add_format(&line, ", orig_queue_id=%s", s->forward.ident);
	if (s->forward.known)
		text_add_format(&line, ", orig_client=%s[%s]", s->forward.name, s->forward.address);
	log_info("%s", text_string(&line));
}

int
open_message(struct session *s)
{
	struct submit_origin origin = {
		.origin = "smtpd",
		.client_name = span_of(s->client.name), .client_address = span_of(s->client.address),
		.client_port = span_of(s->client.port), .helo = span_of(s->helo), .protocol = span_of(s->protocol),
		.sasl_method = span_of(s->sasl_method), .sasl_user = span_of(s->sasl_user),
		.local_client = rules_is_local_client(s),
		.no_address_mapping = overridden("no_address_mappings"),
		.no_header_body_checks = overridden("no_header_body_checks"),
		.no_milters = overridden("no_milters"),
		.hold = s->t.hold,
	};

	if (s->t.submission)
		return 0;
	if (s->forward.known) {         /* XFORWARD: filters and logs behind us shall know the first client */
		origin.client_name = span_of(s->forward.name);
		origin.client_address = span_of(s->forward.address);
		origin.client_port = span_of(s->forward.port);
		origin.helo = span_of(s->forward.helo);
		origin.protocol = span_of(s->forward.protocol);
	}
	if (submit_open(&origin, clock_after(site.ipc_timeout), &s->t.submission, &s->why) < 0) {
		log_warning("%s: open a message: %s", s->client.label, fault_text(&s->why));
		return -1;
	}
	if (!settings.proxy_filter[0])
		log_client(s);
	return 0;
}

static int
submit_one(struct session *s, const struct smtp_rcpt *rcpt, struct span original)
{
	return submit_recipient(s->t.submission, &(struct submit_rcpt){
		.address = rcpt->recipient, .original = original, .orcpt = rcpt->orcpt, .notify = rcpt->notify}, &s->why);
}

/* The BCC actions that restrictions asked for since the last recipient. */
static int
submit_copies(struct session *s)
{
	struct span rest = text_span(&s->t.bcc), address;

	while (span_next(&rest, "\n", &address))
		if (submit_one(s, &(struct smtp_rcpt){.recipient = address, .notify = SMTP_NOTIFY_NEVER}, SPAN_NONE) < 0)
			return -1;
	text_clear(&s->t.bcc);
	return 0;
}

static bool
too_many_recipients(struct session *s)
{
	if (s->t.accepted < settings.recipient_limit)
		return false;
	s->errorless = s->t.overshoot++ < settings.overshoot_limit;
	reply(s, "452 4.5.3 Error: too many recipients");
	return true;
}

/* smtpd_proxy_filter: 0, or -1: said why. */
static int
take_for_filter(struct session *s, const struct smtp_rcpt *rcpt)
{
	bool first = !s->t.filter_talk;

	if (proxy_filter_rcpt(s, rcpt) < 0) {
		s->t.refused++;
		reply_text(s, text_span(&s->refusal));
		s->t.recipient = SPAN_NONE;
		return -1;
	}
	if (first)
		log_client(s);
	return 0;
}

void
do_rcpt(struct session *s, struct span argument)
{
	struct smtp_rcpt rcpt = {0};
	enum verdict     verdict;

	if (too_many_recipients(s))
		return;
	if (smtp_parse_rcpt(s->t.arena, argument, grammar(s), &rcpt, &s->why) < 0) {
		s->t.refused++;
		return refuse_syntax(s, "RCPT", argument);
	}
	if (client_exceeds(&s->client, "rcpt", "Recipient address rate", settings.recipient_rate_limit))
		return reply(s, "450 4.7.1 Error: too many recipients from %s", s->client.address);
	s->t.recipient = rcpt.recipient;
	s->t.recipient_resolved = s->t.recipient_checked = false;
	verdict = rules_at_rcpt(s);
	if (verdict == REJECT)
		milter_at_rcpt(s, &rcpt, argument, true);
	if (verdict == REJECT || milter_at_rcpt(s, &rcpt, argument, false)) {
		s->t.refused++;
		reply_text(s, text_span(&s->refusal));
		s->t.recipient = SPAN_NONE;
		return;
	}
	if (settings.proxy_filter[0]) {
		if (take_for_filter(s, &rcpt) < 0)
			return;
	} else if (open_message(s) < 0 || submit_one(s, &rcpt, rcpt.recipient) < 0 || submit_copies(s) < 0) {
		s->t.recipient = SPAN_NONE;
		s->t.refused++;
		if (s->why.class == FAULT_SYSTEM && s->why.error == ENOSPC)
			return reply(s, "452 4.3.1 Insufficient system storage");
		return reply(s, "451 4.3.0 Error: queue file write error");
	}
	if (s->t.accepted++ == 0)
		s->t.first = rcpt.recipient;
	s->t.recipient = SPAN_NONE;
	s->stage = HAVE_RECIPIENT;
	reply(s, "250 2.1.5 Ok");
}
