/* SPDX-License-Identifier: ISC */
/*
 * lmtp_front.c - the LMTP dialogue (RFC 2033), in a process that may do nothing else
 *
 * As SMTP, but for LHLO, and for the one reply a recipient that follows the content.  Line ends are
 * decided by mail/line.h; a bare LF is always normalized.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/frame.h"
#include "local/lmtp.h"
#include "mail/header.h"
#include "mail/line.h"
#include "mail/smtp_syntax.h"
#include "net/tls.h"

enum { LINE_MOST = 4096, LINE_SKIP = 1 << 20, ERRORS_MOST = 20, READ_SIZE = 16384, WRITE_SIZE = 65536, HEAD_MOST = 32768 };

/* RFC 5321, 4.1.4; IN_CHUNKS: a BDAT was taken, and LAST is to come (RFC 3030, 2). */
enum stage { CONNECTED, GREETED, HAVE_SENDER, HAVE_RECIPIENT, IN_CHUNKS };

struct front {
	struct conn        *conn;
	const char         *peer;
	int                 inside;
	enum stage          stage;
	bool                over;
	const char         *end;             /* why, for the log */
	int                 errors;
	char                helo[256];       /* printable; "" before LHLO */
	struct fault        why;
	/* of a transaction */
	struct arena       *arena;
	struct smtp_mail    mail;
	size_t              accepted;
	int                 file;            /* -1: none yet */
	int64_t             length;
	struct text         buffer, head;    /* to be written; the first of it, for Message-ID */
	bool                too_big, no_space, failed;
	struct line_encoder chunks;
	bool                chunk_refused;
	char                last[2];
};

static void __attribute__((format(printf, 2, 3)))
reply(struct front *s, const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	s->errors += span_starts(text_span(&line), "50");       /* of the client's own doing; no recipient's */
	text_add_string(&line, "\r\n");
	if (!s->over && conn_write(s->conn, text_span(&line), &s->why) < 0) {
		s->over = true;
		s->end = "Connection closed";
	}
}

static void
lost(struct front *s)
{
	if (s->why.class == FAULT_TIME)
		reply(s, "421 4.4.2 %s Disconnected for inactivity", site.myhostname);
	s->end = s->why.class == FAULT_TIME ? "Disconnected for inactivity" : "Connection closed";
	conn_flush(s->conn, &s->why);
	s->over = true;
}

static void
reset(struct front *s)
{
	autoframe struct frame f = {0};

	if (s->accepted) {
		frame_start(&f, "reset");
		if (frame_send(s->inside, &f, clock_after(LMTP_ASK_MS), &s->why) < 0)
			s->over = true;
	}
	if (s->file >= 0)
		close(s->file);
	s->file = -1;
	s->accepted = 0;
	s->length = 0;
	s->too_big = s->no_space = s->failed = s->chunk_refused = false;
	s->last[0] = s->last[1] = '\0';
	text_clear(&s->buffer);
	text_clear(&s->head);
	arena_free(s->arena);
	s->arena = arena_new();
	s->mail = (struct smtp_mail){.sender = SPAN_NONE, .envid = SPAN_NONE, .auth = SPAN_NONE};
	if (s->stage > GREETED)
		s->stage = GREETED;
}

/* 0: the inside answered; -1: it is gone, and so are we. */
static int
ask(struct front *s, struct frame *f, struct frame *answer)
{
	if (frame_send(s->inside, f, clock_after(LMTP_ASK_MS), &s->why) == 0 &&
	    frame_receive(s->inside, answer, clock_after(LMTP_ASK_MS), &s->why) == 0)
		return 0;
	reply(s, "451 4.3.0 Internal error");
	s->end = "Internal error";
	s->over = true;
	return -1;
}

/* True when the answer is a refusal, which is then replied. */
static bool
is_refusal(struct front *s, const struct frame *answer)
{
	struct span text = SPAN("451 4.3.0 Internal error");

	if (!frame_is(answer, "refused"))
		return false;
	frame_get(answer, "reply", &text);
	reply(s, "%.*s", SPAN_ARGS(span_first(text, LMTP_REPLY_MAX)));
	return true;
}

/* ------------------------------------------------------------ envelope */

static void
do_lhlo(struct front *s, struct span argument)
{
	struct span name;

	if (smtp_parse_hello(argument, &name, &s->why) < 0)
		return reply(s, "501 5.5.4 Syntax: LHLO hostname");
	reset(s);
	snprintf(s->helo, sizeof s->helo, "%.*s", SPAN_ARGS(span_first(name, sizeof s->helo - 1)));
	for (char *p = s->helo; *p; p++)
		if ((unsigned char)*p <= 32 || *p == 127 || strchr("<>()\\\";@", *p))
			*p = '?';
	s->stage = GREETED;
	reply(s, "250-%s", site.myhostname);
	if (lmtp_settings.tls && !conn_is_tls(s->conn))
		reply(s, "250-STARTTLS");
	if (site.message_size_limit > 0)
		reply(s, "250-SIZE %lld", (long long)site.message_size_limit);
	if (site.smtputf8_enable)
		reply(s, "250-SMTPUTF8");
	reply(s, "250-8BITMIME\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING");
}

static void
do_helo(struct front *s, struct span argument)
{
	(void)argument;
	reply(s, "502 5.5.1 This is LMTP: LHLO, please");
}

static void
do_starttls(struct front *s, struct span argument)
{
	if (argument.len)
		return reply(s, "501 5.5.4 Syntax: STARTTLS");
	if (!lmtp_settings.tls || conn_is_tls(s->conn))
		return reply(s, "502 5.5.1 STARTTLS is not available");
	if (conn_bytes_wait(s->conn)) {      /* CVE-2011-0411 */
		reply(s, "554 5.5.0 Commands behind STARTTLS");
		s->end = "Commands behind STARTTLS";
		s->over = true;
		return;
	}
	reply(s, "220 2.0.0 Begin TLS negotiation now.");
	reset(s);
	s->stage = CONNECTED;
	s->helo[0] = '\0';
	if (!s->over && conn_accept_tls(s->conn, lmtp_settings.tls, &s->why) < 0) {
		s->end = "TLS handshake failed";
		s->over = true;
	}
}

static struct smtp_rules
grammar(const struct front *s)
{
	return (struct smtp_rules){
		.address_flags = s->mail.smtputf8 ? ADDRESS_UTF8 : 0,
		.offer = SMTP_OFFER_SIZE | SMTP_OFFER_8BITMIME | (site.smtputf8_enable ? SMTP_OFFER_SMTPUTF8 : 0)};
}

static void
do_mail(struct front *s, struct span argument)
{
	struct smtp_mail mail = {.sender = SPAN_NONE};

	if (smtp_parse_mail(s->arena, argument, grammar(s), &mail, &s->why) < 0)
		return reply(s, "%s", fault_text(&s->why));
	if (site.message_size_limit > 0 && mail.size > (uint64_t)site.message_size_limit)
		return reply(s, "552 5.3.4 Message size exceeds fixed limit");
	s->mail = mail;
	s->stage = HAVE_SENDER;
	reply(s, "250 2.1.0 OK");
}

static void
do_rcpt(struct front *s, struct span argument)
{
	autoframe struct frame f = {0}, answer = {0};
	struct smtp_rcpt       rcpt = {.recipient = SPAN_NONE};

	if (smtp_parse_rcpt(s->arena, argument, grammar(s), &rcpt, &s->why) < 0)
		return reply(s, "%s", fault_text(&s->why));
	if (s->accepted >= LMTP_RCPTS_MAX)
		return reply(s, "452 4.5.3 Too many recipients");
	frame_start(&f, "rcpt");
	frame_put(&f, "address", rcpt.recipient);
	if (ask(s, &f, &answer) < 0 || is_refusal(s, &answer))
		return;
	s->accepted++;
	s->stage = HAVE_RECIPIENT;
	reply(s, "250 2.1.5 OK");
}

/* ------------------------------------------------------------ content */

static void
write_out(struct front *s)
{
	struct span bytes = text_span(&s->buffer);

	if (bytes.len) {
		s->last[0] = bytes.len > 1 ? bytes.at[bytes.len - 2] : s->last[1];
		s->last[1] = bytes.at[bytes.len - 1];
	}
	if (s->head.len < HEAD_MOST)
		text_add(&s->head, span_first(bytes, HEAD_MOST - s->head.len));
	s->too_big |= site.message_size_limit > 0 && s->length + (int64_t)bytes.len > site.message_size_limit;
	if (!s->failed && !s->no_space && !s->too_big && bytes.len && file_write_at(s->file, bytes, s->length, &s->why) < 0) {
		s->no_space = s->why.error == ENOSPC || s->why.error == EDQUOT || s->why.error == EFBIG;
		s->failed = true;
		log_error("write the content: %s", fault_text(&s->why));
	}
	s->length += (int64_t)bytes.len;
	text_clear(&s->buffer);
}

/* 0; -1: replied */
static int
open_content(struct front *s)
{
	autoframe struct frame f = {0}, answer = {0};

	frame_start(&f, "content");
	if (ask(s, &f, &answer) < 0 || is_refusal(s, &answer))
		return -1;
	s->file = frame_take_fd(&answer, "file");
	if (s->file >= 0)
		return 0;
	reply(s, "451 4.3.0 Internal error");
	return -1;
}

/* Silence ends it, and so does a trickle (SECURITY.md 2, 21). */
static void
content_deadline(struct front *s)
{
	conn_deadline(s->conn, clock_after(site.daemon_timeout));
	conn_patience(s->conn, lmtp_settings.timeout_ms);
}

static void
reply_to_all(struct front *s, const char *text)
{
	for (size_t i = 0; i < s->accepted; i++)
		reply(s, "%s", text);
}

static struct span
message_id(struct front *s)
{
	struct header_field field;

	return header_find(text_span(&s->head), "Message-ID", &field) ? span_first(header_unfolded(s->arena, field.value), 255) : SPAN_NONE;
}

/* One reply a recipient, as each is delivered. */
static void
deliver(struct front *s)
{
	autoframe struct frame f = {0}, answer = {0};
	size_t                 told = 0;

	frame_start(&f, "deliver");
	frame_put(&f, "sender", s->mail.sender);
	frame_put_number(&f, "length", s->length);
	frame_put_string(&f, "helo", s->helo);
	frame_put_string(&f, "client", s->peer);
	frame_put_string(&f, "protocol", s->mail.smtputf8 ? conn_is_tls(s->conn) ? "UTF8LMTPS" : "UTF8LMTP"
	                                                  : conn_is_tls(s->conn) ? "LMTPS" : "LMTP");
	frame_put(&f, "message_id", message_id(s));
	frame_put_flag(&f, "smtputf8", s->mail.smtputf8);
	if (frame_send(s->inside, &f, clock_after(LMTP_ASK_MS), &s->why) < 0)
		told = SIZE_MAX;
	while (told < s->accepted) {
		struct span text = SPAN_NONE;

		if (frame_receive(s->inside, &answer, clock_after(lmtp_settings.delivery_ms), &s->why) != 0 ||
		    !frame_is(&answer, "status") || !frame_get(&answer, "reply", &text)) {
			told = SIZE_MAX;
			break;
		}
		reply(s, "%.*s", SPAN_ARGS(span_first(text, LMTP_REPLY_MAX)));
		if (conn_flush(s->conn, &s->why) < 0)
			return lost(s);
		told++;
	}
	if (told == s->accepted && frame_receive(s->inside, &answer, clock_after(LMTP_ASK_MS), &s->why) == 0 && frame_is(&answer, "done")) {
		s->accepted = 0;
		return;
	}
	/* what became of the others is not known: no reply, and the client tries again */
	s->end = "Internal error";
	s->over = true;
}

static void
finish(struct front *s)
{
	if (s->too_big)
		reply_to_all(s, "552 5.3.4 Message size exceeds fixed limit");
	else if (s->no_space)
		reply_to_all(s, "452 4.3.1 Out of disk space");
	else if (s->failed)
		reply_to_all(s, "451 4.3.0 Temporary internal error");
	else
		deliver(s);
	reset(s);
}

static void
do_data(struct front *s, struct span argument)
{
	struct line_decoder d;

	if (argument.len)
		return reply(s, "501 5.5.4 Syntax: DATA");
	if (open_content(s) < 0)
		return;
	reply(s, "354 OK");
	line_decoder_start(&d, BARE_NEWLINE_NORMALIZE);
	content_deadline(s);
	while (!d.over) {
		struct span bytes;
		size_t      used;

		if (conn_some(s->conn, READ_SIZE, &bytes, &s->why) < 0)
			return lost(s);
		used = line_decode(&d, bytes, &s->buffer);
		if (used < bytes.len)
			conn_unread(s->conn, bytes.len - used);
		if (s->buffer.len >= WRITE_SIZE)
			write_out(s);
	}
	conn_patience(s->conn, 0);
	write_out(s);
	finish(s);
}

/* Reads a chunk whole, to keep it or not: 0, -1 the client is gone. */
static int
read_chunk(struct front *s, uint64_t left, bool keep)
{
	content_deadline(s);
	while (left > 0) {
		struct span bytes;

		if (conn_some(s->conn, left < READ_SIZE ? (size_t)left : READ_SIZE, &bytes, &s->why) < 0) {
			lost(s);
			return -1;
		}
		left -= bytes.len;
		if (!keep)
			continue;
		line_encode(&s->chunks, bytes, &s->buffer);
		if (s->buffer.len >= WRITE_SIZE)
			write_out(s);
	}
	conn_patience(s->conn, 0);
	return 0;
}

/* 0 when the chunk may be taken; else it was said why not. */
static int
may_take_chunk(struct front *s)
{
	if (s->stage == IN_CHUNKS && !s->chunk_refused)
		return 0;
	if (s->stage < HAVE_RECIPIENT)
		reply(s, "503 5.5.1 No valid recipients");
	else if (s->chunk_refused)
		reply(s, "451 4.3.0 An earlier chunk was refused");
	else if (open_content(s) == 0) {
		line_encoder_start(&s->chunks, false, 0);
		s->stage = IN_CHUNKS;
		return 0;
	} else {
		s->chunk_refused = true;
		s->stage = IN_CHUNKS;
	}
	return -1;
}

static void
do_bdat(struct front *s, struct span argument)
{
	uint64_t size;
	bool     last, taken;

	if (smtp_parse_bdat(argument, &size, &last, &s->why) < 0) {
		reply(s, "501 5.5.4 Syntax: BDAT count [LAST]");
		s->end = "Bad BDAT";                  /* where the next command begins nobody knows */
		s->over = true;
		return;
	}
	taken = may_take_chunk(s) == 0;
	if (s->over || read_chunk(s, size, taken) < 0)
		return;
	if (!last) {
		if (taken)
			reply(s, "250 2.0.0 %llu octets received", (unsigned long long)size);
		return;
	}
	if (!taken) {
		for (size_t i = 1; i < s->accepted; i++)       /* RFC 2033, 4.3: the last has one for each */
			reply(s, "451 4.3.0 Temporary internal error");
		return reset(s);
	}
	line_encode_end(&s->chunks, &s->buffer);
	write_out(s);
	if (s->length && s->last[1] != '\n') {
		text_add_string(&s->buffer, "\r\n");
		write_out(s);
	}
	finish(s);
}

/* ------------------------------------------------------------ the rest */

static void
do_rset(struct front *s, struct span argument)
{
	(void)argument;
	reset(s);
	reply(s, "250 2.0.0 OK");
}

static void
do_noop(struct front *s, struct span argument)
{
	(void)argument;
	reply(s, "250 2.0.0 OK");
}

static void
do_vrfy(struct front *s, struct span argument)
{
	(void)argument;
	reply(s, "252 2.3.3 Try RCPT instead");
}

static void
do_quit(struct front *s, struct span argument)
{
	(void)argument;
	reply(s, "221 2.0.0 Bye");
	conn_flush(s->conn, &s->why);
	s->end = "Logged out";
	s->over = true;
}

static const struct verb {
	const char *name, *section;
	enum stage  from, until;
	void      (*handle)(struct front *, struct span);
	const char *too_early, *too_late;
} verbs[] = {
	{"LHLO", "RFC 2033, 4.1", CONNECTED, IN_CHUNKS, do_lhlo, NULL, NULL},
	{"STARTTLS", "RFC 3207, 4", CONNECTED, GREETED, do_starttls, NULL, "503 5.5.1 MAIL transaction in progress"},
	{"MAIL", "RFC 5321, 4.1.1.2", GREETED, GREETED, do_mail, "503 5.5.1 LHLO first", "503 5.5.1 MAIL already given"},
	{"RCPT", "RFC 5321, 4.1.1.3", HAVE_SENDER, HAVE_RECIPIENT, do_rcpt, "503 5.5.1 MAIL needed first", "503 5.5.1 RCPT after BDAT"},
	{"DATA", "RFC 2033, 4.2", HAVE_RECIPIENT, HAVE_RECIPIENT, do_data, "503 5.5.1 No valid recipients", "503 5.5.1 DATA after BDAT"},
	{"BDAT", "RFC 3030, 2", CONNECTED, IN_CHUNKS, do_bdat, NULL, NULL},
	{"RSET", "RFC 5321, 4.1.1.5", CONNECTED, IN_CHUNKS, do_rset, NULL, NULL},
	{"NOOP", "RFC 5321, 4.1.1.9", CONNECTED, IN_CHUNKS, do_noop, NULL, NULL},
	{"VRFY", "RFC 5321, 4.1.1.6", CONNECTED, IN_CHUNKS, do_vrfy, NULL, NULL},
	{"QUIT", "RFC 5321, 4.1.1.10", CONNECTED, IN_CHUNKS, do_quit, NULL, NULL},
	{"HELO", "RFC 2033, 4.1", CONNECTED, IN_CHUNKS, do_helo, NULL, NULL},
	{"EHLO", "RFC 2033, 4.1", CONNECTED, IN_CHUNKS, do_helo, NULL, NULL},
};

static void
obey(struct front *s, struct span line)
{
	struct span verb, argument;

	smtp_split_command(line, &verb, &argument);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (!span_is_nocase(verb, v->name))
			continue;
		if (s->stage < v->from)
			return reply(s, "%s", v->too_early);
		if (s->stage > v->until)
			return reply(s, "%s", v->too_late);
		return v->handle(s, argument);
	}
	reply(s, "502 5.5.2 Unknown command");
}

/* 0, 1 too long (replied), -1 gone */
static int
read_line(struct front *s, struct span *line)
{
	size_t skipped = 0;

	conn_deadline(s->conn, clock_after(lmtp_settings.timeout_ms));
	if (conn_line(s->conn, LINE_MOST, line, NULL, &s->why) == 0)
		return 0;
	while (s->why.class == FAULT_INPUT && (skipped += LINE_MOST) < LINE_SKIP) {
		struct fault why = {0};

		if (conn_some(s->conn, LINE_MOST, line, &why) < 0) {
			s->why = why;
			break;
		}
		if (span_find(*line, '\n') >= 0) {
			conn_unread(s->conn, line->len - (size_t)span_find(*line, '\n') - 1);
			fault_clear(&s->why);
			reply(s, "500 5.5.2 Line too long");
			return 1;
		}
	}
	lost(s);
	return -1;
}

void
lmtp_front(struct conn *client, const char *peer, int inside)
{
	struct front s = {.conn = client, .peer = peer, .inside = inside, .file = -1, .arena = arena_new(), .end = "Connection closed"};

	reset(&s);
	log_info("lmtp(%ld): Connect from %s", (long)getpid(), peer);
	reply(&s, "220 %s %s ready", site.myhostname, site.mail_name);
	while (!s.over) {
		struct span line;

		fault_clear(&s.why);
		if (read_line(&s, &line) == 0)
			obey(&s, line);
		if (!s.over && s.errors >= ERRORS_MOST) {
			reply(&s, "421 4.7.0 %s Too many errors", site.myhostname);
			s.end = "Too many errors";
			break;
		}
	}
	conn_flush(client, &s.why);
	log_info("lmtp(%ld): Disconnect from %s: %s", (long)getpid(), peer, s.end);
	if (s.file >= 0)
		close(s.file);
	text_free(&s.buffer);
	text_free(&s.head);
	arena_free(s.arena);
}
