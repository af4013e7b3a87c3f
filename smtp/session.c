/* SPDX-License-Identifier: ISC */
/*
 * session.c - speaking with one server: greet, hello, tls, hello, auth
 *
 * Nothing that was received in clear survives the handshake: bytes behind the
 * reply to STARTTLS end the session, and the EHLO keywords are asked again
 * (SECURITY.md 2, row 2).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "config/site.h"
#include "ipc/ask_dial.h"
#include "table/table.h"

void
session_free(struct session *s)
{
	if (!s)
		return;
	conn_free(s->conn);
	arena_free(s->arena);
	transcript_clear(&s->transcript);
	text_free(&s->reply.text);
	free(s);
}

/* ------------------------------------------------------------ connecting */

static enum step
no_connection(struct session *s, const struct fault *why, struct trouble *t)
{
	trouble_set(t, "4.4.1", "connect to %s: %s", s->relay, fault_text(why));
	log_info("connect to %s: %s", s->relay, fault_text(why));
	return STEP_NEXT;
}

static int
bind_source(const struct host *h, struct net_address *source, bool *use, struct fault *why)
{
	bool        v6 = h->address.u.any.sa_family == AF_INET6;
	const char *ip = v6 ? client.bind_address6 : client.bind_address;

	*use = *ip != '\0';
	return *use ? net_address_parse(span_of(ip), 0, source, why) : 0;
}

static enum step
dial(struct session *s, struct trouble *t)
{
	int64_t            limit = client.connect_timeout ? client.connect_timeout : 600000;
	struct net_address source;
	struct fault       why = {0};
	bool               use_source = false;
	int                fd, got;

	if (s->host.socket) {
		autofree char *endpoint = mem_format("unix:%s", s->host.socket);

		got = ask_dial(span_of(endpoint), clock_after(limit), &fd, &why);
	} else {
		got = bind_source(&s->host, &source, &use_source, &why) < 0 ? -1
		      : net_dial(&s->host.address, use_source ? &source : NULL, clock_after(limit), &fd, &why);
		if (got < 0 && why.class == FAULT_SYSTEM && use_source) {
			log_warning("%s: %s%s", s->relay, fault_text(&why), client.bind_enforce ? "" : "; any source address will do");
			if (!client.bind_enforce)
				got = net_dial(&s->host.address, NULL, clock_after(limit), &fd, &why);
		}
	}
	if (got < 0)
		return no_connection(s, &why, t);
	s->conn = conn_new(fd);
	return STEP_DONE;
}

static enum step
greeting(struct session *s, struct trouble *t)
{
	struct fault why = {0};

	s->state = "receiving the initial server greeting";
	if (session_read(s, client.helo_timeout, &why) < 0) {
		session_lost(s, &why, t);
		return STEP_NEXT;
	}
	if (s->reply.code / 100 == 2)
		return STEP_DONE;
	return session_unwilling(s, s->reply.code / 100 == 5 && !client.skip_5xx_greeting, t);
}

/* ------------------------------------------------------------ hello */

static void
take_keyword(struct session *s, size_t n, struct span text)
{
	struct span name = SPAN_NONE;

	if (n > 0)
		smtp_parse_ehlo_line(s->arena, text, &s->ehlo);
	else
		s->ourselves = span_next(&text, " \t", &name) && span_is_nocase(name, site.myhostname);
}

/* Where neither MX records nor addresses told that it is us (NAT), it does itself. */
static enum step
loops(struct session *s, struct span nexthop, struct trouble *t)
{
	if (client.lmtp || !s->ourselves || s->host.port != 25)
		return STEP_DONE;
	log_warning("host %s greeted me with my own hostname %s", s->where, site.myhostname);
	trouble_set(t, s->host.best ? "5.4.6" : "4.4.6", "mail for %.*s loops back to myself", SPAN_ARGS(nexthop));
	session_note_relay(s, t);
	return s->host.best ? STEP_NEVER : STEP_NEXT;
}

static bool
may_speak_esmtp(struct session *s)
{
	struct span rest = text_span(&s->reply.text), word;
	bool        esmtp = client.always_ehlo;

	while (!esmtp && span_next(&rest, " ", &word))
		esmtp = span_is_nocase(word, "ESMTP");
	return client.lmtp || s->tls || (esmtp && !client.never_ehlo);
}

static enum step
hello(struct session *s, struct trouble *t)
{
	const char  *verb = client.lmtp ? "LHLO" : "EHLO";
	struct fault why = {0};

	s->ehlo = (struct smtp_ehlo){0};
	s->state = client.lmtp ? "performing the LHLO handshake" : "performing the EHLO handshake";
	if (may_speak_esmtp(s)) {
		session_send(s, "%s %s", verb, client.helo_name);
		if (session_read_each(s, client.helo_timeout, &why, take_keyword) < 0) {
			session_lost(s, &why, t);
			return STEP_NEXT;
		}
		s->ehlo.has &= ~s->kept_discards;
		if (s->reply.code / 100 == 2)
			return STEP_DONE;
	}
	if (client.lmtp || s->reply.code == 421)
		return session_unwilling(s, s->reply.code / 100 == 5, t);
	s->ehlo = (struct smtp_ehlo){0};
	s->state = "performing the HELO handshake";
	session_send(s, "HELO %s", client.helo_name);
	if (session_read(s, client.helo_timeout, &why) < 0) {
		session_lost(s, &why, t);
		return STEP_NEXT;
	}
	return s->reply.code / 100 == 2 ? STEP_DONE : session_unwilling(s, s->reply.code / 100 == 5, t);
}

/* ------------------------------------------------------------ TLS */

static void
note_tls(struct session *s)
{
	static const char *const trust[] = {"Anonymous", "Untrusted", "Trusted", "Verified"};
	autotext struct text     line = {0};
	struct tls_facts         facts;

	tls_facts(s->conn, &facts);
	tls_facts_line(&facts, &line);
	s->trust = (int)facts.trust;
	snprintf(s->tls_summary, sizeof s->tls_summary, "%s", text_string(&line));
	if (client.tls_loglevel > 0)
		log_info("%s TLS connection established to %s: %s", trust[facts.trust], s->relay, text_string(&line));
}

/* Sessions are resumed only with the same peer for the same wish (Postfix's rule too). */
static const char *
session_key(const struct session *s, struct span nexthop)
{
	const struct tls_policy *p = &s->policy;
	autotext struct text     records = {0};

	for (size_t i = 0; i < p->n_tlsa; i++) {
		text_add_format(&records, "%d%d%d", p->tlsa[i].usage, p->tlsa[i].selector, p->tlsa[i].type);
		hex_encode(span_first(p->tlsa[i].data, 200), &records);
	}
	return arena_format(s->arena, "%s %d %.*s sni=%s match=%s protocols=%s ciphers=%s!%s dane=%s %s", s->relay, (int)p->level,
	                    SPAN_ARGS(nexthop), p->server_name ? p->server_name : "", p->match ? p->match : "",
	                    p->protocols ? p->protocols : "", p->ciphers ? p->ciphers : "", p->exclude ? p->exclude : "",
	                    p->dane_base ? p->dane_base : "", text_string(&records));
}

/* What the level demands of the certificate. The handshake is over, and nothing was said yet. */
static enum step
verify(struct session *s, struct trouble *t)
{
	struct tls_facts facts;
	bool             chain = s->policy.level != TLS_FINGERPRINT;

	if (s->policy.level < TLS_FINGERPRINT || s->trust == TLS_VERIFIED)
		return STEP_DONE;
	tls_facts(s->conn, &facts);
	log_info("certificate verification failed for %s: %s", s->relay,
	         chain && facts.verify_error[0] ? facts.verify_error : "it is not the one that was asked for");
	trouble_set(t, "4.7.5", chain && s->trust < TLS_TRUSTED ? "Server certificate not trusted" : "Server certificate not verified");
	session_note_relay(s, t);
	s->dead = true;
	return STEP_NEXT;
}

static enum step
handshake(struct session *s, struct span nexthop, struct trouble *t)
{
	const struct tls_policy *p = &s->policy;
	bool                     names = p->level >= TLS_VERIFY || p->dane_base;
	/* usage 2: the TLSA base domain or the next hop (RFC 7672, 3.2.2) */
	struct tls_wish          wish = {
		.server_name = p->server_name, .match = names ? p->match : NULL, .protocols = p->protocols, .ciphers = p->ciphers,
		.exclude_ciphers = p->exclude, .tlsa = p->tlsa, .n_tlsa = p->n_tlsa, .dane_base = p->dane_base,
		.fingerprints = p->level == TLS_FINGERPRINT ? p->match : NULL, .digest = client.tls_fingerprint_digest,
		.session_key = client.tls_session_time > 0 ? session_key(s, nexthop) : NULL,
	};
	struct fault             why = {0};

	if (p->level >= TLS_VERIFY && !*p->match) { /* without a name any certificate of any authority would do */
		trouble_set(t, "4.7.5", "Server certificate not verified: no name to look for in it");
		s->dead = true;
		return STEP_NEXT;
	}
	s->state = "performing the TLS handshake";
	conn_deadline(s->conn, clock_after(client.starttls_timeout));
	if (conn_start_tls(s->conn, p->level >= TLS_ENCRYPT ? client.tls_must : client.tls_may, &wish, &why) < 0) {
		log_info("SSL_connect error to %s: %s", s->relay, fault_text(&why));
		s->dead = s->tls_failed = true;
		trouble_set(t, "4.7.5", "Cannot start TLS: handshake failure");
		session_note_relay(s, t);
		return STEP_NEXT;
	}
	s->tls = true;
	note_tls(s);
	return verify(s, t);
}

static enum step
no_tls_offered(struct session *s, struct trouble *t)
{
	if (s->policy.level < TLS_ENCRYPT)
		return STEP_DONE;
	trouble_set(t, "4.7.4", "TLS is required, but was not offered by host %s", s->where);
	session_note_relay(s, t);
	return STEP_NEXT;
}

static enum step
starttls(struct session *s, struct span nexthop, struct trouble *t)
{
	struct fault why = {0};

	if (!(s->ehlo.has & SMTP_HAS_STARTTLS))
		return no_tls_offered(s, t);
	session_send(s, "STARTTLS");
	s->state = "sending STARTTLS";
	if (session_read(s, client.starttls_timeout, &why) < 0) {
		session_lost(s, &why, t);
		s->tls_failed = true;
		return STEP_NEXT;
	}
	if (s->reply.code / 100 != 2) {
		if (s->policy.level < TLS_ENCRYPT && !s->dead)
			return STEP_DONE;
		s->tls_failed = s->dead; /* 421: it hangs up */
		trouble_set(t, "4.7.4", "TLS is required, but host %s refused to start TLS: %s", s->where,
		            text_string(&s->reply.text));
		session_note_relay(s, t);
		return STEP_NEXT;
	}
	if (conn_pending(s->conn) > 0) { /* injected before the handshake */
		trouble_set(t, "4.7.5", "host %s sent data before the TLS handshake", s->where);
		session_note_relay(s, t);
		s->dead = s->tls_failed = true;
		return STEP_NEXT;
	}
	enum step step = handshake(s, nexthop, t);

	if (step == STEP_DONE)
		step = hello(s, t);
	if (step == STEP_DONE && client.tls_block_early && conn_bytes_wait(s->conn)) {
		trouble_set(t, "4.7.0", "host %s sent replies before their commands, after STARTTLS", s->where);
		session_note_relay(s, t);
		s->dead = true;
		return STEP_NEXT;
	}
	s->tls_failed = s->tls_failed || (step != STEP_DONE && s->dead); /* TLS 1.3: it may refuse after our side is done */
	return step;
}

static enum step
introduce(struct session *s, const struct session_wish *w, struct trouble *t)
{
	enum step step;

	if (client.tls_wrappermode && (step = handshake(s, w->nexthop, t)) != STEP_DONE)
		return step;
	if ((step = greeting(s, t)) != STEP_DONE || (step = hello(s, t)) != STEP_DONE)
		return step;
	if ((step = loops(s, w->nexthop, t)) != STEP_DONE)
		return step;
	/* A second try in clear is for level may; a policy that has become stronger meanwhile wins. */
	bool wanted = s->policy.level >= TLS_ENCRYPT || (s->policy.level >= TLS_MAY && w->allow_tls);

	if (!s->tls && wanted && (step = starttls(s, w->nexthop, t)) != STEP_DONE)
		return step;
	if (!s->tls && client.tls_note_offer && (s->ehlo.has & SMTP_HAS_STARTTLS))
		log_info("Host offered STARTTLS: [%s]", s->host.name);
	return client.sasl_enable ? session_authenticate(s, w, t) : STEP_DONE;
}

/* smtp_discard_ehlo_keywords, or what the table says of this address. */
static unsigned
discards(const struct session *s)
{
	autotext struct text value = {0};
	struct fault         why = {0};
	struct span          rest, word;
	unsigned             found = 0;
	int                  got;

	if (!client.discard_maps.tables || table_list_count(client.discard_maps.tables) == 0 || s->host.socket)
		return client.discarded;
	got = table_list_find(client.discard_maps.tables, span_of(s->host.ip), &value, NULL, &why);
	if (got < 0)
		log_warning("%s_discard_ehlo_keyword_address_maps: %s", client_prefix(), fault_text(&why));
	if (got != 0)
		return client.discarded;
	rest = text_span(&value);
	while (span_next(&rest, ", \t", &word))
		found |= smtp_keyword_of(word);
	return found;
}

static struct session *
new_session(const struct host *h, const struct session_wish *w)
{
	struct session *s = mem_alloc(sizeof *s);

	s->host = *h;
	s->arena = arena_new();
	s->born = clock_now();
	s->transcript.wanted = transcript_classes(&client.notify_classes) & (TROUBLE_PROTOCOL | TROUBLE_DATA);
	if (transcript_is_notice(w->sender))
		s->transcript.wanted = 0;
	if (h->socket) {
		snprintf(s->where, sizeof s->where, "%s[%s]", h->name, h->socket);
		snprintf(s->relay, sizeof s->relay, "%s[%s]", h->name, h->socket);
	} else {
		snprintf(s->where, sizeof s->where, "%s[%s]", h->name, h->ip);
		snprintf(s->relay, sizeof s->relay, "%s[%s]:%u", h->name, h->ip, h->port);
	}
	cache_key(h, w, s->key, sizeof s->key);
	s->keep = cache_wanted(w->nexthop);
	s->kept_discards = discards(s);
	return s;
}

static enum step
begin(struct session *s, const struct session_wish *w, struct session **out, bool *tls_failed, enum tls_level *level,
      struct trouble *t)
{
	enum step step = introduce(s, w, t);

	*tls_failed = s->tls_failed;
	*level = s->policy.level;
	if (step == STEP_DONE)
		*out = s;
	else
		session_quit(s);
	return step;
}

enum step
session_begin(struct conn *c, const struct host *h, const struct session_wish *w, struct session **out, struct trouble *t)
{
	struct session *s = new_session(h, w);
	enum tls_level  level;
	bool            ignored;

	s->conn = c;
	s->policy.level = (enum tls_level)client.tls_level;
	return begin(s, w, out, &ignored, &level, t);
}

/* Opportunistic means: rather in clear than not at all (RFC 7435), but for passwords. */
static bool
may_go_without_tls(const struct session_wish *w, enum tls_level level)
{
	return w->allow_tls && level == TLS_MAY && !client.tls_wrappermode && !client.sasl_enable;
}

enum step
session_open(const struct host *h, const struct session_wish *w, struct session **out, struct trouble *t)
{
	struct session     *s = new_session(h, w);
	struct session_wish clear = *w;
	enum tls_level      level;
	bool                tls_failed;
	enum step           step = policy_find(h, w->nexthop, w->lowered, s->arena, &s->policy, t);

	if (step == STEP_DONE)
		step = dial(s, t);
	if (step != STEP_DONE) {
		session_free(s);
		return step;
	}
	step = begin(s, w, out, &tls_failed, &level, t);
	if (!tls_failed || !may_go_without_tls(w, level))
		return step;
	clear.allow_tls = false;
	return session_open(h, &clear, out, t);
}

/* notify_classes: the postmaster reads what was said. */
static void
tell_postmaster(struct session *s)
{
	autofree char *subject = mem_format("%s %s client: errors from %s", site.mail_name, client.lmtp ? "LMTP" : "SMTP", s->where);
	struct transcript_notice notice = {.recipient = client.error_recipient, .subject = subject,
	                                   .filtered = list_has(&client.filter_classes, "notify")};
	struct fault             why = {0};

	if (transcript_is_due(&s->transcript) && transcript_send(&s->transcript, &notice, &why) < 0)
		log_warning("transcript of %s for the postmaster: %s", s->where, fault_text(&why));
}

void
session_quit(struct session *s)
{
	if (!s->dead) {
		conn_deadline(s->conn, clock_after(client.skip_quit_response ? 1000 : client.quit_timeout));
		session_send(s, "QUIT");
		conn_flush(s->conn, NULL);
		if (!client.skip_quit_response)
			session_read(s, client.quit_timeout, NULL);
		conn_close_notify(s->conn);
	}
	tell_postmaster(s);
	session_free(s);
}
