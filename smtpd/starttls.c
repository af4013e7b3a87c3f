/* SPDX-License-Identifier: ISC */
/*
 * starttls.c - RFC 3207: nothing that was said in clear survives
 */
#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "session.h"
#include "settings.h"

static const char *const trust_words[] = {"Anonymous", "Untrusted", "Trusted", "Verified"};

static void
log_handshake(struct session *s)
{
	autotext struct text line = {0};

	tls_facts_line(&s->tls, &line);
	if (settings.tls_loglevel > 0)
		log_info("%s TLS connection established from %s: %s", trust_words[s->tls.trust], s->client.label, text_string(&line));
}

static void
log_failure(struct session *s)
{
	const char *reason = fault_text(&s->why);

	if (s->why.class == FAULT_TIME)
		reason = "Connection timed out";
	else if (strstr(reason, "TLS library problem"))
		log_warning("%s", reason);
	log_info("SSL_accept error from %s: %s", s->client.label, strstr(reason, "library problem") ? "-1" : reason);
}

bool
tls_too_often(struct session *s)
{
	return client_exceeds(&s->client, "newtls", "New TLS session rate", settings.newtls_rate_limit);
}

int
tls_begin(struct session *s)
{
	conn_deadline(s->conn, clock_after(s->limits->starttls_timeout));
	if (conn_accept_tls(s->conn, prepared.tls, &s->why) < 0) {
		log_failure(s);
		s->gone = s->over = true;
		log_info("lost connection after %s from %s", s->where, s->client.label);
		return -1;
	}
	s->is_tls = true;
	tls_facts(s->conn, &s->tls);
	log_handshake(s);
	conn_deadline(s->conn, clock_after(s->limits->timeout));
	session_greeted_again(s);
	return 0;
}

void
do_starttls(struct session *s, struct span argument)
{
	if (argument.len)
		return reply(s, "501 5.5.4 Syntax: STARTTLS");
	if (s->is_tls)
		return reply(s, "554 5.5.1 Error: TLS already active");
	if (!prepared.tls || !(offered_keywords(s) & SMTP_HAS_STARTTLS))
		return reply(s, "502 5.5.1 Error: command not implemented");
	if (conn_bytes_wait(s->conn)) {
		/* CVE-2011-0411: what came behind STARTTLS came in clear, whoever sent it */
		log_info("improper command pipelining after STARTTLS from %s", s->client.label);
		reply(s, "554 5.5.0 Error: SMTP protocol synchronization");
		s->over = true;
		return;
	}
	if (tls_too_often(s))
		return reply(s, "421 4.7.0 %s Error: too many new TLS sessions from %s", site.myhostname, s->client.address);
	reply(s, "220 2.0.0 Ready to start TLS");
	if (!s->gone)
		tls_begin(s);
}
