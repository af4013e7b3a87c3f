/* SPDX-License-Identifier: ISC */
/*
 * test_downgrade.c - header fields in ASCII (RFC 6857); what is no UTF-8 stays
 */
#include "../unit.h"

#include "mail/charset.h"
#include "mail/downgrade.h"
#include "mail/encoded_word.h"

static const struct {
	const char *field, *out;         /* NULL: as it is */
} rows[] = {
	/* nothing to do */
	{"Subject: plain",                                     NULL},
	{"Subject: gr\xfc\xdf",                                NULL},           /* ISO 8859-1: no RFC 6532 */
	{"Subject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=",               NULL},
	/* unstructured (3.2.2) */
	{"Subject: gr\xc3\xbc\xc3\x9f" "e",                    "Subject: =?utf-8?B?Z3LDvMOfZQ==?="},
	{"Subject: an \xc3\xa4 b",                             "Subject: an =?utf-8?B?w6Q=?= b"},
	{"Subject: \xc3\xa4 \xc3\xb6",                         "Subject: =?utf-8?B?w6Qgw7Y=?="},
	{"Subject: \xc3\xa4\r\n \xc3\xb6",                     "Subject: =?utf-8?B?w6Qgw7Y=?="},
	{"Subject: a\r\n\t\xc3\xb6",                           "Subject: a\r\n\t=?utf-8?B?w7Y=?="},
	{"Subject: =?utf-8?Q?x?= \xc3\xb6 =?utf-8?Q?x?=",      "Subject: =?utf-8?Q?x?= =?utf-8?B?IMO2IA==?= =?utf-8?Q?x?="},
	{"X-Any:\xc3\xa4",                                     "X-Any: =?utf-8?B?w6Q=?="},
	{"Keywords: a, \xc3\xa4, b",                           "Keywords: a, =?utf-8?B?w6Qs?= b"},
	/* addresses (3.2.1, 3.2.6, 3.2.7) */
	{"From: J\xc3\xbcrgen <j@example.org>",                "From: =?utf-8?B?SsO8cmdlbg==?= <j@example.org>"},
	{"From: \"J\xc3\xbcrgen, x\" <j@example.org>",         "From: =?utf-8?B?SsO8cmdlbiwgeA==?= <j@example.org>"},
	{"From: j@example.org (J\xc3\xbcrgen)",                "From: =?utf-8?B?SsO8cmdlbg==?= <j@example.org>"},
	{"From: =?iso-8859-1?Q?J=FCrgen?= \xc3\xa4 <j@example.org>", "From: =?utf-8?B?SsO8cmdlbiDDpA==?= <j@example.org>"},
	{"To: J <j@b\xc3\xbc" "cher.example>",                 "To: J <j@xn--bcher-kva.example>"},
	{"To: \"a b\"@b\xc3\xbc" "cher.example",               "To: \"a b\"@xn--bcher-kva.example"},
	{"From: j\xc3\xbcrgen@example.org",                    "From: =?utf-8?B?asO8cmdlbkBleGFtcGxlLm9yZw==?= :;"},
	{"From: J <j\xc3\xbcrgen@example.org>",                "From: =?utf-8?B?SiBqw7xyZ2VuQGV4YW1wbGUub3Jn?= :;"},
	{"Cc: a@b, \xc3\xa4@c, \"x.y\" <d@e>",                 "Cc: a@b, =?utf-8?B?w6RAYw==?= :;, \"x.y\" <d@e>"},
	{"To: friends: a@b, \xc3\xa4@c, d@e;, f@g",            "To: friends: a@b, d@e;, =?utf-8?B?w6RAYw==?= :;, f@g"},
	{"To: Fr\xc3\xbchst\xc3\xbc" "ck: a@b;",               "To: =?utf-8?B?RnLDvGhzdMO8Y2s=?=: a@b;"},
	/* parameters (3.2.5) */
	{"Content-Type: text/plain; name=\xc3\xa4.txt; charset=utf-8", "Content-Type: text/plain; name*=utf-8''%C3%A4.txt; charset=\"utf-8\""},
	{"Content-Type: multipart/mixed; boundary=\"a \\\"b\"; x=\"\xc3\xa4\"", "Content-Type: multipart/mixed; boundary=\"a \\\"b\"; x*=utf-8''%C3%A4"},
	{"Content-Disposition: attachment;\r\n filename=\"\xc3\xa4 b%.txt\"; size=3", "Content-Disposition: attachment; filename*=utf-8''%C3%A4%20b%25.txt;\r\n size=\"3\""},
	{"Content-Disposition: inline; name*0*=utf-8''%C3%A4; name*1=b; x=\xc3\xa4", "Content-Disposition: inline; name*=utf-8''%C3%A4b; x*=utf-8''%C3%A4"},
	{"Content-Disposition: inline; name*=\"utf-8'de'%C3%A4 b;c\"; x=\xc3\xa4", "Content-Disposition: inline; name*=utf-8'de'%C3%A4%20b%3Bc; x*=utf-8''%C3%A4"},
	{"Content-Disposition: inline; name*0*=\"utf-8''a b\"; name*1=\"c=d\"; x=\xc3\xa4", "Content-Disposition: inline; name*=utf-8''a%20bc%3Dd; x*=utf-8''%C3%A4"},
	{"Content-Disposition: inline; name*=utf-8''\xc3\xa4", "Content-Disposition: inline; name*=utf-8''%C3%A4"},
	{"Content-Description: \xc3\xa4",                      "Content-Description: =?utf-8?B?w6Q=?="},
	{"Content-Type: te\xc3\xa4xt/plain",                   "Content-Type: =?utf-8?B?dGXDpHh0L3BsYWlu?="},
	/* no form */
	{"Message-ID: <\xc3\xa4@example.org>",                 "Downgraded-Message-ID: =?utf-8?B?PMOkQGV4YW1wbGUub3JnPg==?="},
	{"References: <a@b>\r\n <\xc3\xa4@c>",                 "Downgraded-References: <a@b>\r\n =?utf-8?B?PMOkQGM+?="},
	{"Return-Path: <\xc3\xa4@c>",                          "Downgraded-Return-Path: =?utf-8?B?PMOkQGM+?="},
	/* Received */
	{"Received: from a (b [192.0.2.1]) by c with UTF8SMTP\r\n for <\xc3\xa4@c>; Mon, 30 Nov 2026 12:00:00 +0000",
	 "Received: from a (b [192.0.2.1]) by c with UTF8SMTP; Mon, 30 Nov 2026\r\n 12:00:00 +0000"},
	{"Received: from a (\xc3\xa4.example [192.0.2.1]) for <a@b>", "Received: from a (=?utf-8?B?w6QuZXhhbXBsZQ==?= [192.0.2.1]) for <a@b>"},
};

UNIT_TEST(fields)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0}, want = {0};

		text_add_format(&want, "%s\r\n", rows[i].out ? rows[i].out : rows[i].field);
		ck_assert_int_eq(downgrade_field(span_of(rows[i].field), &out), rows[i].out != NULL);
		ck_span(text_span(&out), text_string(&want));
	}
}
END_TEST

/* RFC 2047, 2: 76 characters a line, 75 a word; no character is cut in two. */
UNIT_TEST(long_ones)
{
	static const char *const names[] = {"Subject: ", "From: ", "Content-Disposition: attachment; filename=\"", "X-A-Name-That-Is-Itself-As-Long-As-Almost-A-Line-Of-Seventy-Six: "};

	for (size_t n = 0; n < COUNT(names); n++) {
		autotext struct text in = {0}, out = {0};
		struct span          rest, line;

		text_add_string(&in, names[n]);
		for (int i = 0; i < 200; i++)
			text_add_string(&in, "\xe2\x82\xac");
		text_add_string(&in, n == 1 ? " <a@example.org>" : n == 2 ? "\"" : "");
		ck_assert(downgrade_field(text_span(&in), &out));
		ck_assert(span_is_ascii(text_span(&out)));
		for (rest = text_span(&out); span_split(&rest, '\n', &line) && line.len;)
			ck_assert_msg(line.len <= 77, "%.*s", SPAN_ARGS(line));
	}
}
END_TEST

UNIT_TEST(folds_say_the_same)
{
	autotext struct text in = {0}, out = {0}, unfolded = {0}, decoded = {0};

	text_add_string(&in, "Subject: ");
	for (int i = 0; i < 60; i++)
		text_add_format(&in, "%s%s", i ? " " : "", i % 7 < 3 ? "w\xc3\xb6rter" : i % 7 < 5 ? "words" : "\xe5\x8d\x81");
	ck_assert(downgrade_field(text_span(&in), &out));
	for (size_t i = 0; i + 2 < out.len; i++)
		if (out.at[i] != '\r' && out.at[i] != '\n')
			text_add_byte(&unfolded, out.at[i]);
	encoded_word_decode(text_span(&unfolded), &decoded);
	ck_span(text_span(&decoded), text_string(&in));
}
END_TEST

#define NAME_OF_60 "abcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghijklmnopqrst"

/* Every piece of a parameter repeats its name: a longer one makes the field text. */
UNIT_TEST(names_of_parameters)
{
	static const struct {
		const char *name, *want;
	} names[] = {
		{NAME_OF_60,     "Content-Type: text/plain;\r\n " NAME_OF_60 "*0*=utf-8''%C3%A4\r\n"},
		{NAME_OF_60 "u", "Content-Type: text/plain; =?utf-8?B?YWJjZGVmZ2hpamtsbW5vcHFyc3RhYmNkZWZn?=\r\n"
		                 " =?utf-8?B?aGlqa2xtbm9wcXJzdGFiY2RlZmdoaWprbG1ub3BxcnN0dT3DpA==?=\r\n"},
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		autotext struct text in = {0}, out = {0};

		text_add_format(&in, "Content-Type: text/plain; %s=\xc3\xa4", names[i].name);
		ck_assert(downgrade_field(text_span(&in), &out));
		ck_span(text_span(&out), names[i].want);
	}
}
END_TEST

/* As large as a field gets, and as bad: read once (not once for every byte: that is 20 minutes), and never many
 * times as long. */
UNIT_TEST(hostile_ones)
{
	static const struct {
		const char *front, *again, *middle, *then, *back;
		size_t      size;    /* of each of both runs */
	} bad[] = {
		{"Received: \xc3\xa9 ", "(", "", "", "", DOWNGRADE_FIELD_MOST},
		{"Received: \xc3\xa9 ", "for(", "", "", "", DOWNGRADE_FIELD_MOST},
		{"Received: ", "\xc3\xa9(", "", "", "", DOWNGRADE_FIELD_MOST},
		{"Received: ", "for \xc3\xa9 a ", "", "", "", DOWNGRADE_FIELD_MOST},
		{"Subject: ", "\xc3\xa9 a ", "", "", "", DOWNGRADE_FIELD_MOST},
		{"Content-Type: text/plain; ", "a", "=\"", "\xc3\xa9", "\"", 50000},
		{"Content-Type: text/plain; ", "a", "=\"", "\xc3\xa9", "\"", DOWNGRADE_FIELD_MOST / 2},
		{"Content-Type: text/plain; " NAME_OF_60 "=\"", "\xc3\xa9", "", "", "\"", DOWNGRADE_FIELD_MOST},
		{"Content-Disposition: inline; ", NAME_OF_60 "=\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9;", "", "", "", 60 * 70},
		{"From: ", "\xc3\xa9,", "", "", "", 3 * 900},
		{"From: ", "\xc3\xa9,", "", "", "", DOWNGRADE_FIELD_MOST},
		{"From: ", "\xc3\xa9:\xc3\xa9;", "", "", "", 6 * 300},
		{"From: =?tscii?Q?", "\xdd\x8c", "?= =?tscii?Q?", "\xdd\x8c", "?= <a@example.org>", 4000}, /* letters of three bytes, three in one */
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		autotext struct text in = {0}, out = {0};

		text_add_string(&in, bad[i].front);
		for (size_t start = in.len; in.len - start < bad[i].size;)
			text_add_string(&in, bad[i].again);
		text_add_string(&in, bad[i].middle);
		for (size_t start = in.len; *bad[i].then && in.len - start < bad[i].size;)
			text_add_string(&in, bad[i].then);
		text_add_string(&in, bad[i].back);
		ck_assert_msg(downgrade_field(text_span(&in), &out), "%zu", i);
		ck_assert_msg(span_is_ascii(text_span(&out)), "%zu", i);
		ck_assert_msg(out.len <= 8 * in.len + 1024, "%zu: %zu bytes made of %zu", i, out.len, in.len);
	}
}
END_TEST

UNIT_TEST(message)
{
	static const char in[] = "Subject: \xc3\xa4\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name=\xc3\xa4\n\n\xc3\xa4\n"
		"--b\nContent-Type: message/rfc822\n\nSubject: \xc3\xb6\n\nSubject: \xc3\xb6\n--b--\nSubject: \xc3\xa4";
	static const char want[] = "Subject: =?utf-8?B?w6Q=?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; name*=utf-8''%C3%A4\r\n\r\n\xc3\xa4\r\n"
		"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?B?w7Y=?=\r\n\r\nSubject: \xc3\xb6\r\n--b--\r\nSubject: \xc3\xa4";
	autotext struct text out = {0};
	bool                 changed = false;
	struct mime_stream  *s = downgrade_start(&changed);

	mime_stream_feed(s, span_of(in), &out);
	mime_stream_end(s, &out);
	mime_stream_free(s);
	ck_span(text_span(&out), want);
	ck_assert(changed);
}
END_TEST

UNIT_MAIN("mail/downgrade", fields, long_ones, folds_say_the_same, names_of_parameters, hostile_ones, message)
