/* SPDX-License-Identifier: ISC */
/*
 * test_line.c - line ends, at every cut (RFC 5321, 2.3.8, 4.1.1.4, 4.5.2; CVE-2023-51764)
 */
#include "mail/line.h"
#include "../unit.h"

/* input, what comes out, how many bytes are used (all: -1), bare LFs, bare CRs */
static const struct { struct span in, out; long used; unsigned lf, cr; } decoded[] = {
	{SPAN("a\r\n.\r\n"), SPAN("a\r\n"), -1, 0, 0},
	{SPAN(".\r\n"), SPAN(""), -1, 0, 0},
	{SPAN("a\r\n.\r\nQUIT\r\n"), SPAN("a\r\n"), 6, 0, 0},
	/* 4.5.2: dots */
	{SPAN("..a\r\n...\r\n.b\r\n.\r\n"), SPAN(".a\r\n..\r\nb\r\n"), -1, 0, 0},
	{SPAN("a.\r\n.\r\n"), SPAN("a.\r\n"), -1, 0, 0},
	{SPAN("\r\n\r\n.\r\n"), SPAN("\r\n\r\n"), -1, 0, 0},
	/* nothing but CRLF.CRLF ends it */
	{SPAN("a\n.\nQUIT\r\n.\r\n"), SPAN("a\r\n\r\nQUIT\r\n"), -1, 2, 0},
	{SPAN("a\n.\r\nQUIT\r\n.\r\n"), SPAN("a\r\n\r\nQUIT\r\n"), -1, 1, 0},
	{SPAN("a\r\n.\nQUIT\r\n.\r\n"), SPAN("a\r\n\r\nQUIT\r\n"), -1, 1, 0},
	{SPAN("a\r.\r\nQUIT\r\n.\r\n"), SPAN("a .\r\nQUIT\r\n"), -1, 0, 1},
	{SPAN("a\r\n.\rQUIT\r\n.\r\n"), SPAN("a\r\n QUIT\r\n"), -1, 0, 1},
	{SPAN("a\r.\rQUIT\r\n.\r\n"), SPAN("a . QUIT\r\n"), -1, 0, 2},
	{SPAN("a\n.\rQUIT\r\n.\r\n"), SPAN("a\r\n QUIT\r\n"), -1, 1, 1},
	{SPAN("a\r.\nQUIT\r\n.\r\n"), SPAN("a .\r\nQUIT\r\n"), -1, 1, 1},
	{SPAN("a\r\n.\r\r\nQUIT\r\n.\r\n"), SPAN("a\r\n\r\nQUIT\r\n"), -1, 0, 1},
	{SPAN("a\r\n.\0\r\nQUIT\r\n.\r\n"), SPAN("a\r\n\0\r\nQUIT\r\n"), -1, 0, 0},
	{SPAN("a\r\r\n.\r\n"), SPAN("a\r\n"), -1, 0, 1},
	{SPAN("a\rb\nc\r\n.\r\n"), SPAN("a b\r\nc\r\n"), -1, 1, 1},
	/* not over yet */
	{SPAN("a\r\n."), SPAN("a\r\n"), -1, 0, 0},
	{SPAN("a\r\n.\r"), SPAN("a\r\n"), -1, 0, 0},
	{SPAN("\r\r\r"), SPAN(""), -1, 0, 0},
};

UNIT_TEST(data_at_every_cut)
{
	for (size_t i = 0; i < COUNT(decoded); i++) {
		struct span in = decoded[i].in;
		size_t      want = decoded[i].used < 0 ? in.len : (size_t)decoded[i].used;

		for (size_t cut = 0; cut <= in.len; cut++) {
			for (size_t second = cut; second <= in.len; second++) {
				struct line_decoder  d;
				autotext struct text out = {0};
				size_t               used;

				line_decoder_start(&d, BARE_NEWLINE_NORMALIZE);
				used = line_decode(&d, span_first(in, cut), &out);
				if (!d.over)
					used += line_decode(&d, span_cut(in, cut, second), &out);
				if (!d.over)
					used += line_decode(&d, span_from(in, second), &out);
				ck_assert_msg(used == want, "row %zu cut %zu %zu: used %zu", i, cut, second, used);
				ck_assert_msg(span_equal(text_span(&out), decoded[i].out), "row %zu cut %zu %zu: %s", i, cut, second, text_string(&out));
				ck_assert_uint_eq(d.bytes, out.len);
				ck_assert_uint_eq(d.bare_lf, decoded[i].lf);
				ck_assert_uint_eq(d.bare_cr, decoded[i].cr);
				ck_assert(!d.refuse);
			}
		}
	}
}
END_TEST

UNIT_TEST(modes_and_counts)
{
	struct line_decoder  d;
	autotext struct text out = {0};

	line_decoder_start(&d, BARE_NEWLINE_REJECT);
	line_decode(&d, SPAN("a\r\nlonger\xff\r\n"), &out);
	ck_assert(!d.refuse && d.lines == 2 && d.longest == 7 && d.eight_bit);
	line_decode(&d, SPAN("b\n"), &out);
	ck_assert(d.refuse && !d.over);
	line_decoder_start(&d, BARE_NEWLINE_NOTE);
	d.keep_cr = true;
	text_clear(&out);
	line_decode(&d, SPAN("a\rb\n"), &out);
	ck_span(text_span(&out), "a\rb\r\n");
	ck_assert(!d.refuse && d.bare_lf == 1 && !d.eight_bit);
}
END_TEST

static const struct { struct span in; bool dots; size_t limit; struct span out; bool broke; } encoded[] = {
	{SPAN("a\r\n"), true, 0, SPAN("a\r\n.\r\n"), false},
	{SPAN("a\n.\n..b\n"), true, 0, SPAN("a\r\n..\r\n...b\r\n.\r\n"), false},
	{SPAN("a"), true, 0, SPAN("a\r\n.\r\n"), false},
	{SPAN(""), true, 0, SPAN(".\r\n"), false},
	{SPAN("."), true, 0, SPAN("..\r\n.\r\n"), false},
	{SPAN("\n.\n"), true, 0, SPAN("\r\n..\r\n.\r\n"), false},
	/* no bare CR or LF goes out */
	{SPAN("a\r.\rb\n"), true, 0, SPAN("a . b\r\n.\r\n"), false},
	{SPAN("a\r\r\nb\r"), true, 0, SPAN("a \r\nb \r\n.\r\n"), false},
	{SPAN("\r.\r\n"), true, 0, SPAN(" .\r\n.\r\n"), false},
	{SPAN("a\n.\n\n.b\r\n.c\nd\r.\n.\n.e"), true, 0, SPAN("a\r\n..\r\n\r\n..b\r\n..c\r\nd .\r\n..\r\n..e\r\n.\r\n"), false},
	/* smtp_line_length_limit */
	{SPAN("abcdefghij\n"), true, 4, SPAN("abcd\r\n efg\r\n hij\r\n.\r\n"), true},
	{SPAN("abcd\nabcd"), true, 4, SPAN("abcd\r\nabcd\r\n.\r\n"), false},
	{SPAN("abc.defg\n"), true, 3, SPAN("abc\r\n .d\r\n ef\r\n g\r\n.\r\n"), true},
	/* without dots: BDAT and IMAP */
	{SPAN(".a\nb"), false, 998, SPAN(".a\r\nb\r\n"), false},
	{SPAN(".a\nb"), false, 0, SPAN(".a\r\nb"), false},
};

UNIT_TEST(wire_at_every_cut)
{
	for (size_t i = 0; i < COUNT(encoded); i++) {
		for (size_t cut = 0; cut <= encoded[i].in.len; cut++) {
			struct line_encoder  e;
			autotext struct text out = {0};

			line_encoder_start(&e, encoded[i].dots, encoded[i].limit);
			line_encode(&e, span_first(encoded[i].in, cut), &out);
			line_encode(&e, span_from(encoded[i].in, cut), &out);
			line_encode_end(&e, &out);
			ck_assert_msg(span_equal(text_span(&out), encoded[i].out), "row %zu cut %zu: %s", i, cut, text_string(&out));
			ck_assert(e.broke == encoded[i].broke && e.bytes == out.len);
		}
	}
}
END_TEST

UNIT_TEST(unix_at_every_cut)
{
	static const struct { struct span in; bool from, newline; struct span out; } rows[] = {
		{SPAN("a\r\nb\r\n"), false, false, SPAN("a\nb\n")},
		{SPAN("a\nb"), false, true, SPAN("a\nb\n")},
		{SPAN("a\nb"), false, false, SPAN("a\nb")},
		{SPAN("a\rb\r\r\n\r"), false, false, SPAN("a\rb\r\n\r")},
		{SPAN("From a\r\n>From b\nFromage\nFrom\nx From c\nFrom "), true, true,
		 SPAN(">From a\n>From b\nFromage\nFrom\nx From c\n>From \n")},
		{SPAN("From a\n"), false, false, SPAN("From a\n")},
		{SPAN("\r\nFro\r\nF\rrom \n"), true, false, SPAN("\nFro\nF\rrom \n")},
		{SPAN(""), true, true, SPAN("")},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].in.len; cut++) {
			struct line_unix     u;
			autotext struct text out = {0};

			line_unix_start(&u, rows[i].from);
			line_unix_feed(&u, span_first(rows[i].in, cut), &out);
			line_unix_feed(&u, span_from(rows[i].in, cut), &out);
			line_unix_end(&u, rows[i].newline, &out);
			ck_assert_msg(span_equal(text_span(&out), rows[i].out), "row %zu cut %zu: %s", i, cut, text_string(&out));
			ck_assert_uint_eq(u.bytes, out.len);
		}
	}
}
END_TEST

/* A flood of CR is content like any other: it shows up in the output, where limits are, bit by bit. */
UNIT_TEST(returns_without_end)
{
	static char          flood[10000];
	struct line_decoder  d;
	autotext struct text out = {0};

	memset(flood, '\r', sizeof flood);
	line_decoder_start(&d, BARE_NEWLINE_NORMALIZE);
	for (size_t i = 1; i <= 100; i++) {
		ck_assert_uint_eq(line_decode(&d, span_at(flood, sizeof flood), &out), sizeof flood);
		ck_assert_uint_le(i * sizeof flood - out.len, 1000);
	}
	line_decode(&d, SPAN("x\n.\r\n"), &out);
	ck_assert(!d.over);
	line_decode(&d, SPAN("\r\n.\r\n"), &out);
	ck_assert(d.over);
}
END_TEST

UNIT_TEST(sizes_and_lines)
{
	struct span          rest = SPAN("a\r\nb\nc"), line;
	autotext struct text told = {0};

	ck_assert_uint_eq(line_crlf_size(rest), 7);
	ck_assert_uint_eq(line_crlf_size(SPAN("\n\n")), 4);
	ck_assert_uint_eq(line_crlf_size(SPAN("")), 0);
	line_add_crlf(SPAN("\na\r\n\rb\n"), &told);
	ck_assert_str_eq(text_string(&told), "\r\na\r\n\rb\r\n");
	ck_assert(line_next(&rest, &line));
	ck_span(line, "a");
	ck_assert(line_next(&rest, &line));
	ck_span(line, "b");
	ck_assert(line_next(&rest, &line));
	ck_span(line, "c");
	ck_assert(!line_next(&rest, &line));
}
END_TEST

UNIT_MAIN("mail/line", data_at_every_cut, modes_and_counts, wire_at_every_cut, unix_at_every_cut, returns_without_end,
          sizes_and_lines)
