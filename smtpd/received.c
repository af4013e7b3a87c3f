/* SPDX-License-Identifier: ISC */
/*
 * received.c - the trace header (RFC 5321, 4.4), and what PREPEND asked for before it
 */
#include "base/clock.h"
#include "config/site.h"
#include "mail/date.h"
#include "session.h"
#include "settings.h"

/* RFC 3848 and RFC 6531, 4.3: what "with" says */
static void
add_protocol(const struct session *s, struct text *out)
{
	if (s->t.mail.smtputf8)
		text_add_string(out, "UTF8SMTP");
	else
		text_add_string(out, s->protocol);
	if (!s->esmtp && !s->t.mail.smtputf8)
		return;
	if (s->is_tls)
		text_add_byte(out, 'S');
	if (s->sasl_user[0])
		text_add_byte(out, 'A');
}

/* A name within quotes within a comment (RFC 5322, 3.2.1): what could end one of them has a backslash. */
static void
add_name(const char *name, struct text *out)
{
	for (const char *c = name; *c; c++) {
		if (strchr("\"()\\", *c))
			text_add_byte(out, '\\');
		text_add_byte(out, *c);
	}
}

static void
add_tls(const struct session *s, struct text *out)
{
	const struct tls_facts *f = &s->tls;

	text_add_format(out, "\t(using %s with cipher %s (%d/%d bits)", f->protocol, f->cipher, f->bits, f->algorithm_bits);
	if (f->details[0])
		text_add_format(out, "\r\n\t%s", f->details);
	text_add_string(out, ")\r\n");
	if (f->trust != TLS_ANONYMOUS) {
		text_add_string(out, "\t(Client CN \"");
		add_name(f->peer_name, out);
		text_add_string(out, "\", Issuer \"");
		add_name(f->issuer_name, out);
		text_add_format(out, "\" (%s))\r\n", f->trust == TLS_UNTRUSTED ? "not verified" : "verified OK");
	} else if (settings.tls_ask_cert)
		text_add_string(out, "\t(Client did not present a certificate)\r\n");
	else
		text_add_string(out, "\t(No client certificate requested)\r\n");
}

static void
add_end(const struct session *s, struct text *out)
{
	if (s->t.accepted == 1) {
		text_add_string(out, "\r\n\tfor <");
		address_external(s->t.first, out);
		text_add_byte(out, '>');
	}
	text_add_string(out, "; ");
	date_add_local(clock_wall() / 1000000, out);
	text_add_string(out, "\r\n");
}

/* smtpd_hide_client_session: where a user of ours sits is nobody's business (RFC 5321, 7.6) */
static void
hidden_header(struct session *s, struct text *out)
{
	text_add_format(out, "Received: by %s (%s) id %s", site.myhostname, site.mail_name, session_queue_id(s));
	add_end(s, out);
}

void
received_header(struct session *s, struct text *out)
{
	text_add(out, text_span(&s->t.prepend));
	if (settings.hide_client)
		return hidden_header(s, out);
	text_add_format(out, "Received: from %s (%s [%s%s])\r\n", s->helo[0] ? s->helo : s->client.name, s->client.name,
	                s->client.ipv6 ? "IPv6:" : "", s->client.address);
	if (s->is_tls && settings.tls_received)
		add_tls(s, out);
	if (s->sasl_user[0] && settings.sasl_header)
		text_add_format(out, "\t(Authenticated sender: %s)\r\n", s->sasl_user);
	text_add_format(out, "\tby %s (%s) with ", site.myhostname, site.mail_name);
	add_protocol(s, out);
	if (s->t.submission && !s->t.filter_talk) /* a filter's message has none of ours */
		text_add_format(out, " id %s", session_queue_id(s));
	add_end(s, out);
}
