/* SPDX-License-Identifier: ISC */
/*
 * screen_talk.c - an SMTP server that takes no mail (RFC 5321)
 *
 * It speaks with clients that failed a test, so that sender, recipient and HELO are in the log, and
 * with those whose behaviour after the greeting is to be seen: whoever behaves is told to come back
 * (450 4.3.2), and need not be seen again.  A session that was here is never given to smtpd: what
 * was said cannot be said again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "mail/date.h"
#include "mail/smtp_syntax.h"
#include "net/conn.h"
#include "screen.h"

enum { LINE_MAX_BYTES = 2048 };

struct talk {
	struct screened *s;
	struct conn     *conn;
	struct arena    *arena;                /* of the transaction */
	const char      *where;                /* the verb, in capitals */
	char             helo[256], protocol[8];
	bool             bare;                 /* of the line that is looked at */
	bool             over, gone, has_sender, tried, is_tls, esmtp;
	struct span      sender;
	unsigned         failed;               /* tests, here */
	int              commands;
	struct fault     why;
};

/* ---- what is said ---- */

static void
add_variable(const struct talk *t, struct span name, struct text *out)
{
	if (span_is(name, "client"))
		text_add_string(out, t->s->label);
	else if (span_is(name, "client_address"))
		text_add_string(out, t->s->who.address);
	else if (span_is(name, "client_port"))
		text_add_string(out, t->s->who.port);
	else if (span_is(name, "server_name"))
		text_add_string(out, site.myhostname);
	else if (span_is(name, "server_address"))
		text_add_string(out, t->s->who.server_address);
	else if (span_is(name, "server_port"))
		text_add_string(out, t->s->who.server_port);
	else if (span_is(name, "sender"))
		text_add(out, t->sender);
	else if (span_is(name, "localtime"))
		date_add_local(clock_wall() / 1000000, out);
}

/* $name and ${name}; what came from the network is cleaned where it is said. */
static void
expand(const struct talk *t, struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len;) {
		size_t end = i + 1;
		bool   braced = end < in.len && in.at[end] == '{';

		if (in.at[i] != '$') {
			text_add_byte(out, in.at[i++]);
			continue;
		}
		for (end += braced; end < in.len && (ascii_alpha(in.at[end]) || in.at[end] == '_'); end++)
			;
		add_variable(t, span_cut(in, i + 1 + braced, end), out);
		i = end + (braced && end < in.len && in.at[end] == '}');
	}
}

/* "\n" begins a line of its own, with the reply's code and status; "\c" at the start goes on in the last. */
static void
add_footer(const struct talk *t, struct span line, struct text *out)
{
	autotext struct text found = {0}, footer = {0};
	struct span          rest, status = span_cut(line, 4, line.len), word;
	ptrdiff_t            at;

	if (screen.footer_maps && table_list_count(screen.footer_maps) &&
	    table_list_find(screen.footer_maps, line, &found, NULL, NULL) == 0)
		expand(t, text_span(&found), &footer);
	else
		expand(t, span_of(screen.reject_footer), &footer);
	rest = text_span(&footer);
	if (rest.len == 0)
		return;
	if (!span_next(&status, " ", &word) || !span_has(word, '.') || !strchr("45", word.at[0]))
		word = SPAN_NONE;
	if (span_starts(rest, "\\c")) {
		rest = span_from(rest, 2);
		at = span_find_text(rest, SPAN("\\n"));
		text_add(out, span_first(rest, at < 0 ? rest.len : (size_t)at));
		rest = at < 0 ? SPAN_NONE : span_from(rest, (size_t)at + 2);
	}
	while (rest.len) {
		at = span_find_text(rest, SPAN("\\n"));
		out->at[span_find_last(text_span(out), '\n') + 4] = '-';
		text_add_format(out, "\r\n%.3s %.*s%s%.*s", line.at, SPAN_ARGS(word), word.len ? " " : "",
		                (int)(at < 0 ? (ptrdiff_t)rest.len : at), rest.at);
		rest = at < 0 ? SPAN_NONE : span_from(rest, (size_t)at + 2);
	}
}

static void reply(struct talk *, const char *, ...) __attribute__((format(printf, 2, 3)));

static void
reply(struct talk *t, const char *format, ...)
{
	autotext struct text line = {0}, out = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.at[i] < ' ' || line.at[i] == 127)
			line.at[i] = '?';
	text_set(&out, text_span(&line));
	if (line.len > 4 && (line.at[0] == '4' || line.at[0] == '5'))
		add_footer(t, text_span(&line), &out);
	text_add_string(&out, "\r\n");
	if (conn_write(t->conn, text_span(&out), &t->why) < 0)
		t->gone = t->over = true;
}

/* A bare newline is told by the line that it ended, anything else by the verb before it. */
static void
log_behaviour(struct talk *t, const char *what, const struct span *bytes)
{
	autotext struct text line = {0};

	text_add_format(&line, "%s from %s after ", what, t->s->label);
	if (t->bare) {
		screen_escape(*bytes, 100, &line);
		log_info("%s", text_string(&line));
		return;
	}
	text_add_string(&line, t->where);
	if (bytes) {
		text_add_string(&line, ": ");
		screen_escape(*bytes, 100, &line);
	}
	log_info("%s", text_string(&line));
}

static const struct {
	const char *name, *drop;
	int        *action;
} tests[SCREEN_TESTS] = {
	[TEST_PIPELINING] = {"COMMAND PIPELINING", "521 5.5.1 Protocol error", &screen.pipelining_action},
	[TEST_NON_SMTP] = {"NON-SMTP COMMAND", "521 5.7.0 Error: I can break rules, too. Goodbye.", &screen.non_smtp_action},
	[TEST_BARE_NEWLINE] = {"BARE NEWLINE", "521 5.5.1 Protocol error", &screen.bare_newline_action},
};

static void
fail(struct talk *t, enum screen_test test, const struct span *bytes)
{
	struct screened *s = t->s;

	if (!(s->due & 1u << test) || (t->failed & 1u << test))
		return;
	t->failed |= 1u << test;
	log_behaviour(t, tests[test].name, bytes);
	if (*tests[test].action == SCREEN_IGNORE)
		return;
	s->failed = true;
	if (*tests[test].action == SCREEN_DROP) {
		reply(t, "%s", tests[test].drop);
		t->over = true;
	} else if (!s->refusal.len) {
		text_add_string(&s->refusal, "550 5.5.1 Protocol error");
	}
}

/* ---- verbs ---- */

static bool
take_name(struct talk *t, struct span argument, const char *verb)
{
	struct span name;
	size_t      i;

	if (smtp_parse_hello(argument, &name, &t->why) < 0) {
		reply(t, "501 Syntax: %s hostname", verb);
		return false;
	}
	for (i = 0; i < name.len && i + 1 < sizeof t->helo; i++)
		t->helo[i] = (unsigned char)name.at[i] <= 32 || strchr("<>()\\\";@", name.at[i]) ? '?' : name.at[i];
	t->helo[i] = '\0';
	t->has_sender = false;
	return true;
}

static void
do_helo(struct talk *t, struct span argument)
{
	if (!take_name(t, argument, "HELO"))
		return;
	memcpy(t->protocol, "SMTP", 5);
	reply(t, "250 %s", site.myhostname);
}

static unsigned
offered(struct talk *t)
{
	autotext struct text value = {0};
	unsigned             discard = screen.discard;
	struct span          rest, word;

	if (table_list_count(screen.discard_maps) &&
	    table_list_find(screen.discard_maps, span_of(t->s->who.address), &value, NULL, NULL) == 0)
		for (discard = 0, rest = text_span(&value); span_next(&rest, ", \t", &word);)
			discard |= smtp_keyword_of(word);
	return ~discard;
}

/* No PIPELINING: a client that pipelines all the same is what we look for. */
static void
do_ehlo(struct talk *t, struct span argument)
{
	autotext struct text out = {0};
	unsigned             has;

	if (!take_name(t, argument, "EHLO"))
		return;
	memcpy(t->protocol, "ESMTP", 6);
	has = offered(t);
	text_add_format(&out, "250-%s\r\n", site.myhostname);
	if (has & SMTP_HAS_SIZE)
		text_add_format(&out, site.message_size_limit > 0 ? "250-SIZE %lld\r\n" : "250-SIZE\r\n",
		                (long long)site.message_size_limit);
	if (!screen.disable_vrfy && (has & SMTP_HAS_VRFY))
		text_add_string(&out, "250-VRFY\r\n");
	if (has & SMTP_HAS_ETRN)
		text_add_string(&out, "250-ETRN\r\n");
	if (screen.tls && !t->is_tls && (has & SMTP_HAS_STARTTLS))
		text_add_string(&out, "250-STARTTLS\r\n");
	if (has & SMTP_HAS_ENHANCEDSTATUSCODES)
		text_add_string(&out, "250-ENHANCEDSTATUSCODES\r\n");
	if (has & SMTP_HAS_8BITMIME)
		text_add_string(&out, "250-8BITMIME\r\n");
	if (has & SMTP_HAS_DSN)
		text_add_string(&out, "250-DSN\r\n");
	if (site.smtputf8_enable && (has & SMTP_HAS_SMTPUTF8))
		text_add_string(&out, "250-SMTPUTF8\r\n");
	if (has & SMTP_HAS_CHUNKING)
		text_add_string(&out, "250-CHUNKING\r\n");
	out.at[span_find_last(span_first(text_span(&out), out.len - 1), '\n') + 4] = ' ';
	if (conn_write(t->conn, text_span(&out), &t->why) < 0)
		t->gone = t->over = true;
}

static void
do_starttls(struct talk *t, struct span argument)
{
	if (argument.len)
		return reply(t, "501 5.5.4 Syntax: STARTTLS");
	if (t->is_tls)
		return reply(t, "554 5.5.1 Error: TLS already active");
	if (!screen.tls || !(offered(t) & SMTP_HAS_STARTTLS))
		return reply(t, "502 5.5.1 Error: command not implemented");
	if (conn_bytes_wait(t->conn)) { /* CVE-2011-0411 */
		reply(t, "554 5.5.0 Error: SMTP protocol synchronization");
		t->over = true;
		return;
	}
	reply(t, "220 2.0.0 Ready to start TLS");
	conn_deadline(t->conn, clock_after(screen.starttls_timeout));
	if (t->gone || conn_accept_tls(t->conn, screen.tls, &t->why) < 0) {
		log_info("SSL_accept error from %s: %s", t->s->label, fault_text(&t->why));
		t->gone = t->over = true;
		return;
	}
	t->is_tls = true;
	t->helo[0] = '\0';
	t->has_sender = false;
}

static void
do_mail(struct talk *t, struct span argument)
{
	struct smtp_mail  m = {0};
	struct smtp_rules rules = {.offer = SMTP_OFFER_ALL & ~(SMTP_OFFER_AUTH | SMTP_OFFER_BINARYMIME)};

	if (screen.helo_required && !t->helo[0])
		return reply(t, "503 5.5.1 Error: send HELO/EHLO first");
	if (t->has_sender)
		return reply(t, "503 5.5.1 Error: nested MAIL command");
	arena_reset(t->arena);
	if (smtp_parse_mail(t->arena, argument, rules, &m, &t->why) < 0)
		return reply(t, "%s", fault_text(&t->why));
	t->sender = m.sender;
	t->has_sender = true;
	reply(t, "250 2.1.0 Ok");
}

static const char *
refusal_of(const struct talk *t)
{
	return t->s->refusal.len ? text_string(&t->s->refusal) : "450 4.3.2 Service currently unavailable";
}

static void
do_rcpt(struct talk *t, struct span argument)
{
	struct smtp_rcpt r = {0};
	const char      *refusal;

	if (!t->has_sender)
		return reply(t, "503 5.5.1 Error: need MAIL command");
	if (smtp_parse_rcpt(t->arena, argument, (struct smtp_rules){.offer = SMTP_OFFER_ALL}, &r, &t->why) < 0)
		return reply(t, "%s", fault_text(&t->why));
	t->tried = true;
	refusal = refusal_of(t);
	log_info("NOQUEUE: reject: RCPT from %s: %s; from=<%.*s>, to=<%.*s>, proto=%s, helo=<%s>", t->s->label, refusal,
	         SPAN_ARGS(t->sender), SPAN_ARGS(r.recipient), t->protocol, t->helo);
	reply(t, "%s", refusal);
}

/* Content would follow that nobody wants, of BDAT whatever we say (RFC 3030, 2): we end here. */
static void
no_content(struct talk *t, const char *verb)
{
	bool needs_rcpt = !t->has_sender || !t->tried;

	log_info("%s without valid RCPT from %s", verb, t->s->label);
	reply(t, "%s", needs_rcpt ? "503 5.5.1 Error: need RCPT command" : "554 5.5.1 Error: no valid recipients");
	t->tried = t->over = true;
}

static void
do_data(struct talk *t, struct span argument)
{
	(void)argument;
	no_content(t, "DATA");
}

static void
do_bdat(struct talk *t, struct span argument)
{
	(void)argument;
	no_content(t, "BDAT");
}

static void
do_rset(struct talk *t, struct span argument)
{
	(void)argument;
	t->has_sender = false;
	reply(t, "250 2.0.0 Ok");
}

static void
do_noop(struct talk *t, struct span argument)
{
	(void)argument;
	reply(t, "250 2.0.0 Ok");
}

static void
do_vrfy(struct talk *t, struct span argument)
{
	if (screen.disable_vrfy)
		return reply(t, "502 5.5.1 VRFY command is disabled");
	if (argument.len == 0)
		return reply(t, "501 5.5.4 Syntax: VRFY address");
	reply(t, "%s", refusal_of(t));
}

static void
do_etrn(struct talk *t, struct span argument)
{
	(void)argument;
	reply(t, "458 Unable to queue messages");
}

static void
do_quit(struct talk *t, struct span argument)
{
	(void)argument;
	reply(t, "221 2.0.0 Bye");
	t->over = true;
}

static const struct {
	const char *name;
	void      (*handle)(struct talk *, struct span);
	bool        before_tls;
} verbs[] = {
	{"HELO", do_helo, true}, {"EHLO", do_ehlo, true}, {"STARTTLS", do_starttls, true},
	{"MAIL", do_mail, false}, {"RCPT", do_rcpt, false}, {"DATA", do_data, false}, {"BDAT", do_bdat, false},
	{"RSET", do_rset, false}, {"NOOP", do_noop, true}, {"VRFY", do_vrfy, false}, {"ETRN", do_etrn, false},
	{"QUIT", do_quit, true},
};

/* ---- the loop ---- */

/* "Subject: x", "GET / HTTP/1.0" */
static bool
is_no_smtp(struct span line, struct span verb)
{
	struct fault why = {0};
	ptrdiff_t    colon = span_find(line, ':');

	if (verb.len == 0)
		return false;
	if ((screen.forbid_odd && !ascii_alpha(verb.at[0])) || match_string(screen.forbidden, verb, &why) > 0)
		return true;
	if (colon <= 0)
		return false;
	for (ptrdiff_t i = 0; i < colon; i++) /* a header: a name and a colon, without a blank between */
		if (line.at[i] <= ' ' || line.at[i] == 127)
			return false;
	return true;
}

static struct span
filtered(struct talk *t, struct span line, struct text *value)
{
	if (!screen.filter || table_find(screen.filter, line, value, &t->why) != 0)
		return line;
	return text_span(value);
}

static void
command(struct talk *t, struct span given)
{
	autotext struct text value = {0};
	struct span          line = filtered(t, given, &value), verb, argument, behind = conn_peek(t->conn);
	size_t               i = 0;

	smtp_split_command(line, &verb, &argument);
	if (is_no_smtp(line, verb)) {
		fail(t, TEST_NON_SMTP, &line);
		if (t->over)
			return;
	}
	while (i < COUNT(verbs) && !span_equal_nocase(verb, span_of(verbs[i].name)))
		i++;
	t->where = i < COUNT(verbs) ? verbs[i].name : "UNIMPLEMENTED";
	if (conn_bytes_wait(t->conn)) {
		behind = conn_peek(t->conn);
		fail(t, TEST_PIPELINING, &behind);
	}
	if (t->over)
		return;
	if (i == COUNT(verbs))
		return reply(t, "502 5.5.2 Error: command not recognized");
	if (screen.must_tls && !t->is_tls && !verbs[i].before_tls)
		return reply(t, "530 5.7.0 Must issue a STARTTLS command first");
	verbs[i].handle(t, argument);
}

static void
lost(struct talk *t)
{
	autotext struct text line = {0};

	if (t->why.class == FAULT_TIME) {
		log_behaviour(t, "COMMAND TIME LIMIT", NULL);
		t->s->failed = true;
		conn_deadline(t->conn, clock_after(1000));
		reply(t, "421 4.4.2 %s Error: timeout exceeded", site.myhostname);
	} else if (t->why.class == FAULT_INPUT) {
		log_behaviour(t, "COMMAND LENGTH LIMIT", NULL);
		t->s->failed = true;
		reply(t, "421 %s Service unavailable - try again later", site.myhostname);
	} else {
		text_add_string(&line, "HANGUP after ");
		screen_print_since(t->s, &line);
		log_info("%s from %s in tests after SMTP handshake", text_string(&line), t->s->label);
		t->gone = true;
	}
	t->over = true;
}

static void
converse(struct talk *t)
{
	while (!t->over) {
		struct span line;
		bool        crlf;

		conn_deadline(t->conn, clock_after(screen.command_time));
		if (conn_line(t->conn, LINE_MAX_BYTES, &line, &crlf, &t->why) < 0)
			return lost(t);
		if (screen.command_limit && ++t->commands > screen.command_limit) {
			log_behaviour(t, "COMMAND COUNT LIMIT", NULL);
			t->s->failed = true;
			return reply(t, "421 %s Service unavailable - try again later", site.myhostname);
		}
		t->bare = !crlf;
		if (!crlf)
			fail(t, TEST_BARE_NEWLINE, &line);
		t->bare = false;
		if (!t->over)
			command(t, line);
	}
}

/* Who came as far as a recipient, and did nothing odd, has passed. */
static void
settle(struct talk *t)
{
	static int64_t *const ttls[SCREEN_TESTS] = {
		[TEST_PIPELINING] = &screen.pipelining_ttl, [TEST_NON_SMTP] = &screen.non_smtp_ttl,
		[TEST_BARE_NEWLINE] = &screen.bare_newline_ttl,
	};

	for (int i = TEST_PIPELINING; i < SCREEN_TESTS; i++)
		if (t->tried && (t->s->due & 1u << i) && !(t->failed & 1u << i))
			screen_pass(t->s, (enum screen_test)i, *ttls[i]);
}

void
screen_talk(struct screened *s)
{
	struct talk *t = mem_alloc(sizeof *t);
	int          fd = take_fd(s->fd);

	*t = (struct talk){.s = s, .arena = arena_new(), .conn = conn_new(fd), .where = "CONNECT", .protocol = "SMTP",
	                   .sender = SPAN_NONE};
	if (!s->spoke) /* he does not listen, and has his half */
		reply(t, "220 %s", screen.banner);
	converse(t);
	settle(t);
	conn_deadline(t->conn, clock_after(2000));
	if (!t->gone) {
		conn_flush(t->conn, &t->why);
		conn_close_notify(t->conn);
	}
	conn_free(t->conn);
	arena_free(t->arena);
	free(t);
}
