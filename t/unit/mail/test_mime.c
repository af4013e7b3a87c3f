/* SPDX-License-Identifier: ISC */
/*
 * test_mime.c - parts (RFC 2046), parameters (RFC 2231), encodings (RFC 2045), words (RFC 2047)
 */
#include "mail/charset.h"
#include "mail/encoded_word.h"
#include "mail/mime.h"
#include "mail/quoted_printable.h"
#include "../unit.h"

#include <time.h>

/* The tree as text: type/subtype[size,lines](children) */
static void
show(const struct mime *m, struct text *out)
{
	unsigned depth = 0;

	for (const struct mime_part *p = m->root; p; p = mime_next(p)) {
		for (; depth > p->depth; depth--)
			text_add_byte(out, ')');
		if (p->depth > depth)
			text_add_byte(out, '(');
		else if (out->len && out->at[out->len - 1] != '(')
			text_add_byte(out, ' ');
		depth = p->depth;
		text_add_format(out, "%.*s/%.*s[%llu,%llu]", SPAN_ARGS(p->type), SPAN_ARGS(p->subtype),
		                (unsigned long long)p->body_size, (unsigned long long)p->body_lines);
	}
	for (; depth; depth--)
		text_add_byte(out, ')');
	if (m->cut)
		text_add_string(out, " cut");
}

static const char *const trees[][2] = {
	{"", "text/plain[0,0]"},
	{"A: b\r\n\r\nbody\r\n", "text/plain[6,1]"},
	{"A: b\n\nbody\n", "text/plain[6,1]"},
	{"Content-Type: text/html; charset=x\n\nbody", "text/html[4,0]"},
	{"Content-Type: nonsense\n\nx", "text/plain[1,0]"},
	{"Content-Type: text/(c)html (d)\n\nx", "text/html[1,0]"},
	/* RFC 2046, 5.1.1 */
	{"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\n"
	 "two\r\n\r\n--b--\r\nepilogue\r\n--b\r\n",
	 "multipart/mixed[83,12](text/plain[3,0] text/html[5,1])"},
	{"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n", "multipart/mixed[19,4](text/plain[3,0])"},
	{"Content-Type: multipart/mixed; boundary=b\n\n--b  \n\none\n--bb\n--b-- \n", "multipart/mixed[28,5](text/plain[9,1])"},
	{"Content-Type: multipart/mixed; boundary=b\n\nno parts\n", "multipart/mixed[10,1]"},
	{"Content-Type: multipart/mixed\n\n--b\n\nx\n", "multipart/mixed[10,3]"},
	/* a part that does not end, an inner one ended by the outer boundary */
	{"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=oi\n\n--oi\n\none\n--o\n\ntwo",
	 "multipart/mixed[80,8](multipart/alternative[11,2](text/plain[3,0]) text/plain[3,0])"},
	/* a header that a boundary ends */
	{"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n\nx\n--b--\n",
	 "multipart/mixed[47,6](text/html[0,0] text/plain[1,0])"},
	/* boundaries in a row share a line end, and nothing ends behind what it is in */
	{"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n--o\n--o--\n",
	 "multipart/mixed[67,6](multipart/mixed[5,1](text/plain[0,0]) text/plain[0,0])"},
	/* 5.2.1 */
	{"Content-Type: message/rfc822\n\nSubject: x\nContent-Type: text/html\n\nhi\n", "message/rfc822[43,4](text/html[4,1])"},
	{"Content-Type: message/rfc822\n\n", "message/rfc822[0,0](text/plain[0,0])"},
	{"Content-Type: message/rfc822\n", "message/rfc822[0,0]"},
	/* 5.1.5 */
	{"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhi\n--b--\n",
	 "multipart/digest[32,6](message/rfc822[16,2](text/plain[2,0]))"},
};

UNIT_TEST(trees_of_rfc2046)
{
	for (size_t i = 0; i < COUNT(trees); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0};

		struct mime *m = mime_parse(a, span_of(trees[i][0]));

		show(m, &out);
		for (struct mime_part *p = m->root; p; p = mime_next(p)) {
			ck_assert(p->start <= p->body && p->body <= p->end);
			ck_assert(!p->parent || p->end <= p->parent->end);
		}
		ck_assert_msg(span_is(text_span(&out), trees[i][1]), "row %zu: \"%s\" not \"%s\"", i, text_string(&out), trees[i][1]);
	}
}
END_TEST

UNIT_TEST(fields_of_a_part)
{
	autoarena struct arena *a = arena_new();
	struct mime *m = mime_parse(a, SPAN("Content-Type: image/png; name=\"x y.png\"\r\nContent-Transfer-Encoding: BASE64 (c)\r\n"
	                                    "Content-Disposition: attachment; filename*=utf-8''%e2%82%ac.png\r\n"
	                                    "Content-ID: <i@d>\r\nContent-Description: a\r\n b\r\nContent-MD5: Q==\r\n"
	                                    "Content-Language: en, fr\r\nContent-Location: http://x/\r\n\r\naGVs\r\nbG8=\r\n"));
	struct mime_part    *p = m->root;
	autotext struct text body = {0};

	ck_span(p->type, "image");
	ck_span(mime_param_text(a, &p->params, "NAME"), "x y.png");
	ck_span(p->encoding, "BASE64");
	ck_span(p->disposition, "attachment");
	ck_span(mime_param_text(a, &p->disposition_params, "filename"), "\xe2\x82\xac.png");
	ck_span(p->id, "<i@d>");
	ck_span(p->description, "a b");
	ck_span(p->md5, "Q==");
	ck_span(p->languages, "en, fr");
	ck_span(p->location, "http://x/");
	mime_decode_body(m, p, &body);
	ck_span(text_span(&body), "hello");
	ck_span(mime_body(m, p), "aGVs\r\nbG8=\r\n");
	ck_assert_uint_eq(mime_header(m, p).len, p->body);
}
END_TEST

UNIT_TEST(parameters)
{
	static const struct { const char *value, *name, *text; } rows[] = {
		{"a/b; x=y", "x", "y"}, {"a/b; x=\"y z\"", "x", "y z"}, {"a/b; x=\"y\\\"z\"", "x", "y\"z"}, {"a/b;x=y;x=z", "x", "y"},
		{"a/b; ; = ; x ; x = y (c) ; z", "x", "y"}, {"a/b; x=\"open", "x", "open"}, {"a/b; y=\"x=1\"; x=2", "x", "2"},
		{"a/b x=1", "x", ""}, {"a/b; (c) x(d)=(e)y", "x", "y"}, {"a/b; x=a/b", "x", "a/b"},
		/* RFC 2231, 3 and 4 */
		{"a/b; x*0=\"ftp://\";\n x*1=\"cs.utk.edu\"", "x", "ftp://cs.utk.edu"},
		{"a/b; x*1=b; x*0=a; x*3=d", "x", "ab"}, {"a/b; x*1=b", "x", ""},
		{"a/b; x*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "x", "This is ***fun***"},
		{"a/b; x*0*=us-ascii'en'This%20is%20even%20more%20;\n x*1*=%2A%2A%2Afun%2A%2A%2A%20;\n x*2=\"isn't it!\"", "x",
		 "This is even more ***fun*** isn't it!"},
		{"a/b; x*=iso-8859-1''%E4", "x", "\xc3\xa4"}, {"a/b; x*=%41", "x", "A"}, {"a/b; x=plain; x*=utf-8''coded", "x", "coded"},
		{"a/b; x*=utf-8''%zz%4", "x", "%zz%4"}, {"a/b; x*=utf-8''%ff", "x", "\xef\xbf\xbd"},
		{"a/b; x=\"=?utf-8?Q?=C3=A4?=\"", "x", "\xc3\xa4"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		struct mime_params params;
		struct span        type, subtype;

		mime_parse_content_type(a, span_of(rows[i].value), &type, &subtype, &params);
		ck_assert_msg(span_is(mime_param_text(a, &params, rows[i].name), rows[i].text), "%s: %.*s", rows[i].value,
		              SPAN_ARGS(mime_param_text(a, &params, rows[i].name)));
	}
}
END_TEST

static double
seconds_of(struct span message, struct text *tree)
{
	autoarena struct arena *a = arena_new();
	struct timespec start, end;
	struct mime    *m;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	m = mime_parse(a, message);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	show(m, tree);
	ck_assert_uint_le(m->count, MIME_PART_LIMIT);
	return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

/* SECURITY.md 2, 17: bombs of every kind stay small and quick */
UNIT_TEST(bombs)
{
	static const char *const repeated[] = {
		"Content-Type: message/rfc822\n\n", "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "--b\n\n", "--b\nA: b\n",
		"Content-Type: text/plain; x*0*=a; x*1*=b; x*2*=c;\n y*0=\n",  "A:\n", " ;a=b\n", "Content-Type: x/y;", "(", "--",
	};

	for (size_t i = 0; i < COUNT(repeated); i++) {
		autotext struct text in = {0}, tree = {0};

		text_add_string(&in, "Content-Type: multipart/mixed; boundary=b\n\n--b\n");
		while (in.len < 4000000)
			text_add_string(&in, repeated[i]);
		ck_assert_msg(seconds_of(text_span(&in), &tree) < 5, "%s", repeated[i]);
	}
}
END_TEST

UNIT_TEST(depth_is_bounded)
{
	autotext struct text in = {0};
	autoarena struct arena *a = arena_new();
	struct mime *m;
	unsigned     deepest = 0;

	for (int i = 0; i < 1000; i++)
		text_add_format(&in, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	m = mime_parse(a, text_span(&in));
	for (struct mime_part *p = m->root; p; p = mime_next(p))
		deepest = p->depth > deepest ? p->depth : deepest;
	ck_assert_uint_eq(deepest, MIME_DEPTH_LIMIT);
	ck_assert(m->cut);
}
END_TEST

UNIT_TEST(encoded_words)     /* RFC 2047, 8 */
{
	static const char *const rows[][2] = {
		{"=?ISO-8859-1?Q?a?=", "a"}, {"=?ISO-8859-1?Q?a?= b", "a b"}, {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"}, {"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a_b?=", "a b"}, {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
		{"=?iso-8859-1?q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen"},
		{"=?utf-8?B?w7Y=?=", "\xc3\xb6"}, {"=?utf-8*de?B?w7Y=?=", "\xc3\xb6"},
		{"=?utf-8?Q?=C3?= =?utf-8?Q?=B6?=", "\xc3\xb6"}, {"=?utf-8?Q?=C3?=", "\xef\xbf\xbd"},
		{"=?iso-8859-15?Q?=A4?=", "\xe2\x82\xac"}, {"=?koi8-r?Q?=C1?=", "\xd0\xb0"}, {"=?windows-1252?Q?=80?=", "\xe2\x82\xac"},
		{"=?x-unknown?Q?a=FF?=", "a\xef\xbf\xbd"}, {"=?../../etc?Q?a?=", "=?../../etc?Q?a?="},
		{"=?utf-8?X?a?=", "=?utf-8?X?a?="}, {"=?utf-8?Q?a", "=?utf-8?Q?a"}, {"=??Q?a?=", "=??Q?a?="}, {"=?", "=?"},
		{"=?utf-8?Q?=C3?==?utf-8?Q?=B6?=", "\xc3\xb6"}, {"a=?utf-8?Q?b?=c", "abc"}, {"\xc3\xb6\xff", "\xc3\xb6\xef\xbf\xbd"}, {"", ""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};

		encoded_word_decode(span_of(rows[i][0]), &out);
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "%s: %s", rows[i][0], text_string(&out));
	}
}
END_TEST

UNIT_TEST(words_go_round)
{
	autotext struct text in = {0}, coded = {0}, back = {0};
	struct span rest, word;

	for (int i = 0; i < 100; i++)
		text_add_string(&in, "\xe2\x82\xac x");
	encoded_word_encode(text_span(&in), &coded);
	rest = text_span(&coded);
	while (span_next(&rest, " ", &word))
		ck_assert_uint_le(word.len, 75);
	encoded_word_decode(text_span(&coded), &back);
	ck_assert(span_equal(text_span(&in), text_span(&back)));
}
END_TEST

UNIT_TEST(quoted_printable)  /* RFC 2045, 6.7 */
{
	static const char *const rows[][2] = {
		{"a=3Db", "a=b"}, {"a=3db", "a=b"}, {"a=\r\nb", "ab"}, {"a=\nb", "ab"}, {"a= \t\r\nb", "ab"}, {"a  \r\nb", "a\r\nb"},
		{"a=20\r\n", "a \r\n"}, {"a=", "a"}, {"a=x", "a=x"}, {"a=3", "a=3"}, {"a \t", "a"}, {"=C3=B6", "\xc3\xb6"}, {"a=20  ", "a "},
	};
	static const struct span plain[] = {SPAN("a=b\r\n"), SPAN("trailing \r\nx\t"), SPAN("\xc3\xb6\0\x7f\r"), SPAN("a\nb"),
		SPAN("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 ")};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};

		quoted_printable_decode(span_of(rows[i][0]), &out);
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "%s: %s", rows[i][0], text_string(&out));
	}
	for (size_t i = 0; i < COUNT(plain); i++) {
		autotext struct text coded = {0}, back = {0};
		struct span rest, line;

		quoted_printable_encode(plain[i], &coded);
		for (rest = text_span(&coded); span_split(&rest, '\n', &line);)
			ck_assert_uint_le(line.len, 77);
		quoted_printable_decode(text_span(&coded), &back);
		if (i == 3)
			ck_span(text_span(&back), "a\r\nb");
		else
			ck_assert(span_equal(text_span(&back), plain[i]));
	}
}
END_TEST

UNIT_TEST(utf8)              /* RFC 3629, 4 */
{
	static const char *const good[] = {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82"};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(utf8_valid(span_of(good[i])), "good %zu", i);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!utf8_valid(span_of(bad[i])), "bad %zu", i);
}
END_TEST

UNIT_MAIN("mail/mime", trees_of_rfc2046, fields_of_a_part, parameters, bombs, depth_is_bounded, encoded_words,
          words_go_round, quoted_printable, utf8)
