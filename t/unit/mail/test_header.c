/* SPDX-License-Identifier: ISC */
/*
 * test_header.c - header fields, the writer, dates, message ids (RFC 5322; RFC 3501, 9)
 */
#include "mail/date.h"
#include "mail/header.h"
#include "mail/message_id.h"
#include "../unit.h"

UNIT_TEST(fields_with_folds)
{
	struct span         m = SPAN("A: one\r\n two\r\nb :\tx\nC:\n \n\nbody: no\n");
	struct header_field f;
	size_t              at = 0, end;
	autotext struct text out = {0};

	ck_assert(header_next(m, &at, &f));       /* RFC 5322, 2.2.3 */
	ck_span(f.name, "A");
	ck_span(f.value, "one\r\n two");
	ck_assert(f.start == 0 && f.end == 14);
	header_unfold(f.value, &out);
	ck_span(text_span(&out), "one two");
	ck_assert(header_next(m, &at, &f));       /* 4.5.8 */
	ck_span(f.name, "b");
	ck_span(f.value, "x");
	ck_assert(header_next(m, &at, &f));
	ck_span(f.name, "C");
	ck_span(f.value, "");
	ck_assert(!header_next(m, &at, &f));
	ck_span(span_from(m, at), "body: no\n");
	ck_assert_uint_eq(header_body_offset(m, &end), at);
	ck_assert_uint_eq(end, at - 1);
	ck_assert(header_find(m, "c", &f) && !header_find(m, "body", &f));
}
END_TEST

UNIT_TEST(odd_headers)
{
	static const struct { const char *message; size_t body, fields; } rows[] = {
		{"", 0, 0}, {"\r\n", 2, 0}, {"\n", 1, 0}, {"A: b", 4, 1}, {"A: b\r\n", 6, 1}, {"A: b\r\n\r\n", 8, 1},
		{" x: y\nA: b\n\nc", 12, 1}, {"no field\nA: b\n\n", 15, 1}, {": x\n\n", 5, 0}, {"A\xc3\xb6: x\n\n", 8, 0},
		{"A: b\r\r\n\r\n", 9, 1}, {"From me Mon\nA: b\n\n", 18, 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span         m = span_of(rows[i].message);
		struct header_field f;
		size_t              at = 0, fields = 0;

		while (header_next(m, &at, &f))
			fields += f.name.len > 0;
		ck_assert_msg(at == rows[i].body, "row %zu: body at %zu", i, at);
		ck_assert_msg(fields == rows[i].fields, "row %zu: %zu fields", i, fields);
	}
	/* what follows a line that is no field does not continue it: each is told by itself */
	for (size_t at = 0, lines = 0; lines < 3; lines++) {
		struct header_field f;

		ck_assert(header_next(SPAN("no field\n more\nA: b\n\n"), &at, &f));
		ck_assert((f.name.len > 0) == (lines == 2));
	}
	ck_assert(header_flags(SPAN("resent-bcc")) == (HEADER_RECIPIENT | HEADER_EXTRACT | HEADER_RESENT | HEADER_DROP));
	ck_assert(header_flags(SPAN("FROM")) == HEADER_SENDER && header_flags(SPAN("content-type")) == HEADER_MIME);
	ck_assert(header_flags(SPAN("X-To")) == 0);
}
END_TEST

/* SECURITY.md 2, 12 */
UNIT_TEST(nobody_injects)
{
	static const struct span bad[] = {SPAN("a\r\nB: c"), SPAN("a\nB: c"), SPAN("a\rB"), SPAN("a\0b"), SPAN("\n"), SPAN("x\r\n")};
	static const char *const bad_names[] = {"", "A B", "A:", "A\r\nB", "\xc3\xb6", " A"};
	autotext struct text out = {0};

	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_int_eq(header_add(&out, "X", bad[i], NULL), -1);
		ck_assert_int_eq(header_add_folded(&out, "X", bad[i], NULL), -1);
		ck_assert_int_eq(header_add_raw(&out, "X", bad[i], NULL), -1);
	}
	for (size_t i = 0; i < COUNT(bad_names); i++)
		ck_assert_int_eq(header_add(&out, bad_names[i], SPAN("x"), NULL), -1);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(header_add_format(&out, "X", NULL, "%s", "a\r\nB: c"), -1);
	ck_assert_int_eq(header_add(&out, "X", SPAN("a b"), NULL), 0);
	ck_assert_int_eq(header_add_raw(&out, "Y", SPAN("a\n b\r\n\tc"), NULL), 0);
	ck_span(text_span(&out), "X: a b\r\nY: a\r\n b\r\n\tc\r\n");
}
END_TEST

UNIT_TEST(folded)
{
	autotext struct text in = {0}, out = {0};
	struct span rest, line;

	for (int i = 0; i < 40; i++)
		text_add_string(&in, "word ");
	ck_assert_int_eq(header_add_folded(&out, "Subject", text_span(&in), NULL), 0);
	rest = text_span(&out);
	while (span_split(&rest, '\n', &line))
		ck_assert_uint_le(line.len, 79);
	text_clear(&in);
	header_unfold(text_span(&out), &in);
	ck_assert_uint_eq(in.len, strlen("Subject: ") + 40 * 5 - 1);
}
END_TEST

UNIT_TEST(lists_go_round)
{
	static const char *const rows[][2] = {
		{"a@b.example", "To: a@b.example\r\n"},
		{"A B <a@b.example>, \"c, d\" <\"e f\"@g.example>", "To: A B <a@b.example>,\r\n\t\"c, d\" <\"e f\"@g.example>\r\n"},
		{"a@b.example (comment)", "To: a@b.example (comment)\r\n"},
		{"g: a@b.example, c@d.example;, e@f.example", "To: g:\r\n\ta@b.example,\r\n\tc@d.example;,\r\n\te@f.example\r\n"},
		{"g:;", "To: g:;\r\n"},
		{"=?utf-8?Q?J=C3=B6?= <a@b.example>", "To: =?utf-8?Q?J=C3=B6?= <a@b.example>\r\n"},
		{"\"a\\\"b\" <a@b.example>", "To: \"a\\\"b\" <a@b.example>\r\n"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0}, again = {0};
		struct address_list list;

		address_list_parse(a, span_of(rows[i][0]), 100, &list);
		ck_assert_int_eq(header_add_list(&out, "To", &list, NULL), 0);
		ck_span(text_span(&out), rows[i][1]);
		address_list_parse(a, span_from(text_span(&out), 3), 100, &list);
		ck_assert_int_eq(header_add_list(&again, "To", &list, NULL), 0);
		ck_span(text_span(&again), rows[i][1]);
	}
}
END_TEST

UNIT_TEST(phrases)
{
	static const char *const rows[][2] = {
		{"Mary Smith", "Mary Smith"}, {"Q. Public", "\"Q. Public\""}, {"a\"b", "\"a\\\"b\""}, {"", "\"\""},
		{"J\xc3\xb6rg", "=?utf-8?B?SsO2cmc=?="}, {"=?x?Q?y?=", "\"=?x?Q?y?=\""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};

		header_quote_phrase(span_of(rows[i][0]), &out);
		ck_span(text_span(&out), rows[i][1]);
	}
}
END_TEST

UNIT_TEST(dates)
{
	static const struct { const char *in; int64_t seconds; int zone; } rows[] = {
		/* RFC 5322, 3.3 and A.1 */
		{"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360}, {"21 Nov 1997 09:55:06 -0600", 880127706, -360},
		{"Fri, 21 Nov 1997 15:55 +0000", 880127700, 0}, {"Thu, 01 Jan 1970 00:00:00 +0000", 0, 0},
		{"Wed, 31 Dec 1969 23:59:59 +0000", -1, 0}, {"Tue, 29 Feb 2000 12:00:00 +0130", 951820200, 90},
		/* A.5, A.6.2, 4.3 */
		{"Thu,\r\n 13\r\n  Feb\r\n   1969\r\n 23:32\r\n -0330 (Newfoundland Time)", -27723480, -210},
		{"21 Nov 97 09:55:06 GMT", 880106106, 0}, {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360},
		{"21 Nov 49 00:00 EST", 2521083600, -300}, {"21 Nov 097 09:55:06 GMT", 880106106, 0},
		{"Fri, 21 Nov 1997 09:55:06", 880106106, 0}, {"Fri, 21 Nov 1997 09:55:06 XYZ", 880106106, 0},
		{"Fri, 21 Nov 1997", 880070400, 0}, {"Fri, 21-Nov-1997 09:55:06 GMT", 880106106, 0},
		{"Fri, 21 November 1997 09:55:06 GMT", 880106106, 0},
		/* asctime(3) */
		{"Fri Nov 21 09:55:06 1997", 880106106, 0}, {"Fri Nov 21 09:55:06 GMT 1997", 880106106, 0},
		{"Fri Nov 21 09:55:06 1997 -0600", 880127706, -360},
		{"Sat, 31 Dec 2016 23:59:60 +0000", 1483228800, 0},
	};
	static const char *const bad[] = {"", "x", "Fri", "31 Feb 2020 00:00 +0000", "29 Feb 1900 00:00 +0000", "1 Jan 2020 24:00 +0000",
	                                  "0 Jan 2020 00:00 +0000", "1 Foo 2020 00:00 +0000", "1 Jan 99999 00:00 +0000",
	                                  "111111111111 Jan 2020", "1 Jan"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct date d = {0};

		ck_assert_msg(date_parse(span_of(rows[i].in), &d), "%s", rows[i].in);
		ck_assert_msg(d.seconds == rows[i].seconds && d.zone == rows[i].zone, "%s: %lld %d", rows[i].in,
		              (long long)d.seconds, d.zone);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct date d = {7, 7};

		ck_assert_msg(!date_parse(span_of(bad[i]), &d) && d.seconds == 7, "%s", bad[i]);
	}
}
END_TEST

UNIT_TEST(dates_written)
{
	static const struct { struct date d; const char *mail, *imap; } rows[] = {
		{{880127706, -360}, "Fri, 21 Nov 1997 09:55:06 -0600", "21-Nov-1997 09:55:06 -0600"},
		{{0, 0}, "Thu, 1 Jan 1970 00:00:00 +0000", " 1-Jan-1970 00:00:00 +0000"},
		{{-1, 90}, "Thu, 1 Jan 1970 01:29:59 +0130", " 1-Jan-1970 01:29:59 +0130"},
		{{951782400, 0}, "Tue, 29 Feb 2000 00:00:00 +0000", "29-Feb-2000 00:00:00 +0000"},
		{{INT64_MAX, 99999}, "Thu, 30 Dec 9999 23:59:59 +0000", "30-Dec-9999 23:59:59 +0000"},
		{{INT64_MIN, 0}, "Sun, 2 Jan 0000 00:00:00 +0000", " 2-Jan-0000 00:00:00 +0000"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text mail = {0}, imap = {0};

		date_add(rows[i].d, &mail);
		date_add_imap(rows[i].d, &imap);
		ck_span(text_span(&mail), rows[i].mail);
		ck_span(text_span(&imap), rows[i].imap);
	}
}
END_TEST

UNIT_TEST(imap_dates)        /* RFC 3501, 9: date-time, date */
{
	static const char *const bad[] = {"7-Jul-1996 02:44:25 -0700", "17-Jul-1996 02:44:25 -070", "17-Jul-1996 24:44:25 -0700",
	                                  "32-Jul-1996 02:44:25 -0700", "17-Jux-1996 02:44:25 -0700", "17-Jul-1996 02:44:25  0700", ""};
	struct date d = {0};
	int64_t     day = 0;

	ck_assert(date_parse_imap(SPAN("\"17-Jul-1996 02:44:25 -0700\""), &d) && d.seconds == 837596665 && d.zone == -420);
	ck_assert(date_parse_imap(SPAN(" 7-Jul-1996 02:44:25 -0700"), &d));
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!date_parse_imap(span_of(bad[i]), &d), "%s", bad[i]);
	ck_assert(date_parse_imap_day(SPAN("1-Feb-1994"), &day) && day == 8797);
	ck_assert(date_parse_imap_day(SPAN("\"01-Feb-1994\""), &day) && day == 8797);
	ck_assert(!date_parse_imap_day(SPAN("001-Feb-1994"), &day) && !date_parse_imap_day(SPAN("1-Feb-94"), &day));
	ck_assert(!date_parse_imap_day(SPAN("30-Feb-1994"), &day) && !date_parse_imap_day(SPAN(""), &day));
	/* the day is the one that is written (6.4.4) */
	ck_assert(date_parse(SPAN("Tue, 1 Feb 1994 23:59:00 -1200"), &d) && date_day(d) == 8797);
}
END_TEST

UNIT_TEST(message_ids)
{
	autotext struct text out = {0};

	message_id_make(880127706, SPAN("4bQx1z2Yz3z9rxN"), SPAN("mail.example.org"), &out);
	ck_span(text_span(&out), "<19971121155506.4bQx1z2Yz3z9rxN@mail.example.org>");
	ck_span(message_id_find(SPAN(" (c) <a@b> x")), "<a@b>");
	ck_span(message_id_find(SPAN(" a@b ")), "a@b");
	ck_span(message_id_find(SPAN("<a@b")), "<a@b");
}
END_TEST

UNIT_TEST(skimmed)
{
	autotext struct text out = {0}, large = {0};

	ck_assert(header_skim(SPAN("Received: a\n by b\nFrom: x\nno field\n folded\nDKIM-signature: c\n\td\nX-Priority: 1\narc-seal: e\n\nReceived: body"), &out));
	ck_span(text_span(&out), "From: x\nno field\n folded\nX-Priority: 1\n\n");
	text_clear(&out);
	ck_assert(header_skim(SPAN("Subject: alone"), &out));
	ck_span(text_span(&out), "Subject: alone");
	ck_assert(header_is_skimmed_off(SPAN("RECEIVED")) && header_is_skimmed_off(SPAN("arc-Seal")));
	ck_assert(!header_is_skimmed_off(SPAN("Received-By")) && !header_is_skimmed_off(SPAN("To")) && !header_is_skimmed_off(SPAN_NONE));
	text_add_string(&large, "To: ");
	for (int i = 0; i < 20000; i++)
		text_add_byte(&large, 'x');
	ck_assert(!header_skim(text_span(&large), &out));
	text_clear(&large);
	for (int i = 0; i < HEADER_FIELD_LIMIT; i++)
		text_add_string(&large, "A:\n");
	ck_assert(!header_skim(text_span(&large), &out)); /* what comes behind would not be looked at in the header */
}
END_TEST

UNIT_MAIN("mail/header", skimmed, fields_with_folds, odd_headers, nobody_injects, folded, lists_go_round, phrases, dates,
          dates_written, imap_dates, message_ids)
