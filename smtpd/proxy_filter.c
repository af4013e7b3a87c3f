/* SPDX-License-Identifier: ISC */
/*
 * proxy_filter.c - a filter before the queue
 */
#include "proxy_filter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/log_address.h"
#include "ipc/ask_dial.h"
#include "mail/line.h"
#include "mail/xtext.h"
#include "session.h"
#include "settings.h"

enum { REPLY_LINES = 100, REPLY_LINE = 4096, PORTION = 32 * 1024 };

struct proxy_filter {
	struct conn        *conn;
	struct smtp_ehlo    offer;
	struct line_encoder encoder;
	bool                in_content;     /* DATA was taken and the dot not sent: hang up, say no QUIT */
	bool                failed;
	struct smtp_rcpt   *rcpts;          /* speed_adjust: to be told later; in the message's arena */
	size_t              n_rcpts;
};

bool
proxy_filter_spools(void)
{
	return list_has(&settings.proxy_options, "speed_adjust");
}

/* ---- the conversation ---- */

static int
lost(struct session *s, struct proxy_filter *p)
{
	if (!p->failed)
		log_warning("%s: %s with proxy %s", s->client.label,
		            s->why.class == FAULT_TIME ? "timeout talking" : "lost connection", settings.proxy_filter);
	p->failed = true;
	text_set(&s->refusal, SPAN("451 4.3.0 Error: queue file write error"));
	return -1;
}

/* A whole reply into session.refusal, as it came: its code, or -1. */
static int
read_reply(struct session *s, struct proxy_filter *p)
{
	struct smtp_reply_line l;

	text_clear(&s->refusal);
	for (int i = 0; i < REPLY_LINES; i++) {
		struct span line;

		if (conn_line(p->conn, REPLY_LINE, &line, NULL, &s->why) < 0 || smtp_parse_reply_line(line, &l, &s->why) < 0)
			return lost(s, p);
		if (i)
			text_add_string(&s->refusal, "\r\n");
		for (size_t k = 0; k < line.len; k++)
			text_add_byte(&s->refusal, (unsigned char)line.at[k] < 32 && line.at[k] != '\t' ? '?' : line.at[k]);
		if (!l.more)
			return l.code;
	}
	return lost(s, p);
}

/* Tells a line and hears the reply: 0 when its class is the wished one. */
static int
command(struct session *s, struct proxy_filter *p, int class, const char *line)
{
	int code;

	if (p->failed)
		return lost(s, p);
	conn_deadline(p->conn, clock_after(settings.proxy_timeout));
	if (line && conn_print(p->conn, &s->why, "%s\r\n", line) < 0)
		return lost(s, p);
	code = read_reply(s, p);
	if (code < 0)
		return -1;
	if (code / 100 == class)
		return 0;
	if (code < 400) {               /* out of turn: the client must not take it for a yes of ours */
		log_warning("proxy %s: unexpected reply: %s", settings.proxy_filter, text_string(&s->refusal));
		text_set(&s->refusal, SPAN("451 4.3.0 Error: queue file write error"));
		p->failed = true;
	}
	return -1;
}

/* What the filter cannot be asked with is not the client's fault. */
static int
setup_failed(struct session *s, struct proxy_filter *p, const char *what)
{
	if (!p->failed)
		log_warning("proxy %s rejected \"%s\": \"%s\"", settings.proxy_filter, what, text_string(&s->refusal));
	text_set(&s->refusal, SPAN("451 4.3.0 Error: queue file write error"));
	p->failed = true;
	return -1;
}

static void
read_offer(struct session *s, struct proxy_filter *p)
{
	struct span rest = text_span(&s->refusal), line;

	for (bool first = true; line_next(&rest, &line); first = false)
		if (!first && line.len > 4)
			smtp_parse_ehlo_line(s->t.arena, span_from(line, 4), &p->offer);
}

static bool
offers(struct span names, const char *name)
{
	struct span word;

	while (span_next(&names, " ", &word))
		if (span_is_nocase(word, name))
			return true;
	return false;
}

static void
add_attribute(struct proxy_filter *p, const char *name, const char *value, struct text *out)
{
	bool known = *value && strcmp(value, "unknown") != 0;

	if (!offers(p->offer.xforward, name))
		return;
	text_add_format(out, " %s=", name);
	if (known)
		xtext_encode(span_of(value), out);
	else
		text_add_string(out, "[UNAVAILABLE]");
}

/* The client as we know it, or as a filter before us told. */
static int
forward_client(struct session *s, struct proxy_filter *p)
{
	autotext struct text line = {0};
	bool                 told = s->forward.known;
	const char          *address = told ? s->forward.address : s->client.address;
	autofree char       *shown = mem_format("%s%s", strchr(address, ':') ? "IPV6:" : "", address);

	if (!(p->offer.has & SMTP_HAS_XFORWARD))
		return 0;
	text_add_string(&line, "XFORWARD");
	add_attribute(p, "NAME", told ? s->forward.name : s->client.name, &line);
	add_attribute(p, "ADDR", shown, &line);
	add_attribute(p, "PORT", told ? s->forward.port : s->client.port, &line);
	add_attribute(p, "PROTO", told ? s->forward.protocol : s->protocol, &line);
	add_attribute(p, "HELO", told ? s->forward.helo : s->helo, &line);
	add_attribute(p, "IDENT", told ? s->forward.ident : "", &line);
	add_attribute(p, "SOURCE", s->client.in_mynetworks ? "LOCAL" : "REMOTE", &line);
	if (line.len == strlen("XFORWARD"))
		return 0;
	return command(s, p, 2, text_string(&line)) < 0 ? setup_failed(s, p, "XFORWARD") : 0;
}

static int
dial(struct session *s, struct proxy_filter *p)
{
	autotext struct text endpoint = {0};
	int                  fd = -1;

	endpoint_of_host(span_of(settings.proxy_filter), &endpoint);
	if (ask_dial(text_span(&endpoint), clock_after(settings.proxy_timeout), &fd, &s->why) < 0) {
		log_warning("connect to proxy filter %s: %s", settings.proxy_filter, fault_text(&s->why));
		text_set(&s->refusal, SPAN("451 4.3.0 Error: queue file write error"));
		p->failed = true;
		return -1;
	}
	p->conn = conn_new(fd);
	return 0;
}

/* From the connection to MAIL; a refusal of MAIL is the filter's word to the client. */
static int
begin(struct session *s, struct proxy_filter *p)
{
	autofree char       *hello = mem_format("EHLO %s", settings.proxy_ehlo);
	autotext struct text mail = {0};

	if (dial(s, p) < 0)
		return -1;
	if (command(s, p, 2, NULL) < 0)
		return setup_failed(s, p, "CONNECT");
	if (command(s, p, 2, hello) < 0)
		return setup_failed(s, p, hello);
	read_offer(s, p);
	if (forward_client(s, p) < 0)
		return -1;
	/* what the client asked for is asked for; a filter that cannot do it says so */
	smtp_format_mail(&s->t.mail, (p->offer.has & SMTP_OFFER_ALL) | (s->t.mail.smtputf8 ? SMTP_OFFER_SMTPUTF8 : 0), &mail);
	return command(s, p, 2, text_string(&mail));
}

static int
tell_rcpt(struct session *s, struct proxy_filter *p, const struct smtp_rcpt *r)
{
	autotext struct text line = {0};

	smtp_format_rcpt(r, p->offer.has & SMTP_OFFER_ALL, &line);
	return command(s, p, 2, text_string(&line));
}

int
proxy_filter_rcpt(struct session *s, const struct smtp_rcpt *r)
{
	struct proxy_filter *p = s->t.filter_talk;

	if (!p) {
		p = mem_alloc(sizeof *p);
		if (!proxy_filter_spools() && begin(s, p) < 0) {
			proxy_filter_close(p);
			return -1;
		}
		s->t.filter_talk = p;
	}
	if (!proxy_filter_spools())
		return tell_rcpt(s, p, r);
	p->rcpts = mem_grow(p->rcpts, p->n_rcpts + 1, sizeof *p->rcpts);
	p->rcpts[p->n_rcpts++] = *r;            /* its spans lie in the message's arena */
	return 0;
}

int
proxy_filter_data(struct session *s)
{
	struct proxy_filter *p = s->t.filter_talk;

	if (proxy_filter_spools())
		return 0;
	if (command(s, p, 3, "DATA") < 0)
		return -1;
	p->in_content = true;
	line_encoder_start(&p->encoder, true, 0);
	return 0;
}

void
proxy_filter_write(struct session *s, struct span bytes)
{
	struct proxy_filter *p = s->t.filter_talk;
	autotext struct text out = {0};

	if (p->failed)
		return;
	line_encode(&p->encoder, bytes, &out);
	conn_deadline(p->conn, clock_after(settings.proxy_timeout));
	if (conn_write(p->conn, text_span(&out), &s->why) < 0)
		lost(s, p);
}

static int
end_content(struct session *s, struct proxy_filter *p)
{
	autotext struct text out = {0};
	int                  code;

	if (p->failed)
		return lost(s, p);
	line_encode_end(&p->encoder, &out);
	conn_deadline(p->conn, clock_after(settings.proxy_timeout));
	if (conn_write(p->conn, text_span(&out), &s->why) < 0)
		return lost(s, p);
	code = read_reply(s, p);
	p->in_content = false;
	return code >= 200 && code < 300 ? 0 : -1;
}

/* speed_adjust: all that was collected, at once. */
static int
replay(struct session *s, struct proxy_filter *p)
{
	struct content      *c = &s->t.content;
	autotext struct text part = {0};
	int                  taken = 0;

	if (begin(s, p) < 0)
		return -1;
	for (size_t i = 0; i < p->n_rcpts; i++) {
		if (tell_rcpt(s, p, &p->rcpts[i]) < 0)
			return -1;              /* the client was told 250: all of it is refused */
		taken++;
	}
	if (taken == 0 || command(s, p, 3, "DATA") < 0)
		return -1;
	p->in_content = true;
	line_encoder_start(&p->encoder, true, 0);
	for (int64_t at = c->start; at < c->at && !p->failed;) {
		size_t size = c->at - at < PORTION ? (size_t)(c->at - at) : PORTION;

		text_clear(&part);
		if (file_read_at(c->fd, text_room(&part, size), size, (off_t)at, &s->why) < 0) {
			log_warning("%s: read the draft: %s", s->client.label, fault_text(&s->why));
			return lost(s, p);
		}
		part.len = size;
		proxy_filter_write(s, text_span(&part));
		at += (int64_t)size;
	}
	return 0;
}

static void
log_outcome(struct session *s, int outcome)
{
	struct span          rest = text_span(&s->refusal), first = SPAN_NONE;
	autotext struct text line = {0};

	line_next(&rest, &first);
	text_add_format(&line, "proxy-%s: END-OF-MESSAGE: %.*s;", outcome < 0 ? "reject" : "accept", SPAN_ARGS(first));
	log_add_address(&line, " from=", s->t.mail.sender);
	log_add_address(&line, " to=", s->t.first);
	text_add_format(&line, " proto=%s", s->protocol);
	if (s->helo[0])
		text_add_format(&line, " helo=<%s>", s->helo);
	log_info("%s", text_string(&line));
}

int
proxy_filter_finish(struct session *s)
{
	struct proxy_filter *p = s->t.filter_talk;
	int                  outcome = 0;

	if (proxy_filter_spools())
		outcome = replay(s, p);
	if (outcome == 0)
		outcome = end_content(s, p);
	if (outcome < 0 && (s->refusal.len == 0 || s->refusal.at[0] < '4'))
		text_set(&s->refusal, SPAN("451 4.3.0 Error: queue file write error"));
	log_outcome(s, outcome);
	return outcome;
}

void
proxy_filter_close(struct proxy_filter *p)
{
	struct fault why = {0};

	if (!p)
		return;
	if (p->conn && !p->failed && !p->in_content) {
		conn_deadline(p->conn, clock_after(1000));
		if (conn_print(p->conn, &why, "QUIT\r\n") == 0)
			conn_flush(p->conn, &why);
	}
	conn_free(p->conn);
	free(p->rcpts);
	free(p);
}
