/* SPDX-License-Identifier: ISC */
/*
 * test_smtp_syntax.c - MAIL, RCPT, BDAT, replies, EHLO, xtext, enhanced status codes
 */
#include "mail/smtp_syntax.h"
#include "mail/xtext.h"
#include "../unit.h"

static const struct smtp_rules all = {0, SMTP_OFFER_ALL};

/* A MAIL that was understood, as one line. */
static void
show_mail(const struct smtp_mail *m, struct text *out)
{
	text_add_format(out, "<%.*s> size=%llu body=%d ret=%d envid=%.*s auth=%.*s utf8=%d", SPAN_ARGS(m->sender),
	                (unsigned long long)m->size, m->body, m->ret, SPAN_ARGS(m->envid), SPAN_ARGS(m->auth), m->smtputf8);
}

UNIT_TEST(mail_parameters)
{
	static const char *const rows[][2] = {
		/* RFC 5321, 4.1.1.2 */
		{"FROM:<a@b.example>", "<a@b.example> size=0 body=0 ret=0 envid= auth= utf8=0"},
		{"from:<>", "<> size=0 body=0 ret=0 envid= auth= utf8=0"},
		{"FROM: <a@b.example>", "<a@b.example> size=0 body=0 ret=0 envid= auth= utf8=0"},
		{"", "501 5.5.4 Syntax: MAIL FROM:<address>"},
		{"FROM", "501 5.5.4 Syntax: MAIL FROM:<address>"},
		{"FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>"},
		{"TO:<a@b.example>", "501 5.5.4 Syntax: MAIL FROM:<address>"},
		{"FROM:<a@b.example", "501 5.1.7 Bad sender address syntax"},
		{"FROM:<a@-b>", "501 5.1.7 Bad sender address syntax"},
		/* RFC 1870, 4 */
		{"FROM:<> SIZE=1000", "<> size=1000 body=0 ret=0 envid= auth= utf8=0"},
		{"FROM:<> SIZE=", "501 5.5.4 SIZE parameter without a value"},
		{"FROM:<> SIZE=-1", "501 5.5.4 Bad message size syntax"},
		{"FROM:<> SIZE=99999999999999999999", "501 5.5.4 Bad message size syntax"},
		{"FROM:<> SIZE=1 SIZE=2", "501 5.5.4 SIZE parameter given twice"},
		/* RFC 6152; RFC 3030 */
		{"FROM:<> body=8bitmime", "<> size=0 body=2 ret=0 envid= auth= utf8=0"},
		{"FROM:<> BODY=7BIT", "<> size=0 body=1 ret=0 envid= auth= utf8=0"},
		{"FROM:<> BODY=BINARYMIME", "<> size=0 body=3 ret=0 envid= auth= utf8=0"},
		{"FROM:<> BODY=9BIT", "555 5.5.4 Unsupported option: BODY=9BIT"},
		/* RFC 3461, 4.3 and 4.4 */
		{"FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1", "<a@b.example> size=0 body=0 ret=2 envid=QQ+1 auth= utf8=0"},
		{"FROM:<> RET=ALL", "501 5.5.4 Bad RET parameter syntax"},
		{"FROM:<> ENVID=a+0Db", "501 5.5.4 Bad ENVID parameter syntax"},
		{"FROM:<> ENVID=a+0", "501 5.5.4 Bad ENVID parameter syntax"},
		{"FROM:<> ENVID=+FF", "501 5.5.4 Bad ENVID parameter syntax"},
		/* RFC 6531, 3.4 */
		{"FROM:<j\xc3\xb6@b.example> SMTPUTF8", "<j\xc3\xb6@b.example> size=0 body=0 ret=0 envid= auth= utf8=1"},
		{"FROM:<j\xc3\xb6@b.example>", "501 5.1.7 Bad sender address syntax"},
		{"FROM:<j\xc3\xb6 SMTPUTF8 x>", "501 5.1.7 Bad sender address syntax"},
		{"FROM:<> SMTPUTF8=yes", "501 5.5.4 SMTPUTF8 takes no value"},
		/* RFC 4954, 5 */
		{"FROM:<> AUTH=<>", "<> size=0 body=0 ret=0 envid= auth=<> utf8=0"},
		{"FROM:<> AUTH=e+3Dmc2@example.com", "<> size=0 body=0 ret=0 envid= auth=e=mc2@example.com utf8=0"},
		{"FROM:<> AUTH=a+0A", "501 5.5.4 Bad AUTH parameter syntax"},
		/* RFC 5321, 4.1.1.11 */
		{"FROM:<> FOO", "555 5.5.4 Unsupported option: FOO"},
		{"FROM:<> NOTIFY=NEVER", "555 5.5.4 Unsupported option: NOTIFY=NEVER"},
		{"FROM:<> \xff\x01=1", "555 5.5.4 Unsupported option: ?\?=1"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0};
		struct smtp_mail m;
		struct fault     why = {0};

		if (smtp_parse_mail(a, span_of(rows[i][0]), all, &m, &why) == 0)
			show_mail(&m, &out);
		else
			text_add_string(&out, fault_text(&why));
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "\"%s\" gives \"%s\"", rows[i][0], text_string(&out));
	}
}
END_TEST

UNIT_TEST(what_was_not_offered_is_unsupported)
{
	autoarena struct arena *a = arena_new();
	struct smtp_mail m;
	struct fault     why = {0};

	ck_assert_int_eq(smtp_parse_mail(a, SPAN("FROM:<> RET=FULL"), (struct smtp_rules){0, SMTP_OFFER_SIZE}, &m, &why), -1);
	ck_assert_str_eq(fault_text(&why), "501 5.7.1 DSN support is disabled");
	ck_assert_int_eq(smtp_parse_mail(a, SPAN("FROM:a@b.example"), (struct smtp_rules){ADDRESS_STRICT, 0}, &m, NULL), -1);
}
END_TEST

UNIT_TEST(rcpt_parameters)
{
	static const struct { const char *in, *recipient; unsigned notify; const char *orcpt, *fault; } rows[] = {
		{"TO:<a@b.example>", "a@b.example", 0, "", NULL},
		{"TO:<postmaster>", "postmaster", 0, "", NULL},
		{"TO:<>", NULL, 0, NULL, "501 5.1.3 Bad recipient address syntax"},
		{"TO:a b", NULL, 0, NULL, "555 5.5.4 Unsupported option: b"},
		{"FROM:<a@b.example>", NULL, 0, NULL, "501 5.5.4 Syntax: RCPT TO:<address>"},
		/* RFC 3461, 4.1 */
		{"TO:<a@b.example> NOTIFY=SUCCESS,FAILURE", "a@b.example", SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE, "", NULL},
		{"TO:<a@b.example> notify=never", "a@b.example", SMTP_NOTIFY_NEVER, "", NULL},
		{"TO:<a@b.example> NOTIFY=NEVER,DELAY", NULL, 0, NULL, "501 5.5.4 Bad NOTIFY parameter syntax"},
		{"TO:<a@b.example> NOTIFY=DELAY,DELAY", NULL, 0, NULL, "501 5.5.4 Bad NOTIFY parameter syntax"},
		{"TO:<a@b.example> NOTIFY=SUCCESS,", NULL, 0, NULL, "501 5.5.4 Bad NOTIFY parameter syntax"},
		/* RFC 3461, 4.2; RFC 6533, 3 */
		{"TO:<a@b.example> ORCPT=rfc822;x+2By@z.example", "a@b.example", 0, "rfc822;x+y@z.example", NULL},
		{"TO:<a@b.example> ORCPT=utf-8;j\\x{F6}@z.example", "a@b.example", 0, "utf-8;j\xc3\xb6@z.example", NULL},
		{"TO:<a@b.example> ORCPT=utf-8;j\xc3\xb6@z.example", "a@b.example", 0, "utf-8;j\xc3\xb6@z.example", NULL},
		{"TO:<a@b.example> ORCPT=utf-8;j+C3+B6@z.example", "a@b.example", 0, "utf-8;j\xc3\xb6@z.example", NULL},   /* Postfix */
		{"TO:<a@b.example> ORCPT=rfc822;j+C3+B6@z.example", "a@b.example", 0, "utf-8;j\xc3\xb6@z.example", NULL},
		{"TO:<a@b.example> ORCPT=rfc822;j+C3@z.example", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
		{"TO:<a@b.example> ORCPT=utf-8;j+C3@z.example", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
		{"TO:<a@b.example> ORCPT=rfc822;j\xc3\xb6@z.example", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
		{"TO:<a@b.example> ORCPT=rfc822;a+0D+0Ab", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
		{"TO:<a@b.example> ORCPT=rfc822;", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
		{"TO:<a@b.example> ORCPT=x", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
		{"TO:<a@b.example> ORCPT=;x", NULL, 0, NULL, "501 5.5.4 Bad ORCPT parameter syntax"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		struct smtp_rcpt r;
		struct fault     why = {0};
		int              got = smtp_parse_rcpt(a, span_of(rows[i].in), all, &r, &why);

		ck_assert_msg(got == (rows[i].fault ? -1 : 0), "%s: %s", rows[i].in, fault_text(&why));
		if (rows[i].fault) {
			ck_assert_str_eq(fault_text(&why), rows[i].fault);
			continue;
		}
		ck_span(r.recipient, rows[i].recipient);
		ck_span(r.orcpt, rows[i].orcpt);
		ck_assert_uint_eq(r.notify, rows[i].notify);
	}
}
END_TEST

UNIT_TEST(client_writes_what_server_reads)
{
	autoarena struct arena *a = arena_new();
	autotext struct text line = {0}, again = {0};
	struct smtp_mail m = {.sender = SPAN("a b@x.example"), .size = 7, .body = SMTP_BODY_8BITMIME, .ret = SMTP_RET_HDRS,
	                      .envid = SPAN("q+=1"), .auth = SPAN("<>"), .smtputf8 = true}, back;
	struct smtp_rcpt r = {.recipient = SPAN("u@x.example"), .notify = SMTP_NOTIFY_DELAY, .orcpt = SPAN("rfc822;j\xc3\xb6@x.example")};

	smtp_format_mail(&m, SMTP_OFFER_ALL, &line);
	ck_span(text_span(&line), "MAIL FROM:<\"a b\"@x.example> SIZE=7 BODY=8BITMIME SMTPUTF8 ENVID=q+2B+3D1 RET=HDRS AUTH=<>");
	ck_assert_int_eq(smtp_parse_mail(a, span_from(text_span(&line), 5), all, &back, NULL), 0);
	smtp_format_mail(&back, SMTP_OFFER_ALL, &again);
	ck_assert(span_equal(text_span(&line), text_span(&again)));
	text_clear(&line);
	smtp_format_mail(&m, 0, &line);
	ck_span(text_span(&line), "MAIL FROM:<\"a b\"@x.example>");
	text_clear(&line);
	smtp_format_rcpt(&r, SMTP_OFFER_ALL, &line);
	ck_span(text_span(&line), "RCPT TO:<u@x.example> NOTIFY=DELAY ORCPT=utf-8;j\\x{F6}@x.example");
	text_clear(&line);
	smtp_format_rcpt(&r, SMTP_OFFER_DSN, &line);
	ck_span(text_span(&line), "RCPT TO:<u@x.example> NOTIFY=DELAY");
}
END_TEST

UNIT_TEST(other_arguments)
{
	struct span verb, argument, name;
	uint64_t    size;
	bool        last;

	smtp_split_command(SPAN(" mail  FROM:<a> x "), &verb, &argument);
	ck_span(verb, "mail");
	ck_span(argument, "FROM:<a> x");
	smtp_split_command(SPAN("  "), &verb, &argument);
	ck_span(verb, "");
	ck_assert_int_eq(smtp_parse_bdat(SPAN("1000 LAST"), &size, &last, NULL), 0);      /* RFC 3030, 2 */
	ck_assert(size == 1000 && last);
	ck_assert_int_eq(smtp_parse_bdat(SPAN("0"), &size, &last, NULL), 0);
	ck_assert(size == 0 && !last);
	ck_assert_int_eq(smtp_parse_bdat(SPAN(""), &size, &last, NULL), -1);
	ck_assert_int_eq(smtp_parse_bdat(SPAN("1 FIRST"), &size, &last, NULL), -1);
	ck_assert_int_eq(smtp_parse_bdat(SPAN("1 LAST x"), &size, &last, NULL), -1);
	ck_assert_int_eq(smtp_parse_bdat(SPAN("-1"), &size, &last, NULL), -1);
	ck_assert_int_eq(smtp_parse_hello(SPAN(" [192.0.2.1] "), &name, NULL), 0);        /* RFC 5321, 4.1.1.1 */
	ck_span(name, "[192.0.2.1]");
	ck_assert_int_eq(smtp_parse_hello(SPAN(""), &name, NULL), -1);
	ck_assert_int_eq(smtp_parse_hello(SPAN("a b"), &name, NULL), -1);
	ck_assert_int_eq(smtp_parse_hello(SPAN("a\001b"), &name, NULL), -1);
	ck_assert(smtp_hello_valid(SPAN("mail.example.org")) && !smtp_hello_valid(SPAN("mail_.example.-org")));
}
END_TEST

UNIT_TEST(replies)
{
	static const struct { const char *line; int code; bool more; struct status status; const char *text; } rows[] = {
		{"250 ok", 250, false, {0, 0, 0}, "ok"}, {"250-SIZE 100", 250, true, {0, 0, 0}, "SIZE 100"},
		{"250", 250, false, {0, 0, 0}, ""}, {"550 5.1.1 unknown", 550, false, {5, 1, 1}, "5.1.1 unknown"},
		{"550-5.7.515 x", 550, true, {5, 7, 515}, "5.7.515 x"},
		{"550 4.1.1 liar", 550, false, {0, 0, 0}, "4.1.1 liar"}, {"220 2.0 x", 220, false, {0, 0, 0}, "2.0 x"},
		{"25", 0, false, {0, 0, 0}, NULL}, {"250x", 0, false, {0, 0, 0}, NULL}, {"2 50 x", 0, false, {0, 0, 0}, NULL},
		{"650 x", 0, false, {0, 0, 0}, NULL}, {"-50 x", 0, false, {0, 0, 0}, NULL}, {"", 0, false, {0, 0, 0}, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct smtp_reply_line r;

		ck_assert_msg((smtp_parse_reply_line(span_of(rows[i].line), &r, NULL) == 0) == (rows[i].text != NULL), "%s", rows[i].line);
		if (!rows[i].text)
			continue;
		ck_assert(r.code == rows[i].code && r.more == rows[i].more && status_equal(r.status, rows[i].status));
		ck_span(r.text, rows[i].text);
	}
}
END_TEST

UNIT_TEST(ehlo_keywords)
{
	static const char *const lines[] = {"PIPELINING", "size 1000", "AUTH PLAIN LOGIN", "AUTH=PLAIN", "8BITMIME", "DSN",
	                                    "XCLIENT NAME ADDR", "X-UNKNOWN a b", "", "STARTTLS"};
	autoarena struct arena *a = arena_new();
	struct smtp_ehlo e = {0};

	for (size_t i = 0; i < COUNT(lines); i++)
		smtp_parse_ehlo_line(a, span_of(lines[i]), &e);
	ck_assert_uint_eq(e.has, SMTP_HAS_PIPELINING | SMTP_HAS_SIZE | SMTP_HAS_AUTH | SMTP_HAS_8BITMIME | SMTP_HAS_DSN |
	                         SMTP_HAS_XCLIENT | SMTP_HAS_STARTTLS);
	ck_assert_uint_eq(e.size, 1000);
	ck_span(e.mechanisms, "PLAIN LOGIN PLAIN");
	ck_span(e.xclient, "NAME ADDR");
}
END_TEST

UNIT_TEST(xtext)
{
	static const struct { const char *coded, *plain; bool utf8; } rows[] = {      /* RFC 3461, 4; RFC 6533, 3 */
		{"abc", "abc", false}, {"a+2Bb", "a+b", false}, {"a+20b", "a b", false}, {"a+2bb", NULL, false}, {"a=b", NULL, false},
		{"a b", NULL, false}, {"a+", NULL, false}, {"a+2", NULL, false}, {"+00", NULL, false}, {"+7F", NULL, false},
		{"\xc3\xb6", NULL, false}, {"\\x{F6}", "\xc3\xb6", true}, {"\\x{20AC}", "\xe2\x82\xac", true},
		{"\\x{1F600}", "\xf0\x9f\x98\x80", true}, {"\\x{D800}", "\\x{D800}", true}, {"\\x{D}", "\\x{D}", true},
		{"\\x{85}", NULL, true}, {"\xc3\xb6", "\xc3\xb6", true}, {"\xc3", NULL, true}, {"\\x{5C}", "\\", true}, {"+C3+B6", "\xc3\xb6", true}, {"+C3", NULL, true},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};
		int got = rows[i].utf8 ? xtext_utf8_decode(span_of(rows[i].coded), &out, NULL) : xtext_decode(span_of(rows[i].coded), &out, NULL);

		ck_assert_msg((got == 0) == (rows[i].plain != NULL), "%zu %s", i, rows[i].coded);
		ck_span(text_span(&out), rows[i].plain ? rows[i].plain : "");
	}
}
END_TEST

UNIT_TEST(status_codes)
{
	struct status s = {0};
	struct span   rest;
	char          buffer[STATUS_TEXT_SIZE];

	ck_assert(status_parse(SPAN("5.1.1 no"), &s, &rest) && s.class == 5 && s.subject == 1 && s.detail == 1);   /* RFC 3463, 2 */
	ck_span(rest, "no");
	ck_assert_str_eq(status_string(s, buffer), "5.1.1");
	ck_assert(status_parse(SPAN("2.1.5"), &s, NULL) && s.class == 2 && status_parse(SPAN("4.0.999"), &s, NULL) && s.detail == 999);
	ck_assert(!status_parse(SPAN("3.1.1"), &s, NULL) && !status_parse(SPAN("5.1"), &s, NULL) && !status_parse(SPAN("5.1.1234"), &s, NULL));
	ck_assert(!status_parse(SPAN("5.1.1x"), &s, NULL) && !status_parse(SPAN("5..1"), &s, NULL) && !status_parse(SPAN(""), &s, NULL));
	ck_assert(status_equal(status_of_code(450), STATUS(4, 0, 0)) && status_equal(status_of_code(250), STATUS(2, 0, 0)));
	ck_assert(status_equal(status_with_class(STATUS(5, 1, 1), 4), STATUS(4, 1, 1)));
}
END_TEST

UNIT_MAIN("mail/smtp_syntax", mail_parameters, what_was_not_offered_is_unsupported, rcpt_parameters,
          client_writes_what_server_reads, other_arguments, replies, ehlo_keywords, xtext, status_codes)
