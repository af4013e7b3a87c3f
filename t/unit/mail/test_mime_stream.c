/* SPDX-License-Identifier: ISC */
/*
 * test_mime_stream.c - 8-bit parts to quoted-printable (RFC 6152, 3; RFC 2045, 6), fields and lines shown to a rule
 */
#include "../unit.h"
#include "mail/mime_stream.h"

static void
walk(struct mime_stream *s, const char *in, struct text *out)
{
	mime_stream_feed(s, span_of(in), out);
	mime_stream_end(s, out);
	mime_stream_free(s);
}

static const struct {
	const char *what, *in, *out;
} rows[] = {
	{"one part", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f=e \r\n.\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9F=3De=20\r\n.\r\n"},
	{"7 bits: untouched", "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain = plain\r\n",
	 "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain = plain\r\n"},
	{"labelled 8bit without need (RFC 2045, 6.2)", "Content-Transfer-Encoding: 8BIT\r\nSubject: s\r\n\r\nplain\r\n",
	 "Subject: s\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain\r\n"},
	{"no MIME at all (RFC 1428, 3)", "Subject: s\r\n\r\n\xe4\r\n",
	 "Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n"},
	{"base64 that is broken stays", "Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n", "Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n"},
	{"leaves of a multipart; the container is relabelled (RFC 2045, 6.4)",
	 "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"x y\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\npre\r\n--x y\r\n\r\nplain\r\n"
	 "--x y  \r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n--x y--\r\nafter\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"x y\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\npre\r\n--x y\r\n\r\nplain\r\n"
	 "--x y  \r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--x y--\r\nafter\r\n"},
	{"a message inside (RFC 2046, 5.2.1)",
	 "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
	 "Content-Transfer-Encoding: 8bit\r\n\r\n\xff\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
	 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FF\r\n"},
	{"an inner boundary left open is closed by the outer one",
	 "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa4\r\n--a\r\n\r\nx\r\n--a--\r\n",
	 "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--a\r\n\r\nx\r\n--a--\r\n"},
	{"no empty line behind the header", "Content-Type: text/plain\r\n\xc3\xa4\xc3\xa4\r\n",
	 "Content-Type: text/plain\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4=C3=A4\r\n"},
	{"a type that is none", "MIME-Version: 1.0\r\nContent-Type: \"\r\n\r\n\xe4\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: \"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n"},
	{"an empty type", "MIME-Version: 1.0\r\nContent-Type:\r\n\r\n\xe4\r\n",
	 "MIME-Version: 1.0\r\nContent-Type:\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n"},
	{"no line end at the end", "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\xe4", "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4"},
};

UNIT_TEST(conversion)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mime_stream_settings set = {0};
		struct mime_survey          v = {0};
		autotext struct text        out = {0};

		walk(mime_stream_survey(&set, &v), rows[i].in, NULL);
		set.convert = &v;
		walk(mime_stream_start(&set), rows[i].in, &out);
		ck_assert_msg(span_is(text_span(&out), rows[i].out), "%s: %s", rows[i].what, text_string(&out));
		mime_survey_free(&v);
	}
}
END_TEST

UNIT_TEST(lines_of_quoted_printable_are_76_at_most)
{
	struct mime_stream_settings set = {0};
	struct mime_survey          v = {0};
	autotext struct text        in = {0}, out = {0};
	struct span                 rest, line;
	size_t                      soft = 0;

	text_add_string(&in, "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n");
	for (size_t i = 0; i < 5000; i++)
		text_add_string(&in, i % 3 ? "\xc3" : " ");
	text_add_string(&in, "\r\n");
	walk(mime_stream_survey(&set, &v), text_string(&in), NULL);
	set.convert = &v;
	walk(mime_stream_start(&set), text_string(&in), &out);
	rest = text_span(&out);
	while (rest.len) {
		span_split(&rest, '\n', &line);
		ck_assert(line.len <= 77);
		soft += span_ends(line, "=\r");
	}
	ck_assert(soft > 100 && v.longest == 5000 && !v.bare && !v.open_end);
	mime_survey_free(&v);
}
END_TEST

static void
show(void *context, enum mime_place place, struct span field, struct text *out)
{
	text_add_format(context, "%d:%.*s;", place, SPAN_ARGS(field));
	if (!span_starts(field, "X-Gone"))
		text_add_format(out, "%.*s\r\n", SPAN_ARGS(field));
}

static bool
see(void *context, bool first, struct span line, struct text *out)
{
	text_add_format(context, "%s%.*s;", first ? "B:" : "b:", SPAN_ARGS(line));
	if (!span_is(line, "old"))
		return true;
	text_add_string(out, "new\r\n");
	return false;
}

UNIT_TEST(rules_see_fields_and_lines)
{
	autotext struct text        seen = {0}, out = {0};
	struct mime_stream_settings set = {.context = &seen, .field = show, .line = see};

	walk(mime_stream_start(&set),
	     "Subject: a\r\n b\r\nX-Gone: 1\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nX-Part: 1\r\n\r\nold\r\nline\r\n"
	     "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n--x--\r\n", &out);
	ck_assert_str_eq(text_string(&seen), "0:Subject: a\r\n b;0:X-Gone: 1;1:Content-Type: multipart/mixed; boundary=x;1:X-Part: 1;B:old;b:line;"
	                                     "1:Content-Type: message/rfc822;2:Subject: in;B:body;");
	ck_assert_str_eq(text_string(&out),
	                 "Subject: a\r\n b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nX-Part: 1\r\n\r\nnew\r\nline\r\n"
	                 "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n--x--\r\n");
}
END_TEST

UNIT_MAIN("mail/mime_stream", conversion, lines_of_quoted_printable_are_76_at_most, rules_see_fields_and_lines)
