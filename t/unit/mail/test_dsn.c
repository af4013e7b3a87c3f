/* SPDX-License-Identifier: ISC */
/*
 * test_dsn.c - delivery status notifications (RFC 3464, 3461 6.2, 6533)
 */
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "../unit.h"

static struct dsn_recipient recipient = {
	.recipient = SPAN("user@there.example"), .original = SPAN("alias@here.example"), .action = DSN_FAILED,
	.status = STATUS(5, 1, 1), .remote_mta = SPAN("mx.there.example"), .diagnostic = SPAN("550 5.1.1 no such user"),
	.diagnostic_is_smtp = true, .reason = SPAN("host mx.there.example[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)"),
};

static struct dsn
example(void)
{
	return (struct dsn){
		.host = SPAN("mail.here.example"), .mail_name = SPAN("Postfix"), .queue_id = SPAN("4bQx1z2Yz3z9rxN"),
		.boundary_seed = SPAN("4bQx2z2Yz3z9rxM"), .sender = SPAN("a@here.example"), .to = SPAN("a@here.example"), .arrival = 880127706, .now = 880127799,
		.original_size = 100, .size_limit = 50000, .recipients = &recipient, .count = 1,
	};
}

static bool
has(const struct text *t, const char *what)
{
	return span_find_text(text_span(t), span_of(what)) >= 0;
}

UNIT_TEST(failure)
{
	struct dsn           d = example();
	autotext struct text head = {0}, tail = {0};
	autoarena struct arena *a = arena_new();
	struct mime         *m;
	struct mime_part    *p;
	bool                 whole = false;

	ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), 0);
	ck_assert(whole);
	text_add_string(&head, "Subject: original\r\n\r\nbody\r\n");
	text_add(&head, text_span(&tail));
	m = mime_parse(a, text_span(&head));
	ck_assert(span_is(m->root->subtype, "report") && m->root->child_count == 3);      /* RFC 6522, 3 */
	ck_span(mime_param_text(a, &m->root->params, "report-type"), "delivery-status");
	p = m->root->children->next;
	ck_span(p->subtype, "delivery-status");
	ck_span(p->next->subtype, "rfc822");
	ck_span(mime_header(m, p->next->children), "Subject: original\r\n\r\n");
	ck_assert(has(&head, "\r\nSubject: Undelivered Mail Returned to Sender\r\n") && has(&head, "\r\nAuto-Submitted: auto-replied\r\n"));
	ck_assert(has(&head, "\r\nThis is the mail system at host mail.here.example.\r\n"));
	ck_assert(has(&head, "<user@there.example> (expanded from <alias@here.example>): host\r\n"));
	/* RFC 3464, 2.2 and 2.3 */
	ck_assert(has(&head, "\r\n\r\nReporting-MTA: dns; mail.here.example\r\nX-Postfix-Queue-ID: 4bQx1z2Yz3z9rxN\r\n"
	                     "X-Postfix-Sender: rfc822; a@here.example\r\nArrival-Date: Fri, 21 Nov 1997"));
	ck_assert(has(&head, "\r\n\r\nOriginal-Recipient: rfc822; alias@here.example\r\nFinal-Recipient: rfc822; user@there.example\r\n"
	                     "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.there.example\r\n"
	                     "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"));
}
END_TEST

UNIT_TEST(what_is_returned)          /* RFC 3461, 6.2; bounce_size_limit */
{
	static const struct { enum dsn_action action; enum smtp_ret ret; uint64_t size; bool copy, whole; const char *subject; } rows[] = {
		{DSN_FAILED, SMTP_RET_NONE, 100, false, true, "Undelivered Mail Returned to Sender"},
		{DSN_FAILED, SMTP_RET_FULL, 100, false, true, "Undelivered Mail Returned to Sender"},
		{DSN_FAILED, SMTP_RET_HDRS, 100, false, false, "Undelivered Mail Returned to Sender"},
		{DSN_FAILED, SMTP_RET_FULL, 50001, false, false, "Undelivered Mail Returned to Sender"},
		{DSN_FAILED, SMTP_RET_FULL, 100, true, false, "Postmaster Copy: Undelivered Mail"},
		{DSN_DELAYED, SMTP_RET_FULL, 100, false, false, "Delayed Mail (still being retried)"},
		{DSN_DELIVERED, SMTP_RET_FULL, 100, false, false, "Successful Mail Delivery Report"},
		{DSN_RELAYED, SMTP_RET_NONE, 100, false, false, "Successful Mail Delivery Report"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dsn           d = example();
		struct dsn_recipient r = recipient;
		autotext struct text head = {0}, tail = {0};
		struct header_field  f;
		bool                 whole = false;

		r.action = rows[i].action;
		d.recipients = &r;
		d.ret = rows[i].ret;
		d.original_size = rows[i].size;
		d.to_postmaster = rows[i].copy;
		ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), 0);
		ck_assert_msg(whole == rows[i].whole, "row %zu", i);
		ck_assert(header_find(text_span(&head), "Subject", &f));
		ck_span(f.value, rows[i].subject);
		ck_assert(has(&head, whole ? "message/rfc822\r\n" : "text/rfc822-headers\r\n"));
	}
}
END_TEST

/* SECURITY.md 2, 12: no remote text makes a line */
UNIT_TEST(nothing_is_injected)
{
	static const struct span evil = SPAN("x\r\nInjected: yes\n.\r\n--b\0\xff\x1b[0m");
	struct dsn               d = example();
	struct dsn_recipient     r = {.recipient = evil, .original = evil, .orcpt = evil, .status = STATUS(5, 0, 0), .remote_mta = evil,
	                              .diagnostic = evil, .reason = evil};
	autotext struct text     head = {0}, tail = {0};
	bool                     whole;

	d.recipients = &r;
	d.sender = evil;
	d.envid = evil;
	d.transcript = evil;
	ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), 0);
	ck_assert(!has(&head, "\nInjected") && !has(&head, "\n.") && !has(&head, "\n--b\r") && !has(&head, "\x1b") && !has(&head, "\xff"));
	for (size_t i = 0; i < head.len; i++)
		ck_assert(head.at[i] != '\n' || head.at[i - 1] == '\r');
	d.to = evil;
	text_clear(&head);
	ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), -1);
	ck_assert_uint_eq(head.len, 0);
}
END_TEST

UNIT_TEST(long_lines_are_folded)
{
	struct dsn           d = example();
	struct dsn_recipient r = recipient;
	autotext struct text head = {0}, tail = {0}, text = {0};
	struct span          rest, line;
	bool                 whole;

	while (text.len < 3000)
		text_add_byte(&text, 'x');
	r.diagnostic = r.reason = text_span(&text);
	d.recipients = &r;
	ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), 0);
	for (rest = text_span(&head); span_split(&rest, '\n', &line);)
		ck_assert_uint_le(line.len, 998);
}
END_TEST

UNIT_TEST(international)             /* RFC 6533 */
{
	struct dsn           d = example();
	struct dsn_recipient r = recipient;
	autotext struct text head = {0}, tail = {0};
	bool                 whole;

	r.recipient = SPAN("j\xc3\xb6@there.example");
	r.orcpt = SPAN("utf-8;j\xc3\xb6@x.example");
	d.recipients = &r;
	ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), 0);
	ck_assert(has(&head, "Final-Recipient: utf-8; j\\x{F6}@there.example\r\n") && has(&head, "Original-Recipient: utf-8;j\\x{F6}@x.example\r\n"));
	d.smtputf8 = true;
	text_clear(&head);
	ck_assert_int_eq(dsn_build(&d, &head, &tail, &whole, NULL), 0);
	ck_assert(has(&head, "message/global-delivery-status\r\n") && has(&head, "message/global\r\n"));
	ck_assert(has(&head, "Final-Recipient: utf-8; j\xc3\xb6@there.example\r\n"));
}
END_TEST

UNIT_MAIN("mail/dsn", failure, what_is_returned, nothing_is_injected, long_lines_are_folded, international)
