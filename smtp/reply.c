/* SPDX-License-Identifier: ISC */
/*
 * reply.c - a command to the server, its reply, and what a reply or its absence means for a delivery
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"

enum { REPLY_LINE_MAX = 4096, REPLY_LINES = 200, REPLY_KEPT = 1000 };

int
session_send(struct session *s, const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	transcript_add(&s->transcript, " Out: ", s->secret ? SPAN("...") : text_span(&line));
	text_add(&line, SPAN("\r\n"));
	return conn_write(s->conn, text_span(&line), NULL);
}

/* Remote text goes into logs and notices: one line, printable, bounded. */
static void
keep_line(struct reply *r, struct span line)
{
	if (r->text.len >= REPLY_KEPT)
		return;
	if (r->text.len)
		text_add_byte(&r->text, ' ');
	log_escape(span_first(line, REPLY_KEPT - r->text.len), &r->text);
}

static int
read_line(struct session *s, struct smtp_reply_line *l, struct fault *why)
{
	struct span line;

	if (conn_line(s->conn, REPLY_LINE_MAX, &line, NULL, why) < 0)
		return -1;
	autotext struct text other = {0};

	if (filter_reply(line, &other))
		line = span_trim(text_span(&other));
	if (smtp_parse_reply_line(line, l, why) < 0)
		return fault_set(why, FAULT_INPUT, "malformed reply");
	keep_line(&s->reply, line);
	transcript_add(&s->transcript, " In:  ", line);
	if (other.len)
		l->text = arena_span(s->arena, l->text); /* the filter's words go when we leave */
	return 0;
}

static int
read_lines(struct session *s, struct fault *why, void (*each)(struct session *, size_t, struct span))
{
	struct smtp_reply_line l = {.more = true};

	for (size_t n = 0; l.more; n++) {
		if (n == REPLY_LINES)
			return fault_set(why, FAULT_INPUT, "endless reply");
		if (read_line(s, &l, why) < 0)
			return -1;
		if (n == 0 || s->reply.code == l.code)
			s->reply.status = l.status;
		s->reply.code = l.code;
		if (each && l.code == 250)
			each(s, n, l.text);
	}
	if (s->reply.status.class != (unsigned)s->reply.code / 100)
		s->reply.status = status_of_code(s->reply.code);
	return 0;
}

/* x0z is about syntax and verbs (RFC 5321, 4.2.1), 555 about parameters: somebody speaks wrong, perhaps we. */
static void
note_class(struct session *s)
{
	int code = s->reply.code;

	if ((code >= 500 && code < 510) || code == 555 || code >= 600)
		s->transcript.met |= TROUBLE_PROTOCOL;
}

int
session_read_each(struct session *s, int64_t timeout, struct fault *why, void (*each)(struct session *, size_t, struct span))
{
	s->reply.code = 0;
	s->reply.status = (struct status){0};
	text_clear(&s->reply.text);
	conn_deadline(s->conn, clock_after(timeout));
	if (read_lines(s, why, each) < 0) {
		s->transcript.met |= why && why->class == FAULT_INPUT ? TROUBLE_PROTOCOL : 0;
		s->dead = true;
		return -1;
	}
	note_class(s);
	if (s->reply.code == 421)
		s->dead = true; /* it hangs up (RFC 5321, 3.8) */
	return 0;
}

int
session_read(struct session *s, int64_t timeout, struct fault *why)
{
	return session_read_each(s, timeout, why, NULL);
}

void
session_note_relay(const struct session *s, struct trouble *t)
{
	snprintf(t->relay, sizeof t->relay, "%s", s->relay);
}

void
session_lost(struct session *s, const struct fault *why, struct trouble *t)
{
	s->dead = true;
	if (s->state && strncmp(s->state, "sending message", 15) == 0)
		s->transcript.met |= TROUBLE_DATA;
	if (why->class == FAULT_TIME)
		trouble_set(t, "4.4.2", "conversation with %s timed out while %s", s->where, s->state);
	else if (why->class == FAULT_INPUT)
		trouble_set(t, "4.5.0", "protocol error from %s while %s: %s", s->where, s->state, fault_text(why));
	else
		trouble_set(t, "4.4.2", "lost connection with %s while %s", s->where, s->state);
	session_note_relay(s, t);
}

/* A reply out of turn, 354 to RCPT say, is trouble for now. */
static void
note_reply(const struct session *s, bool never, struct trouble *t)
{
	char dsn[STATUS_TEXT_SIZE];

	status_string(status_with_class(s->reply.status, never ? 5 : 4), dsn);
	snprintf(t->dsn, sizeof t->dsn, "%s", dsn);
	text_set(&t->mta, span_of(s->host.name));
	text_set(&t->diagnostic, text_span(&s->reply.text));
	session_note_relay(s, t);
}

enum step
session_refused(struct session *s, const char *command, struct trouble *t)
{
	bool never = s->reply.code / 100 == 5;

	trouble_set(t, "4.0.0", "host %s said: %s (in reply to %s)", s->where, text_string(&s->reply.text), command);
	note_reply(s, never, t);
	return never ? STEP_NEVER : STEP_NEXT;
}

/* Greeting and hello: it is the server that is refused, not the message. */
enum step
session_unwilling(struct session *s, bool never, struct trouble *t)
{
	trouble_set(t, "4.0.0", "host %s refused to talk to me: %s", s->where, text_string(&s->reply.text));
	note_reply(s, never, t);
	return never ? STEP_NEVER : STEP_NEXT;
}
