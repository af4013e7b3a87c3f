/* SPDX-License-Identifier: ISC */
/*
 * test_imap_body.c - ENVELOPE, BODYSTRUCTURE, sections (RFC 3501, 6.4.5 and 7.4.2)
 */
#include "mail/imap_body.h"
#include "../unit.h"

UNIT_TEST(envelopes)
{
	static const char *const rows[][2] = {
		{"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nSubject: IMAP4rev1 WG mtg\r\n summary and minutes\r\n"
		 "From: Terry Gray <gray@cac.washington.edu>\r\nTo: imap@cac.washington.edu\r\n"
		 "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n",
		 "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" "
		 "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		 "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
		 "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
		 "\"<B27397-0100000@cac.washington.edu>\")"},
		{"From: a@b\nReply-To: \nSender: s@t\nTo: g: x@y;\nTo: second@ignored\n\n",
		 "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"s\" \"t\")) ((NIL NIL \"a\" \"b\")) "
		 "((NIL NIL \"g\" NIL)(NIL NIL \"x\" \"y\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"},
		{"Subject: \"a\\b\"\nFrom: alone\nTo: <@r:x@y>\n\n",
		 "(NIL \"\\\"a\\\\b\\\"\" ((NIL NIL \"alone\" \"MISSING_DOMAIN\")) ((NIL NIL \"alone\" \"MISSING_DOMAIN\")) "
		 "((NIL NIL \"alone\" \"MISSING_DOMAIN\")) ((NIL \"@r\" \"x\" \"y\")) NIL NIL NIL NIL)"},
		{"Subject: \xc3\xb6\n\n", "(NIL {2}\r\n\xc3\xb6 NIL NIL NIL NIL NIL NIL NIL NIL)"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};

		imap_envelope(span_of(rows[i][0]), &out);
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "row %zu: %s", i, text_string(&out));
	}
}
END_TEST

static const char nested[] =
	"Content-Type: multipart/mixed; boundary=o\r\n"
	"\r\n"
	"--o\r\n"
	"Content-Disposition: inline\r\n"
	"\r\n"
	"one\r\n"
	"--o\r\n"
	"Content-Type: message/rfc822\r\n"
	"Content-Language: en\r\n"
	"\r\n"
	"Subject: inner\r\n"
	"Content-Type: multipart/alternative; boundary=i\r\n"
	"\r\n"
	"--i\r\n"
	"Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
	"\r\n"
	"plain\r\n"
	"--i\r\n"
	"Content-Type: text/html\r\n"
	"\r\n"
	"html\r\n"
	"--i--\r\n"
	"--o--\r\n";

UNIT_TEST(structures)
{
	static const struct { const char *message, *body, *structure; } rows[] = {
		{"A: b\n\nhi\n", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1)",
		 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1 NIL NIL NIL NIL)"},
		{nested,
		 "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0)"
		 "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 180 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		 "((\"text\" \"plain\" (\"charset\" \"utf-8\" \"format\" \"flowed\") NIL NIL \"7bit\" 5 0)"
		 "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0) \"alternative\") 11) \"mixed\")",
		 NULL},
		{"Content-Type: multipart/mixed; boundary=b\n\nx\n",
		 "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")",
		 "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"},
		{"Content-Type: multipart/mixed\n\nx\n", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1)", NULL},
		{"Content-Type: message/rfc822\n", "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0)", NULL},
		{"Content-Type: image/png; x*=utf-8''%41\nContent-ID: <i>\nContent-Description: d\nContent-Transfer-Encoding: base64\n"
		 "Content-Disposition: attachment; filename=f\nContent-Language: en, fr\nContent-MD5: m\nContent-Location: l\n\nQQ==\n",
		 "(\"image\" \"png\" (\"x*\" \"utf-8''%41\") \"<i>\" \"d\" \"base64\" 6)",
		 "(\"image\" \"png\" (\"x*\" \"utf-8''%41\") \"<i>\" \"d\" \"base64\" 6 \"m\" (\"attachment\" (\"filename\" \"f\")) (\"en\" \"fr\") \"l\")"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text body = {0}, structure = {0};
		struct mime *m = mime_parse(a, span_of(rows[i].message));

		imap_body(m, &body);
		imap_bodystructure(m, &structure);
		ck_assert_msg(span_is(text_span(&body), rows[i].body), "row %zu: %s", i, text_string(&body));
		if (rows[i].structure)
			ck_assert_msg(span_is(text_span(&structure), rows[i].structure), "row %zu: %s", i, text_string(&structure));
	}
}
END_TEST

UNIT_TEST(sections)
{
	static const char *const rows[][2] = {         /* what is between the brackets, what is found (NULL: nothing) */
		{"1", "one"}, {"1.MIME", "Content-Disposition: inline\r\n\r\n"}, {"3", NULL}, {"1.1", NULL}, {"1.HEADER", NULL},
		{"HEADER", "Content-Type: multipart/mixed; boundary=o\r\n\r\n"}, {"2.HEADER", "Subject: inner\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"},
		{"2.MIME", "Content-Type: message/rfc822\r\nContent-Language: en\r\n\r\n"},
		{"2.1", "plain"}, {"2.2", "html"}, {"2.2.MIME", "Content-Type: text/html\r\n\r\n"}, {"2.3", NULL}, {"2.1.1", NULL},
		{"2.HEADER.FIELDS (subject)", "Subject: inner\r\n\r\n"}, {"2.HEADER.FIELDS.NOT (\"Subject\")", "Content-Type: multipart/alternative; boundary=i\r\n\r\n"},
		{"HEADER.FIELDS (X Y)", "\r\n"}, {"2.1.TEXT", NULL}, {"4294967295", NULL},
	};
	autoarena struct arena *a = arena_new();
	struct span  message = span_of(nested);
	struct mime *m = mime_parse(a, message);
	struct imap_section s;
	struct imap_found   f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span found;

		ck_assert_msg(imap_section_parse(a, span_of(rows[i][0]), &s, NULL) == 0, "%s", rows[i][0]);
		imap_section_find(m, &s, &f);
		ck_assert_msg(f.exists == (rows[i][1] != NULL), "%s", rows[i][0]);
		found = f.is_text ? text_span(&f.text) : span_cut(message, f.offset, f.offset + f.length);
		ck_assert_msg(!f.exists || span_is(found, rows[i][1]), "%s: %.*s", rows[i][0], SPAN_ARGS(found));
		text_free(&f.text);
	}
	ck_assert_int_eq(imap_section_parse(a, SPAN(""), &s, NULL), 0);
	imap_section_find(m, &s, &f);
	ck_assert(f.exists && f.offset == 0 && f.length == message.len);
}
END_TEST

/* What is no multipart has a part 1: its body (6.4.5) */
UNIT_TEST(part_one_of_a_plain_message)
{
	autoarena struct arena *a = arena_new();
	struct mime *m = mime_parse(a, SPAN("A: b\r\n\r\nhi\r\n"));
	struct imap_section s;
	struct imap_found   f;

	ck_assert_int_eq(imap_section_parse(a, SPAN("1"), &s, NULL), 0);
	imap_section_find(m, &s, &f);
	ck_assert(f.exists && f.offset == 8 && f.length == 4);
	ck_assert_int_eq(imap_section_parse(a, SPAN("TEXT"), &s, NULL), 0);
	imap_section_find(m, &s, &f);
	ck_assert(f.exists && f.offset == 8 && f.length == 4);
	ck_assert_int_eq(imap_section_parse(a, SPAN("2"), &s, NULL), 0);
	imap_section_find(m, &s, &f);
	ck_assert(!f.exists);
	ck_assert_int_eq(imap_section_parse(a, SPAN("1.1"), &s, NULL), 0);
	imap_section_find(m, &s, &f);
	ck_assert(!f.exists);
}
END_TEST

UNIT_TEST(section_grammar)
{
	static const char *const good[][2] = {
		{"", ""}, {"1.2", "1.2"}, {"header", "HEADER"}, {"1.mime", "1.MIME"}, {"1.2.HEADER.FIELDS (From \"X Y\")", "1.2.HEADER.FIELDS (From \"X Y\")"},
		{"HEADER.FIELDS.NOT (\"A\")", "HEADER.FIELDS.NOT (A)"}, {"HEADER.FIELDS (\"\")", "HEADER.FIELDS (\"\")"},
	};
	static const char *const bad[] = {"0", "1.", ".1", "1..2", "MIME", "1.0", "HEADER.FIELDS", "HEADER.FIELDS ()", "HEADER.FIELDS (a",
		"HEADER.FIELDS (a )", "HEADER.FIELDS ( a)", "HEADER.FIELDS (\"a)", "HEADERS", "4294967296", "1a", "HEADER.FIELDS (a\r)", "TEXT 1"};
	autoarena struct arena *a = arena_new();
	autotext struct text deep = {0};
	struct imap_section s;

	for (size_t i = 0; i < COUNT(good); i++) {
		autotext struct text out = {0};

		ck_assert_msg(imap_section_parse(a, span_of(good[i][0]), &s, NULL) == 0, "%s", good[i][0]);
		imap_section_add(&s, &out);
		ck_span(text_span(&out), good[i][1]);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(imap_section_parse(a, span_of(bad[i]), &s, NULL) < 0, "%s", bad[i]);
	for (int i = 0; i < IMAP_SECTION_DEPTH; i++)
		text_add_string(&deep, "1.");
	text_add_string(&deep, "1");
	ck_assert_int_eq(imap_section_parse(a, text_span(&deep), &s, NULL), -1);
}
END_TEST

UNIT_MAIN("mail/imap_body", envelopes, structures, sections, part_one_of_a_plain_message, section_grammar)
