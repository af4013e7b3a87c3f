/* SPDX-License-Identifier: ISC */
/*
 * smtp_client.c - what a client writes and reads: MAIL, RCPT, replies, EHLO keywords
 */
#include "mail/charset.h"
#include "mail/smtp_syntax.h"
#include "mail/xtext.h"

void
smtp_format_mail(const struct smtp_mail *m, unsigned offer, struct text *out)
{
	static const char *const bodies[] = {"", " BODY=7BIT", " BODY=8BITMIME",
	                                     " BODY=BINARYMIME"};
	unsigned need =
		m->body == SMTP_BODY_BINARYMIME ? SMTP_OFFER_BINARYMIME : SMTP_OFFER_8BITMIME;

	text_add_string(out, "MAIL FROM:<");
	address_external(m->sender, out);
	text_add_byte(out, '>');
	if ((offer & SMTP_OFFER_SIZE) && m->size)
		text_add_format(out, " SIZE=%llu", (unsigned long long)m->size);
	if (offer & need)
		text_add_string(out, bodies[m->body]);
	if ((offer & SMTP_OFFER_SMTPUTF8) && m->smtputf8)
		text_add_string(out, " SMTPUTF8");
	if (offer & SMTP_OFFER_DSN) {
		if (m->envid.len) {
			text_add_string(out, " ENVID=");
			xtext_encode(m->envid, out);
		}
		if (m->ret)
			text_add_string(out, m->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
	}
	if ((offer & SMTP_OFFER_AUTH) && m->auth.len) {
		text_add_string(out, " AUTH=");
		xtext_encode(m->auth, out);
	}
}

static void
add_orcpt(struct span orcpt, bool utf8, struct text *out)
{
	struct span type, rest = orcpt;

	if (!span_split(&rest, ';', &type) || (!utf8 && !span_is_ascii(rest)))
		return;
	text_add_string(out, " ORCPT=");
	if (!span_is_ascii(rest))
		type = SPAN("utf-8");
	text_add(out, type);
	text_add_byte(out, ';');
	if (span_is_nocase(type, "utf-8"))
		xtext_utf8_encode(rest, out);
	else
		xtext_encode(rest, out);
}

void
smtp_format_rcpt(const struct smtp_rcpt *r, unsigned offer, struct text *out)
{
	text_add_string(out, "RCPT TO:<");
	address_external(r->recipient, out);
	text_add_byte(out, '>');
	if (!(offer & SMTP_OFFER_DSN))
		return;
	if (r->notify) {
		text_add_string(out, " NOTIFY=");
		smtp_format_notify(r->notify, out);
	}
	if (r->orcpt.len)
		add_orcpt(r->orcpt, offer & SMTP_OFFER_SMTPUTF8, out);
}

int
smtp_parse_reply_line(struct span line, struct smtp_reply_line *out, struct fault *why)
{
	struct smtp_reply_line r = {.text = SPAN_NONE};
	uint64_t               code;

	if (line.len < 3 || !span_number(span_first(line, 3), &code) || code < 200 || code > 599 ||
	    (line.len > 3 && line.at[3] != ' ' && line.at[3] != '-'))
		return fault_set(why, FAULT_INPUT, "not an SMTP reply");
	r.code = (int)code;
	r.more = line.len > 3 && line.at[3] == '-';
	r.text = span_from(line, 4);
	/* RFC 2034, 4: the class must be that of the code, else it is only text. */
	if (status_parse(r.text, &r.status, NULL) && r.status.class != code / 100)
		r.status = (struct status){0};
	*out = r;
	return 0;
}

unsigned
smtp_keyword_of(struct span word)
{
	static const struct { const char *name; unsigned keyword; } known[] = {
		{"SIZE", SMTP_HAS_SIZE}, {"8BITMIME", SMTP_HAS_8BITMIME}, {"DSN", SMTP_HAS_DSN},
		{"SMTPUTF8", SMTP_HAS_SMTPUTF8}, {"AUTH", SMTP_HAS_AUTH},
		{"BINARYMIME", SMTP_HAS_BINARYMIME},
		{"PIPELINING", SMTP_HAS_PIPELINING}, {"STARTTLS", SMTP_HAS_STARTTLS},
		{"ENHANCEDSTATUSCODES", SMTP_HAS_ENHANCEDSTATUSCODES},
		{"CHUNKING", SMTP_HAS_CHUNKING},
		{"XCLIENT", SMTP_HAS_XCLIENT}, {"XFORWARD", SMTP_HAS_XFORWARD},
		{"VRFY", SMTP_HAS_VRFY},
		{"ETRN", SMTP_HAS_ETRN}, {"REQUIRETLS", SMTP_HAS_REQUIRETLS},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(word, known[i].name))
			return known[i].keyword;
	return 0;
}

/* Mechanisms from "AUTH" and the old "AUTH=" lines together; each once is the caller's business. */
static void
add_words(struct arena *a, struct span more, struct span *words)
{
	if (words->len + more.len > 4096 || more.len == 0)
		return;
	if (words->len)
		more = span_of(arena_format(a, "%.*s %.*s", SPAN_ARGS(*words), SPAN_ARGS(more)));
	*words = arena_span(a, more);
}

void
smtp_parse_ehlo_line(struct arena *a, struct span text, struct smtp_ehlo *ehlo)
{
	struct span rest = span_trim(text), word = SPAN_NONE, value;
	unsigned    keyword;

	if (span_starts_nocase(rest, "AUTH=")) {        /* as servers for old Outlook write it */
		ehlo->has |= SMTP_HAS_AUTH;
		add_words(a, span_from(rest, 5), &ehlo->mechanisms);
		return;
	}
	if (!span_next(&rest, " \t", &word))
		return;
	keyword = smtp_keyword_of(word);
	ehlo->has |= keyword;
	rest = span_trim(rest);
	if (keyword == SMTP_HAS_SIZE && span_next(&rest, " \t", &value))
		(void)span_number(value, &ehlo->size);
	else if (keyword == SMTP_HAS_AUTH)
		add_words(a, rest, &ehlo->mechanisms);
	else if (keyword == SMTP_HAS_XCLIENT)
		add_words(a, rest, &ehlo->xclient);
	else if (keyword == SMTP_HAS_XFORWARD)
		add_words(a, rest, &ehlo->xforward);
}
