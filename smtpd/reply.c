/* SPDX-License-Identifier: ISC */
/*
 * reply.c - what is said, counted and logged
 *
 * An error reply counts, and beyond smtpd_soft_error_limit it comes late:
 * only this session's task waits.
 */
#include <poll.h>

#include "base/log.h"
#include "config/site.h"
#include "footer.h"
#include "ipc/log_address.h"
#include "mail/line.h"
#include "session.h"
#include "settings.h"

static void
count_error(struct session *s)
{
	if (s->errorless)
		return;
	if (s->errors++ >= settings.soft_error_limit && settings.error_sleep_time > 0) {
		conn_flush(s->conn, &s->why);
		poll(NULL, 0, (int)settings.error_sleep_time);
	}
}

/* soft_bounce: never is "not now", in code and status of each line. */
static void
soften(struct span text, struct text *out)
{
	struct span line;

	for (bool first = true; line_next(&text, &line); first = false) {
		size_t at = out->len + (first ? 0 : 2);

		if (!first)
			text_add_string(out, "\r\n");
		text_add(out, line);
		if (line.len > 3 && line.at[0] == '5') {
			out->at[at] = '4';
			if (line.len > 6 && line.at[4] == '5' && line.at[5] == '.')
				out->at[at + 4] = '4';
		}
	}
}

void
reply_text(struct session *s, struct span text)
{
	struct fault         why = {0};
	autotext struct text dressed = {0}, soft = {0};

	if (site.soft_bounce && text.len && text.at[0] == '5') {
		soften(text, &soft);
		text = text_span(&soft);
	}
	if (footer_dress(s, text, &dressed))
		text = text_span(&dressed);
	s->code = text.len >= 3 ? (text.at[0] - '0') * 100 + (text.at[1] - '0') * 10 + (text.at[2] - '0') : 0;
	transcript_add(&s->transcript, " Out: ", text);
	if (s->code >= 400) {
		s->transcript.met |= transcript_class_of(text);
		count_error(s);
	}
	if (s->code == 421 || s->code == 521)
		s->over = true;
	if (s->gone)
		return;
	if (conn_write(s->conn, text, &why) < 0 || conn_write(s->conn, SPAN("\r\n"), &why) < 0) {
		s->why = why;
		session_lost(s);
	}
}

void
reply(struct session *s, const char *format, ...)
{
	autotext struct text text = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&text, format, args);
	va_end(args);
	for (size_t i = 0; i < text.len; i++) /* what a client sent and we tell back cannot add a line */
		if ((unsigned char)text.at[i] < 32 && text.at[i] != '\t')
			text.at[i] = '?';
	reply_text(s, text_span(&text));
}

void
log_event(struct session *s, const char *kind, struct span what)
{
	autotext struct text line = {0};

	text_add_format(&line, "%s: %s: %s from %s: %.*s;", session_queue_id(s), kind, s->where, s->client.label, SPAN_ARGS(what));
	if (s->t.has_sender)
		log_add_address(&line, " from=", s->t.mail.sender);
	if (s->t.recipient.len)
		log_add_address(&line, " to=", s->t.recipient);
	text_add_format(&line, " proto=%s", s->protocol);
	if (s->helo[0])
		text_add_format(&line, " helo=<%s>", s->helo);
	if (s->sasl_user[0])
		text_add_format(&line, " sasl_method=%s sasl_username=%s", s->sasl_method, s->sasl_user);
	log_info("%s", text_string(&line));
}
