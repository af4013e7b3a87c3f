/* SPDX-License-Identifier: ISC */
/*
 * session.c - greeting, the table of verbs, error limits, good-bye
 *
 * The table says which verb may come when; a handler takes its stage for
 * granted.  A verb that is `last` must wait for its reply (RFC 2920, 3.1):
 * input behind it is a client that does not listen, and the session ends
 * (smtpd_forbid_unauth_pipelining).
 */
#include "session.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "milter.h"
#include "policy.h"
#include "proxy_filter.h"
#include "rules.h"
#include "service/service.h"
#include "settings.h"

enum { SESSION_MAGIC = 0x53455353, SKIP_MAX = 1 << 20 };
enum verb_flags { LAST = 1, JUNK = 2, BEFORE_TLS = 4 };

static const struct verb {
	const char *name, *section;
	enum stage  from, until;
	void      (*handle)(struct session *, struct span);
	unsigned    flags;
	const char *too_early, *too_late;
} verbs[] = {
	{"HELO", "4.1.1.1", CONNECTED, IN_CHUNKS, do_helo, LAST | JUNK | BEFORE_TLS, NULL, NULL},
	{"EHLO", "4.1.1.1", CONNECTED, IN_CHUNKS, do_ehlo, LAST | JUNK | BEFORE_TLS, NULL, NULL},
	{"STARTTLS", "RFC 3207, 4", CONNECTED, GREETED, do_starttls, BEFORE_TLS, NULL, "503 5.5.1 Error: MAIL transaction in progress"},
	{"AUTH", "RFC 4954, 4", CONNECTED, GREETED, do_auth, 0, NULL, "503 5.5.1 Error: MAIL transaction in progress"},
	{"MAIL", "4.1.1.2", CONNECTED, GREETED, do_mail, 0, NULL, "503 5.5.1 Error: nested MAIL command"},
	{"RCPT", "4.1.1.3", HAVE_SENDER, HAVE_RECIPIENT, do_rcpt, 0, "503 5.5.1 Error: need MAIL command", "503 5.5.1 Error: RCPT after BDAT"},
	{"BDAT", "RFC 3030, 2", CONNECTED, IN_CHUNKS, do_bdat, 0, NULL, NULL},
	{"DATA", "4.1.1.4", HAVE_SENDER, HAVE_RECIPIENT, do_data, LAST, "503 5.5.1 Error: need RCPT command", "503 5.5.1 Error: DATA after BDAT"},
	{"RSET", "4.1.1.5", CONNECTED, IN_CHUNKS, do_rset, JUNK, NULL, NULL},
	{"NOOP", "4.1.1.9", CONNECTED, IN_CHUNKS, do_noop, LAST | JUNK | BEFORE_TLS, NULL, NULL},
	{"VRFY", "4.1.1.6", CONNECTED, IN_CHUNKS, do_vrfy, LAST | JUNK, NULL, NULL},
	{"ETRN", "RFC 1985", CONNECTED, GREETED, do_etrn, JUNK, NULL, "503 5.5.1 Error: MAIL transaction in progress"},
	{"HELP", "4.1.1.8", CONNECTED, IN_CHUNKS, do_help, JUNK | BEFORE_TLS, NULL, NULL},
	{"XCLIENT", "XCLIENT_README", CONNECTED, GREETED, do_xclient, LAST | BEFORE_TLS, NULL, "503 5.5.1 Error: MAIL transaction in progress"},
	{"XFORWARD", "XFORWARD_README", CONNECTED, GREETED, do_xforward, 0, NULL, "503 5.5.1 Error: MAIL transaction in progress"},
	{"QUIT", "4.1.1.10", CONNECTED, IN_CHUNKS, do_quit, BEFORE_TLS, NULL, NULL},
};
#define UNKNOWN_VERB COUNT(verbs)
_Static_assert(UNKNOWN_VERB < VERB_MAX, "room for the unknown");

const char *
session_queue_id(const struct session *s)
{
	return s->t.submission ? submit_queue_id(s->t.submission) : "NOQUEUE";
}

void
transaction_reset(struct session *s)
{
	milter_reset(s);
	proxy_filter_close(s->t.filter_talk);
	submit_close(s->t.submission);
	if (s->stage > GREETED)         /* what a filter told of the client was about this message */
		s->forward = (struct forwarded){0};
	text_free(&s->t.content.buffer);
	text_free(&s->t.prepend);
	text_free(&s->t.bcc);
	if (s->t.arena)
		arena_reset(s->t.arena);
	s->t = (struct transaction){.arena = s->t.arena};
	if (s->stage > GREETED)
		s->stage = s->helo[0] ? GREETED : CONNECTED;
}

void
session_greeted_again(struct session *s)
{
	s->helo[0] = '\0';
	s->stage = CONNECTED;
	transaction_reset(s);
	s->sasl_user[0] = s->sasl_method[0] = '\0';
	text_free(&s->mechanisms);
}

/* "lost connection after RCPT from NAME[ADDR]" */
void
session_lost(struct session *s)
{
	autotext struct text count = {0};
	bool                 in_content = strcmp(s->where, "DATA") == 0 || strcmp(s->where, "BDAT") == 0;
	bool                 timeout = s->why.class == FAULT_TIME;

	if (s->gone)
		return;
	s->gone = s->over = true;
	if (s->quit)
		return;
	s->lost = timeout ? "timeout" : "lost connection";
	if (in_content && s->t.content.open)
		s->transcript.met |= TROUBLE_DATA;
	if (in_content && s->t.content.open)
		text_add_format(&count, " (%llu bytes)", (unsigned long long)s->t.content.received);
	if (timeout) {
		struct fault why = {0};

		log_info("%s%stimeout after %s%s from %s", s->t.submission ? session_queue_id(s) : "",
		         s->t.submission ? ": " : "", s->where, text_string(&count), s->client.label);
		conn_deadline(s->conn, clock_after(1000));
		conn_print(s->conn, &why, "421 4.4.2 %s Error: timeout exceeded\r\n", site.myhostname);
		conn_flush(s->conn, &why);
		return;
	}
	if (s->why.class == FAULT_SYSTEM)
		log_warning("%s: %s", s->client.label, fault_text(&s->why));
	log_info("%s%slost connection after %s%s from %s", s->t.submission ? session_queue_id(s) : "",
	         s->t.submission ? ": " : "", s->where, text_string(&count), s->client.label);
}

/* Reads the rest of an over-long line, within bounds. */
static int
skip_line(struct session *s)
{
	struct span some;
	size_t      skipped = 0;

	for (;;) {
		ptrdiff_t end;

		if (conn_some(s->conn, 4096, &some, &s->why) < 0)
			return -1;
		end = span_find(some, '\n');
		if (end >= 0) {
			conn_unread(s->conn, some.len - (size_t)end - 1);
			return 0;
		}
		if ((skipped += some.len) > SKIP_MAX)
			return fault_set(&s->why, FAULT_PEER, "endless line");
	}
}

static void
refuse_bare_newline(struct session *s)
{
	reply(s, "%d 5.5.2 %s Error: bare <LF> received", settings.bare_newline_code, site.myhostname);
	log_event(s, "reject", SPAN("bare <LF> received"));
	s->over = true;
}

int
session_line(struct session *s, size_t limit, struct span *line)
{
	bool crlf;

	conn_deadline(s->conn, clock_after(s->limits->timeout));
	conn_patience(s->conn, 0);
	if (conn_line(s->conn, limit, line, &crlf, &s->why) < 0) {
		if (s->why.class != FAULT_INPUT || skip_line(s) < 0) {
			session_lost(s);
			return -1;
		}
		reply(s, "500 5.5.2 Error: line too long");
		return 1;
	}
	if (!crlf && settings.bare_newline == 3 && !s->client.bare_newline_ok) {
		refuse_bare_newline(s);
		return 1;
	}
	return 0;
}

static bool
session_badly_pipelined(struct session *s, const char *where)
{
	struct span behind = span_first(conn_peek(s->conn), 80);

	if (!conn_bytes_wait(s->conn))
		return false;
	if (!s->pipelined_badly) {
		autotext struct text escaped = {0};

		log_escape(behind, &escaped);
		log_info("%s%simproper command pipelining after %s from %s: %s", s->t.submission ? session_queue_id(s) : "",
		         s->t.submission ? ": " : "", where, s->client.label, text_string(&escaped));
	}
	s->pipelined_badly = true;
	if (!settings.forbid_unauth_pipelining)
		return false;
	reply(s, "554 5.5.0 %s Error: SMTP protocol synchronization", site.myhostname);
	s->over = true;
	return true;
}

static bool
utf8_valid(struct span s)
{
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.at[i];
		size_t        more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 9;

		if (more == 9 || s.len - i <= more)
			return false;
		for (size_t k = 1; k <= more; k++)
			if (((unsigned char)s.at[i + k] & 0xc0) != 0x80)
				return false;
		if ((c == 0xe0 && (unsigned char)s.at[i + 1] < 0xa0) || (c == 0xed && (unsigned char)s.at[i + 1] > 0x9f) ||
		    (c == 0xf0 && (unsigned char)s.at[i + 1] < 0x90) || (c == 0xf4 && (unsigned char)s.at[i + 1] > 0x8f))
			return false;
		i += more + 1;
	}
	return true;
}

static bool
forbidden(struct span verb)
{
	struct fault why = {0};

	if (verb.len == 0)
		return false;
	if (prepared.forbid_odd && !ascii_alpha(verb.at[0]))
		return true;
	return prepared.forbidden && match_string(prepared.forbidden, verb, &why) > 0;
}

/* A protocol that is not SMTP (SECURITY.md 2, 3): hang up before it finds something to like. */
static bool
not_smtp(struct session *s, struct span line, struct span verb)
{
	autotext struct text escaped = {0};

	if (!forbidden(verb))
		return false;
	log_escape(span_first(line, 100), &escaped);
	log_warning("non-SMTP command from %s: %s", s->client.label, text_string(&escaped));
	reply(s, "221 2.7.0 Error: I can break rules, too. Goodbye.");
	s->over = true;
	return true;
}

static size_t
find_verb(struct span name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_equal_nocase(name, span_of(verbs[i].name)))
			return i;
	return UNKNOWN_VERB;
}

static void
refuse_data_without_recipients(struct session *s)
{
	if (s->t.refused > 0)
		reply(s, "554 5.5.1 Error: no valid recipients");
	else
		reply(s, "503 5.5.1 Error: need RCPT command");
}

/* Few verbs before TLS where it is a must, and only QUIT for a client that was refused. */
static bool
is_shut_out(struct session *s, const struct verb *v)
{
	if (prepared.must_tls && !s->is_tls && !(v->flags & BEFORE_TLS))
		reply(s, "530 5.7.0 Must issue a STARTTLS command first");
	else if (s->denied && v->handle != do_quit)
		reply(s, "503 5.7.0 Error: access denied for %s", s->client.label);
	else
		return false;
	return true;
}

static void
run_verb(struct session *s, const struct verb *v, struct span argument)
{
	bool shut_out = is_shut_out(s, v);

	if (shut_out) {
		if (v->handle == do_bdat) /* its chunk is no command (RFC 3030, 2) */
			refuse_bdat(s, argument);
	} else if ((v->flags & LAST) && session_badly_pipelined(s, v->name)) {
		return;
	} else if (s->stage < v->from) {
		reply(s, "%s", v->too_early);
	} else if (s->stage > v->until) {
		reply(s, "%s", s->stage == IN_CHUNKS && v->handle == do_mail ? "503 5.5.1 Error: MAIL after BDAT" : v->too_late);
	} else if (v->handle == do_data && s->stage < HAVE_RECIPIENT) {
		refuse_data_without_recipients(s);
	} else {
		v->handle(s, argument);
	}
	if ((v->flags & JUNK) && s->junk++ > s->limits->junk_command_limit)
		s->errors++;
}

/* smtpd_command_filter: a table for what some clients say wrong */
static struct span
filtered(struct session *s, struct span line)
{
	autotext struct text other = {0};
	int                  found;

	if (!prepared.command_filter || table_list_count(prepared.command_filter) == 0)
		return line;
	found = table_list_find(prepared.command_filter, line, &other, NULL, &s->why);
	if (found < 0)
		log_warning("smtpd_command_filter: table lookup problem: %s", fault_text(&s->why));
	if (found != 0)
		return line;
	log_info("%s: replacing client command \"%.*s\" with \"%s\"", s->client.label, SPAN_ARGS(span_first(line, 200)),
	         text_string(&other));
	return arena_span(s->arena, text_span(&other));
}

/* A password stays out of the transcript. */
static void
note_command(struct session *s, size_t at, struct span verb, struct span argument, struct span line)
{
	struct span mechanism = SPAN_NONE;

	if (!s->transcript.wanted)
		return;
	if (at == UNKNOWN_VERB || verbs[at].handle != do_auth)
		return transcript_add(&s->transcript, " In:  ", line);
	span_next(&argument, " ", &mechanism);
	autofree char *shown = mem_format("%.*s %.*s%s", SPAN_ARGS(verb), SPAN_ARGS(mechanism), argument.len ? " ..." : "");

	transcript_add(&s->transcript, " In:  ", span_of(shown));
}

static void
command(struct session *s, struct span line)
{
	struct span verb, argument;
	size_t      at;

	line = filtered(s, line);
	smtp_split_command(line, &verb, &argument);
	if (not_smtp(s, line, verb))
		return;
	at = find_verb(verb);
	if (at == UNKNOWN_VERB && list_has(&settings.noop_commands, arena_string(s->arena, span_first(verb, 64))))
		at = find_verb(SPAN("NOOP"));
	s->where = at == UNKNOWN_VERB ? "UNKNOWN" : verbs[at].name;
	s->commands++;
	s->counts[at].total++;
	s->code = 0;
	s->errorless = false;
	note_command(s, at, verb, argument, line);
	if (span_has(line, '\0'))
		reply(s, "500 5.5.2 Error: NUL in command");
	else if (site.smtputf8_enable && !utf8_valid(line))
		reply(s, "500 5.5.2 Error: bad UTF-8 syntax");
	else if (at == UNKNOWN_VERB && verb.len && milter_at_unknown(s, verb))
		reply_text(s, text_span(&s->refusal));
	else if (at == UNKNOWN_VERB)
		reply(s, verb.len ? "500 5.5.2 Error: command not recognized" : "500 5.5.2 Error: bad syntax");
	else
		run_verb(s, &verbs[at], argument);
	if (s->code > 0 && s->code < 400) {
		s->counts[at].good++;
		s->good_commands++;
	}
}

/* An initial response of AUTH may be longer than any other line (RFC 4954, 4). */
static size_t
command_limit(void)
{
	size_t plain = (size_t)site.line_length_limit, auth = (size_t)settings.sasl_response_limit;

	return settings.sasl_enable && auth > plain ? auth : plain;
}

static void
converse(struct session *s)
{
	while (!s->over) {
		struct span line;
		int         got;

		if (s->errors >= s->limits->hard_error_limit) {
			s->errorless = true;
			reply(s, "421 4.7.0 %s Error: too many errors", site.myhostname);
			s->lost = "too many errors";
			log_info("too many errors after %s from %s", s->where, s->client.label);
			return;
		}
		got = session_line(s, command_limit(), &line);
		if (got < 0)
			return;
		if (got == 0 && line.len > (size_t)site.line_length_limit && !span_starts_nocase(line, "AUTH ")) {
			reply(s, "500 5.5.2 Error: line too long");
			got = 1;
		}
		if (got == 0)
			command(s, line);
		else
			s->counts[UNKNOWN_VERB].total++, s->commands++;
	}
}

/* RFC 5321, 3.1: 554 in place of 220, and then the client may only leave. A 4xx is said at its MAIL: true. */
static bool
greet_refused(struct session *s)
{
	struct span refusal = text_span(&s->refusal);

	if (span_starts(refusal, "421")) {
		reply(s, "421 %s Service unavailable - try again later", site.myhostname);
		return false;
	}
	if (!span_starts(refusal, "5"))
		return true;
	s->milter_refused = true;
	reply(s, "554 %s ESMTP not accepting connections", site.myhostname);
	return false;
}

void
session_greet(struct session *s)
{
	free(take(s->denied));
	milter_end(s);                  /* XCLIENT: it is another client now */
	s->milter_refused = s->milterless = false;
	if (!settings.delay_reject && rules_at_connect(s) == REJECT) {
		s->denied = mem_span(text_span(&s->refusal));
		reply_text(s, text_span(&s->refusal));
		return;
	}
	if (milter_at_connect(s) && !greet_refused(s))
		return;
	reply(s, "220 %s", settings.banner);
}

/* The greeting, or the refusal that stands in its place. */
static void
greet(struct session *s)
{
	const char *too_many = s->client.broken ? NULL : client_count(&s->client);

	if (s->client.broken) {
		reply(s, "421 4.3.0 %s Server local error", site.myhostname);
		return;
	}

	if (too_many) {
		reply(s, "421 4.7.0 %s Error: %s from %s", site.myhostname, too_many, s->client.address);
		return;
	}
	if (settings.tls_wrapper && tls_too_often(s)) {
		s->over = true;         /* nothing can be said in clear here */
		return;
	}
	if (settings.tls_wrapper && tls_begin(s) < 0)
		return;
	if (session_badly_pipelined(s, "CONNECT"))
		return;
	session_greet(s);
}

static void
add_count(struct text *out, const char *name, unsigned good, unsigned total)
{
	text_add_byte(out, ' ');
	for (const char *c = name; *c; c++)
		text_add_byte(out, ascii_lower(*c));
	if (good == total)
		text_add_format(out, "=%u", total);
	else
		text_add_format(out, "=%u/%u", good, total);
}

static void
log_disconnect(struct session *s)
{
	autotext struct text line = {0};

	for (size_t i = 0; i < COUNT(verbs); i++)
		if (s->counts[i].total)
			add_count(&line, verbs[i].name, s->counts[i].good, s->counts[i].total);
	if (s->counts[UNKNOWN_VERB].total)
		add_count(&line, "unknown", s->counts[UNKNOWN_VERB].good, s->counts[UNKNOWN_VERB].total);
	add_count(&line, "commands", s->good_commands, s->commands);
	log_info("disconnect from %s%s", s->client.label, text_string(&line));
}

/* notify_classes: the postmaster reads what was said. */
static void
tell_postmaster(struct session *s)
{
	autofree char           *subject = mem_format("%s SMTP server: errors from %s", site.mail_name, s->client.label);
	struct transcript_notice notice = {.recipient = settings.error_recipient, .subject = subject, .reason = s->lost,
	                                   .filtered = list_has(&settings.filter_classes, "notify")};
	struct fault             why = {0};

	if (transcript_is_due(&s->transcript) && transcript_send(&s->transcript, &notice, &why) < 0)
		log_warning("transcript of %s for the postmaster: %s", s->client.label, fault_text(&why));
}

static void
session_free(struct session *s)
{
	transcript_clear(&s->transcript);
	transaction_reset(s);
	milter_end(s);
	policies_free(s->policies);
	conn_free(s->conn);
	arena_free(s->t.arena);
	arena_free(s->arena);
	free(s->denied);
	text_free(&s->mechanisms);
	text_free(&s->refusal);
	text_free(&s->defer_if_permit.reply);
	text_free(&s->defer_if_reject.reply);
	mem_wipe(s, sizeof *s);
	free(s);
}

void
session_run(struct conn *conn, const struct client *client)
{
	struct session *s = mem_alloc(sizeof *s);

	s->magic = SESSION_MAGIC;
	s->conn = conn;
	s->client = *client;
	s->born_us = clock_wall();
	s->arena = arena_new();
	s->t.arena = arena_new();
	s->where = "CONNECT";
	s->limits = limits_now();
	s->transcript.wanted = transcript_classes(&settings.notify_classes);
	memcpy(s->protocol, "SMTP", 5);
	conn_deadline(conn, clock_after(s->limits->timeout));
	client_know(&s->client);
	log_info("connect from %s", s->client.label);
	s->may_xclient = client_listed(prepared.xclient_hosts, &s->client);
	s->may_xforward = client_listed(prepared.xforward_hosts, &s->client);
	s->may_xverp = client_listed(prepared.verp_clients, &s->client);
	s->client.no_limits |= s->may_xclient;
	greet(s);
	converse(s);
	conn_deadline(conn, clock_after(10000));
	if (!s->gone)
		conn_close_notify(conn);
	transaction_reset(s);
	client_uncount(&s->client);
	log_disconnect(s);
	tell_postmaster(s);
	session_free(s);
}
