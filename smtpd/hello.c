/* SPDX-License-Identifier: ISC */
/*
 * hello.c - HELO and EHLO, and the verbs that carry nothing
 */

#include "base/log.h"
#include "config/site.h"
#include "ipc/queue_talk.h"
#include "milter.h"
#include "rules.h"
#include "sasl.h"
#include "session.h"
#include "settings.h"

/* The name goes to logs, headers, other programs: what could mean something there becomes '?'. */
static void
take_name(struct session *s, struct span name)
{
	size_t len = name.len < sizeof s->helo ? name.len : sizeof s->helo - 1;

	for (size_t i = 0; i < len; i++) {
		char c = name.at[i];

		s->helo[i] = (unsigned char)c <= 32 || c == 127 || strchr("<>()\\\";@", c) ? '?' : c;
	}
	s->helo[len] = '\0';
}

/* 0, or -1: it was refused, and said. */
static int
hello(struct session *s, struct span argument, const char *syntax, bool esmtp)
{
	struct span name;

	if (smtp_parse_hello(argument, &name, &s->why) < 0) {
		reply(s, "501 %s", syntax);
		return -1;
	}
	transaction_reset(s);
	take_name(s, name);
	s->esmtp = esmtp;
	memcpy(s->protocol, esmtp ? "ESMTP" : "SMTP", esmtp ? 6 : 5);
	if (!settings.delay_reject && rules_at_helo(s) == REJECT) {
		s->helo[0] = '\0';
		s->stage = CONNECTED;
		reply_text(s, text_span(&s->refusal));
		return -1;
	}
	s->stage = GREETED;
	if (milter_at_hello(s)) {
		/* who is refused hears so at MAIL, where a queue knows what to do with it */
		if (span_starts(text_span(&s->refusal), "421")) {
			reply_text(s, text_span(&s->refusal));
			return -1;
		}
		s->milter_refused |= span_starts(text_span(&s->refusal), "5");
	}
	return 0;
}

void
do_helo(struct session *s, struct span argument)
{
	if (hello(s, argument, "Syntax: HELO hostname", false) == 0)
		reply(s, "250 %s", site.myhostname);
}

unsigned
hidden_keywords(struct session *s)
{
	autotext struct text value = {0};
	struct span          rest, word;
	unsigned             bits = prepared.discard_keywords;

	if (!prepared.discard_ehlo || table_list_count(prepared.discard_ehlo) == 0)
		return bits;
	if (table_list_find(prepared.discard_ehlo, span_of(s->client.address), &value, NULL, &s->why) != 0)
		return bits;
	rest = text_span(&value);
	for (bits = 0; span_next(&rest, ", \t", &word);)
		bits |= smtp_keyword_of(word);
	return bits;
}

unsigned
offered_keywords(struct session *s)
{
	unsigned bits = SMTP_HAS_PIPELINING | SMTP_HAS_SIZE | SMTP_HAS_ETRN | SMTP_HAS_ENHANCEDSTATUSCODES |
	                SMTP_HAS_8BITMIME | SMTP_HAS_DSN | SMTP_HAS_CHUNKING;

	if (!settings.disable_vrfy)
		bits |= SMTP_HAS_VRFY;
	if (site.smtputf8_enable)
		bits |= SMTP_HAS_SMTPUTF8;
	if (prepared.tls && !s->is_tls)
		bits |= SMTP_HAS_STARTTLS;
	if (settings.sasl_enable && !s->client.no_auth && (s->is_tls || !settings.tls_auth_only))
		bits |= SMTP_HAS_AUTH;
	if (s->milter_refused)
		bits = SMTP_HAS_ENHANCEDSTATUSCODES;
	return bits & ~hidden_keywords(s);
}

static void
add_line(struct text *out, const char *line)
{
	text_add_format(out, "250-%s\r\n", line);
}

static void
add_auth(struct session *s, struct text *out)
{
	struct span names = offered_mechanisms(s);

	if (names.len == 0)
		return;
	text_add_format(out, "250-AUTH %.*s\r\n", SPAN_ARGS(names));
	if (settings.broken_sasl)
		text_add_format(out, "250-AUTH=%.*s\r\n", SPAN_ARGS(names));
}

void
do_ehlo(struct session *s, struct span argument)
{
	static const struct {
		unsigned    bit;
		const char *line;
	} rest[] = {
		{SMTP_HAS_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
		{SMTP_HAS_8BITMIME, "8BITMIME"},
		{SMTP_HAS_DSN, "DSN"},
		{SMTP_HAS_SMTPUTF8, "SMTPUTF8"},
		{SMTP_HAS_CHUNKING, "CHUNKING"},
	};
	autotext struct text out = {0};
	unsigned             has;
	size_t               last;

	if (hello(s, argument, "Syntax: EHLO hostname", true) < 0)
		return;
	has = offered_keywords(s);
	add_line(&out, site.myhostname);
	if (has & SMTP_HAS_PIPELINING)
		add_line(&out, "PIPELINING");
	if ((has & SMTP_HAS_SIZE) && site.message_size_limit > 0)
		text_add_format(&out, "250-SIZE %lld\r\n", (long long)site.message_size_limit);
	else if (has & SMTP_HAS_SIZE)
		add_line(&out, "SIZE");
	if (has & SMTP_HAS_VRFY)
		add_line(&out, "VRFY");
	if (has & SMTP_HAS_ETRN)
		add_line(&out, "ETRN");
	if (has & SMTP_HAS_STARTTLS)
		add_line(&out, "STARTTLS");
	if (has & SMTP_HAS_AUTH)
		add_auth(s, &out);
	if (s->may_xverp)
		add_line(&out, "XVERP");
	xclient_add_offer(s, &out);
	for (size_t i = 0; i < COUNT(rest); i++)
		if (has & rest[i].bit)
			add_line(&out, rest[i].line);
	/* the last line has a blank for its hyphen (RFC 5321, 4.2.1) */
	text_cut(&out, out.len - 2);
	last = out.len;
	while (last > 0 && out.at[last - 1] != '\n')
		last--;
	out.at[last + 3] = ' ';
	reply_text(s, text_span(&out));
}

void
do_rset(struct session *s, struct span argument)
{
	if (argument.len)
		return reply(s, "501 5.5.4 Syntax: RSET");
	transaction_reset(s);
	reply(s, "250 2.0.0 Ok");
}

void
do_noop(struct session *s, struct span argument)
{
	(void)argument;
	reply(s, "250 2.0.0 Ok");
}

void
do_help(struct session *s, struct span argument)
{
	(void)argument;
	reply(s, "214 2.0.0 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; see RFC 5321");
}

/* What VRFY tells an honest client is what RCPT would: so it asks the same rules (RFC 5321, 3.5.3). */
void
do_vrfy(struct session *s, struct span argument)
{
	struct smtp_rules rules = {.address_flags = utf8_without_asking()};
	struct span       address, rest;
	enum verdict      verdict;

	if (settings.disable_vrfy)
		return reply(s, "502 5.5.1 VRFY command is disabled");
	if (argument.len == 0)
		return reply(s, "501 5.5.4 Syntax: VRFY address");
	if (address_parse_path(s->t.arena, argument, rules.address_flags, &address, &rest, &s->why) < 0 || address.len == 0)
		return reply(s, "501 5.1.3 Bad recipient address syntax");
	s->t.recipient = address;
	s->t.recipient_resolved = s->t.recipient_checked = false;
	verdict = rules_at_rcpt(s);
	s->t.recipient = SPAN_NONE;
	s->t.recipient_resolved = false;
	if (verdict == REJECT)
		return reply_text(s, text_span(&s->refusal));
	reply(s, "252 2.0.0 %.*s", SPAN_ARGS(span_first(argument, 400)));
}

/* RFC 1985: mail for the domain is tried at once, where fast_flush_domains allows it (ETRN_README). */
static void
flush_site(struct session *s, struct span domain)
{
	int listed = match_domain(prepared.fast_flush, domain, &s->why);

	if (listed < 0)
		log_warning("fast_flush_domains: table lookup problem: %s", fault_text(&s->why));
	else if (listed == 0)
		return reply(s, "459 <%.*s>: service unavailable", SPAN_ARGS(domain));
	if (listed < 0 || queue_flush_site(domain, &s->why) < 0) {
		log_warning("%s: ETRN: %s", s->client.label, fault_text(&s->why));
		return reply(s, "458 Unable to queue messages");
	}
	reply(s, "250 Queuing started");
}

void
do_etrn(struct session *s, struct span argument)
{
	struct span  domain = span_trim(argument);
	enum verdict verdict;

	if (settings.helo_required && s->stage == CONNECTED)
		return reply(s, "503 Error: send HELO/EHLO first");
	if (domain.len && (domain.at[0] == '@' || domain.at[0] == '#'))
		domain = span_from(domain, 1);
	if (domain.len == 0)
		return reply(s, "500 Syntax: ETRN domain");
	if (domain.len > 255 || !smtp_hello_valid(domain))
		return reply(s, "501 Error: invalid parameter syntax");
	s->t.recipient = SPAN_NONE;
	s->t.etrn = domain = arena_span(s->t.arena, domain);
	verdict = rules_at_etrn(s);
	s->t.etrn = SPAN_NONE;
	if (verdict == REJECT)
		return reply_text(s, text_span(&s->refusal));
	flush_site(s, domain);
}

void
do_quit(struct session *s, struct span argument)
{
	(void)argument;
	reply(s, "221 2.0.0 Bye");
	s->over = s->quit = true;
}
