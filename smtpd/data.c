/* SPDX-License-Identifier: ISC */
/*
 * data.c - DATA and BDAT: the content, and the promise of 250
 *
 * Bytes go from the wire through mail/line.h's decoder into the descriptor
 * that cleanup gave, in big writes.  Whatever goes wrong, all that the client
 * sends is read: the reply stands where the client looks for it.  250 is said
 * when commit has returned, and nothing that could wait lies between.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "milter.h"
#include "proxy_filter.h"
#include "rules.h"
#include "session.h"
#include "settings.h"

enum { WRITE_SIZE = 64 * 1024, READ_SIZE = 16 * 1024 };
enum { BARE_NO, BARE_NORMALIZE, BARE_YES, BARE_REJECT, BARE_NOTE };   /* words of smtpd_forbid_bare_newline */

static enum bare_newline
bare_mode(const struct session *s)
{
	static const enum bare_newline modes[] = {BARE_NEWLINE_NO, BARE_NEWLINE_NORMALIZE, BARE_NEWLINE_NORMALIZE,
	                                          BARE_NEWLINE_REJECT, BARE_NEWLINE_NOTE};

	return s->client.bare_newline_ok ? BARE_NEWLINE_NO : modes[settings.bare_newline];
}

/* Straight on to the filter; with speed_adjust into a draft like all other mail. */
static bool
goes_to_filter(const struct session *s)
{
	return s->t.filter_talk && !s->t.submission;
}

static void
write_out(struct session *s, struct fault *why)
{
	struct content *c = &s->t.content;
	struct span     bytes = text_span(&c->buffer);

	if (goes_to_filter(s)) {
		if (!c->too_big)
			proxy_filter_write(s, bytes);
		c->at += (int64_t)bytes.len;
		text_clear(&c->buffer);
		return;
	}

	if (!c->failed && !c->no_space && !c->too_big && bytes.len) {
		if (file_write_at(c->fd, bytes, (off_t)c->at, why) < 0) {
			c->no_space = why->error == ENOSPC || why->error == EDQUOT || why->error == EFBIG;
			c->failed = true;
		}
		c->at += (int64_t)bytes.len;
	}
	text_clear(&c->buffer);
}

static void
content_flush(struct session *s)
{
	struct content *c = &s->t.content;
	struct fault    why = {0};

	if (c->buffer.len) {
		c->last[0] = c->buffer.len > 1 ? c->buffer.at[c->buffer.len - 2] : c->last[1];
		c->last[1] = c->buffer.at[c->buffer.len - 1];
	}
	if (site.message_size_limit > 0 && c->at + (int64_t)c->buffer.len - c->start > site.message_size_limit)
		c->too_big = true;
	write_out(s, &why);
	if (why.reason[0])
		log_warning("%s: write queue file: %s", session_queue_id(s), fault_text(&why));
}

/* Between two filters no trace of us is wanted: the first client's is told by XFORWARD. */
static void
add_trace(struct session *s, struct text *out)
{
	if (s->t.filter_talk && s->forward.known)
		text_add(out, text_span(&s->t.prepend));
	else
		received_header(s, out);
}

/* 0, or -1: session.why, or session.refusal when a filter said it. */
static int
content_open(struct session *s)
{
	struct content *c = &s->t.content;

	if (c->open)
		return 0;
	if (s->t.filter_talk && !proxy_filter_spools()) {
		if (proxy_filter_data(s) < 0)
			return -1;
		c->open = true;
		add_trace(s, &c->buffer);
		return 0;
	}
	if (s->t.filter_talk && open_message(s) < 0)
		return -1;
	submit_deadline(s->t.submission, clock_after(site.ipc_timeout));
	if (submit_content(s->t.submission, &c->fd, &c->start, &s->why) < 0) {
		log_warning("%s: %s", session_queue_id(s), fault_text(&s->why));
		return -1;
	}
	c->open = true;
	c->at = c->start;
	add_trace(s, &c->buffer);
	return 0;
}

/* Silence ends it, and so does a trickle (SECURITY.md 2, 21). */
static void
content_deadline(struct session *s, int64_t started)
{
	int64_t total = s->limits->timeout;

	if (s->limits->per_request_deadline)
		total += (int64_t)(s->t.content.received * 1000 / (uint64_t)settings.min_data_rate);
	else
		total = site.daemon_timeout;
	conn_deadline(s->conn, started + total);
	conn_patience(s->conn, s->limits->timeout);
}

/* 0 at the end of data; -1 the client is gone. */
static int
receive_data(struct session *s, struct line_decoder *d)
{
	struct content *c = &s->t.content;
	int64_t         started = clock_now();

	while (!d->over) {
		struct span bytes;
		size_t      used;

		content_deadline(s, started);
		if (conn_some(s->conn, READ_SIZE, &bytes, &s->why) < 0)
			return -1;
		used = line_decode(d, bytes, &c->buffer);
		c->received += used;
		if (used < bytes.len)
			conn_unread(s->conn, bytes.len - used);
		if (c->buffer.len >= WRITE_SIZE)
			content_flush(s);
	}
	conn_patience(s->conn, 0);
	content_flush(s);
	return 0;
}

static void
refuse_content(struct session *s, const char *kind, const char *text)
{
	log_event(s, kind, span_of(text));
	reply(s, "%s", text);
}

/* A refusal of cleanup carries a status: 4.3.1 is 452, 5.7.1 is 550 (RFC 3463, 2). */
static void
refuse_by_status(struct session *s)
{
	const char *status = s->t.submission ? submit_status(s->t.submission) : NULL;
	struct span st = span_of(status && *status ? status : "4.3.0");
	int         code = 451;

	if (span_is(st, "4.3.1"))
		code = 452;
	else if (span_is(st, "5.3.4"))
		code = 552;
	else if (span_starts(st, "5.7.") || span_starts(st, "5.6."))
		code = 550;
	else if (span_starts(st, "5."))
		code = 554;
	if (s->why.class == FAULT_DENIED) {
		reply(s, "%d %.*s Error: %s", code, SPAN_ARGS(st), fault_text(&s->why));
	} else {
		log_warning("%s: commit: %s", session_queue_id(s), fault_text(&s->why));
		reply(s, "451 4.3.0 Error: queue file write error");
	}
}

static void
refuse_opening(struct session *s)
{
	if (s->t.filter_talk && !s->t.submission)
		reply_text(s, text_span(&s->refusal));
	else
		refuse_by_status(s);
}

static struct submit_envelope
envelope_of(struct session *s)
{
	static const char *const rets[] = {"", "FULL", "HDRS"}, *const bodies[] = {"", "7BIT", "8BITMIME", "BINARYMIME"};
	const struct transaction *t = &s->t;

	return (struct submit_envelope){
		.sender = t->mail.sender, .length = t->content.at - t->content.start, .envid = t->mail.envid,
		.ret = span_of(rets[t->mail.ret]), .body = span_of(bodies[t->mail.body]), .smtputf8 = t->mail.smtputf8,
		.auth = t->mail.auth, .verp = t->verp, .filter = t->filter.len ? t->filter : span_of(settings.content_filter),
		.redirect = t->redirect,
	};
}

/* From the end of the content to the reply. */
static void
finish(struct session *s)
{
	struct content        *c = &s->t.content;
	struct submit_envelope envelope;
	autotext struct text   edits = {0};
	char                   id[64];

	s->where = "END-OF-MESSAGE";
	if (c->bare_lf && bare_mode(s) == BARE_NEWLINE_REJECT) {
		autofree char *text = mem_format("%d 5.5.2 %s Error: bare <LF> received", settings.bare_newline_code, site.myhostname);

		s->over = true;
		return refuse_content(s, "reject", text);
	}
	if (c->bare_lf && bare_mode(s) == BARE_NEWLINE_NOTE)
		log_event(s, "info", SPAN("bare <LF> received"));
	if (c->too_big)
		return refuse_content(s, "reject", "552 5.3.4 Error: message file too big");
	if (c->no_space)
		return reply(s, "452 4.3.1 Insufficient system storage");
	if (c->failed)
		return reply(s, "451 4.3.0 Error: queue file write error");
	if (rules_at_end_of_data(s) == REJECT)
		return reply_text(s, text_span(&s->refusal));
	memset(id, 0, sizeof id);
	memcpy(id, session_queue_id(s), strnlen(session_queue_id(s), sizeof id - 1));
	if (s->t.discard)
		return reply(s, "250 2.0.0 Ok: queued as %s", id);
	if (s->t.filter_talk) {
		bool accepted = proxy_filter_finish(s) == 0;

		reply_text(s, text_span(&s->refusal));
		if (accepted)
			s->errors = s->junk = 0;
		return;
	}
	if (s->t.hold)
		submit_edit_hold(&edits);
	envelope = envelope_of(s);
	submit_deadline(s->t.submission, clock_after(site.ipc_timeout));
	envelope.commit = edits.len == 0 && !milter_will_look(s);
	if (submit_prepare(s->t.submission, &envelope, &s->why) < 0)
		return refuse_by_status(s);
	if (milter_at_end(s, &edits))
		return reply_text(s, text_span(&s->refusal));
	if (s->t.discard)
		return reply(s, "250 2.0.0 Ok: queued as %s", id);
	submit_deadline(s->t.submission, clock_after(site.ipc_timeout));
	if (submit_commit(s->t.submission, text_span(&edits), &s->why) < 0)
		return refuse_by_status(s);
	reply(s, "250 2.0.0 Ok: queued as %s", id);
	conn_flush(s->conn, &s->why);
	s->errors = s->junk = 0;
}

void
do_data(struct session *s, struct span argument)
{
	struct line_decoder d;

	if (argument.len)
		return reply(s, "501 5.5.4 Syntax: DATA");
	if (rules_at_data(s) == REJECT || milter_at_data(s))
		return reply_text(s, text_span(&s->refusal));
	if (content_open(s) < 0)
		return refuse_opening(s);
	reply(s, "354 End data with <CR><LF>.<CR><LF>");
	line_decoder_start(&d, bare_mode(s));
	if (receive_data(s, &d) < 0)
		return session_lost(s);
	s->t.content.bare_lf = d.bare_lf > 0;
	finish(s);
	transaction_reset(s);
}

/* A chunk that was refused is still on the wire: read it, keep nothing. */
static void
skip_chunk(struct session *s, uint64_t size)
{
	int64_t started = clock_now();

	while (size > 0) {
		struct span bytes;

		content_deadline(s, started);
		if (conn_some(s->conn, size < READ_SIZE ? (size_t)size : READ_SIZE, &bytes, &s->why) < 0)
			return session_lost(s);
		size -= bytes.len;
		s->t.content.received += bytes.len;
	}
	conn_patience(s->conn, 0);
}

static bool
has_bare_lf(struct span bytes, char before)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.at[i] == '\n' && (i ? bytes.at[i - 1] : before) != '\r')
			return true;
	}
	return false;
}

static int
receive_chunk(struct session *s, uint64_t size)
{
	struct content *c = &s->t.content;
	int64_t         started = clock_now();
	uint64_t        left = size;
	char            before = s->t.chunks.cr ? '\r' : 0;

	while (left > 0) {
		struct span bytes;

		content_deadline(s, started);
		if (conn_some(s->conn, left < READ_SIZE ? (size_t)left : READ_SIZE, &bytes, &s->why) < 0)
			return -1;
		left -= bytes.len;
		c->received += bytes.len;
		c->bare_lf |= has_bare_lf(bytes, before);
		before = bytes.at[bytes.len - 1];
		line_encode(&s->t.chunks, bytes, &c->buffer);
		if (c->buffer.len >= WRITE_SIZE)
			content_flush(s);
	}
	conn_patience(s->conn, 0);
	return 0;
}

/* 0 when the chunk may be taken; else what to say, by a reply after it was skipped. */
static int
may_take_chunk(struct session *s)
{
	if (s->stage < HAVE_RECIPIENT) {
		reply(s, s->t.refused > 0 ? "554 5.5.1 Error: no valid recipients" : "503 5.5.1 Error: need RCPT command");
		return -1;
	}
	if (s->stage == IN_CHUNKS)
		return 0;
	if (rules_at_data(s) == REJECT || milter_at_data(s)) {
		reply_text(s, text_span(&s->refusal));
	} else if (content_open(s) < 0) {
		refuse_opening(s);
	} else {
		line_encoder_start(&s->t.chunks, false, 0);
		s->stage = IN_CHUNKS;
		return 0;
	}
	/* a message without its first chunk would be another message (RFC 3030, 4.2) */
	s->t.chunk_refused = s->code >= 500 ? 5 : 4;
	s->stage = IN_CHUNKS;
	return -1;
}

/* What was not refused for good is not refused for good now, either. */
static void
discard_chunk(struct session *s, uint64_t size, bool last)
{
	if (s->t.chunk_refused == 5)
		reply(s, "551 5.0.0 Discarded %llu bytes after earlier error", (unsigned long long)size);
	else
		reply(s, "451 4.0.0 Discarded %llu bytes after earlier error", (unsigned long long)size);
	skip_chunk(s, size);
	if (last)
		transaction_reset(s);
}

static void
end_chunks(struct session *s)
{
	struct content *c = &s->t.content;

	line_encode_end(&s->t.chunks, &c->buffer);
	content_flush(s);
	if (c->last[1] != '\n')
		text_add_string(&c->buffer, "\r\n");
	content_flush(s);
	finish(s);
	transaction_reset(s);
}

void
refuse_bdat(struct session *s, struct span argument)
{
	uint64_t size;
	bool     last;

	if (smtp_parse_bdat(argument, &size, &last, &s->why) == 0)
		skip_chunk(s, size);
}

void
do_bdat(struct session *s, struct span argument)
{
	uint64_t size;
	bool     last;

	if (smtp_parse_bdat(argument, &size, &last, &s->why) < 0) {
		/* where the next command begins nobody knows */
		reply(s, "521 5.5.4 Syntax: BDAT count [LAST]");
		return;
	}
	if (s->t.chunk_refused)
		return discard_chunk(s, size, last);
	if (may_take_chunk(s) < 0) {
		skip_chunk(s, size);
		if (last && s->t.chunk_refused)
			transaction_reset(s);
		return;
	}
	if (receive_chunk(s, size) < 0)
		return session_lost(s);
	if (last)
		return end_chunks(s);
	if (s->t.content.buffer.len >= WRITE_SIZE / 2)
		content_flush(s);
	reply(s, "250 2.0.0 Ok: %llu bytes", (unsigned long long)size);
}
