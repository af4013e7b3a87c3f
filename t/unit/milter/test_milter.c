/* SPDX-License-Identifier: ISC */
/*
 * test_milter.c - packets, settings and the content of lib/milter
 */
#include <stdlib.h>
#include <unistd.h>

#include "../unit.h"
#include "ipc/submit.h"
#include "milter/content.h"
#include "milter/packet.h"
#include "milter/settings.h"

/* ---- packets ---- */

UNIT_TEST(replies)
{
	static const struct {
		struct span packet;
		int         outcome;
		char        code;
		uint32_t    number;
		const char *first, *second;
	} cases[] = {
		{SPAN("c"), 0, 'c', 0, "", ""},
		{SPAN("cjunk"), 0, 'c', 0, "", ""},
		{SPAN("+<a@b>\0"), 0, '+', 0, "<a@b>", ""},
		{SPAN("+<a@b>"), -1, 0, 0, "", ""},                  /* no NUL */
		{SPAN("2<a@b>\0NOTIFY=NEVER\0"), 0, '2', 0, "<a@b>", "NOTIFY=NEVER"},
		{SPAN("2<a@b>\0"), 0, '2', 0, "<a@b>", ""},
		{SPAN("e<>\0"), 0, 'e', 0, "<>", ""},
		{SPAN("hName\0value\0"), 0, 'h', 0, "Name", "value"},
		{SPAN("hName\0"), -1, 0, 0, "", ""},
		{SPAN("hName\0\0"), 0, 'h', 0, "Name", ""},
		{SPAN("i\0\0\1\2Name\0value\0"), 0, 'i', 258, "Name", "value"},
		{SPAN("m\xff\xff\xff\xffName\0\0"), 0, 'm', 0xffffffff, "Name", ""},
		{SPAN("m\0\0"), -1, 0, 0, "", ""},
		{SPAN("bbytes"), 0, 'b', 0, "bytes", ""},
		{SPAN("O\0\0\0\6\0\0\1\377\0\0\0\0"), 0, 'O', 0, "", ""},
		{SPAN("O\0\0\0\6"), -1, 0, 0, "", ""},
		{SPAN("yhello\0"), 0, 'y', 0, "hello", ""},
		{SPAN("Z"), -1, 0, 0, "", ""},
		{SPAN(""), -1, 0, 0, "", ""},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct milter_reply r = {0};
		struct fault        why = {0};

		ck_assert_int_eq(milter_reply_parse(cases[i].packet, &r, &why), cases[i].outcome);
		if (cases[i].outcome == 0)
			ck_assert(r.code == cases[i].code && r.number == cases[i].number && span_is(r.first, cases[i].first) &&
			          span_is(r.second, cases[i].second));
	}
}
END_TEST

/* RFC 5321, 4.2.1: lines of a reply; RFC 2034, 4: an enhanced code of its class */
UNIT_TEST(reply_texts)
{
	static const struct {
		const char *raw;
		bool        soft;
		const char *text;        /* NULL: refused */
	} cases[] = {
		{"550 5.7.1 no", false, "550 5.7.1 no"},
		{"550 no", false, "550 no"},
		{"550", false, "550 "},
		{"450 100%% sure, 5%", false, "450 100% sure, 5%"},
		{"550-5.7.1 one\r\n550 5.7.1 two", false, "550-5.7.1 one\r\n550 5.7.1 two"},
		{"550-5.7.1 one\r\n550-5.7.1 two\r\n", false, "550-5.7.1 one\r\n550 5.7.1 two"},
		{"550 5.7.1 one\n550 5.7.1 two", false, "550-5.7.1 one\r\n550 5.7.1 two"},
		{"550-5.7.1 one\r\n551 two", false, NULL},
		{"550 one\r\nMAIL FROM:<>", false, NULL},
		{"550 5.7.1 no", true, "450 4.7.1 no"},
		{"450 4.7.1 later", true, "450 4.7.1 later"},
		{"550 a\rb\1c", false, "550 a?b?c"},
		{"250 2.0.0 fine", false, NULL},
		{"55 x", false, NULL},
		{"5500 x", false, NULL},
		{"550 4.7.1 odd", false, NULL},
		{"", false, NULL},
		{"hello", false, NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		autotext struct text out = {0};
		struct fault         why = {0};
		int                  got = milter_reply_text(span_of(cases[i].raw), cases[i].soft, &out, &why);

		ck_assert_int_eq(got, cases[i].text ? 0 : -1);
		if (cases[i].text)
			ck_assert_str_eq(text_string(&out), cases[i].text);
	}
}
END_TEST

UNIT_TEST(building)
{
	autotext struct text t = {0};

	milter_put_options(&t, 6, 0x1ff, 0x1fffff);
	milter_put_strings(&t, 'M', (struct span[]){SPAN("<a>"), SPAN("SIZE=1")}, 2);
	milter_put_connect(&t, SPAN("h"), '4', 258, SPAN("1.2.3.4"));
	milter_put_connect(&t, SPAN("h"), 'U', 0, SPAN(""));
	milter_put(&t, 'E', SPAN_NONE);
	ck_assert(span_equal(text_span(&t), SPAN("\0\0\0\15O\0\0\0\6\0\0\1\377\0\37\377\377"
	                                         "\0\0\0\14M<a>\0SIZE=1\0"
	                                         "\0\0\0\16Ch\0"
	                                         "4\1\2"
	                                         "1.2.3.4\0"
	                                         "\0\0\0\4Ch\0U"
	                                         "\0\0\0\1E")));
}
END_TEST

/* ---- settings ---- */

static struct milter_settings
defaults(void)
{
	return (struct milter_settings){.connect_timeout = 1, .command_timeout = 2, .content_timeout = 3,
	                                .default_action = FAILURE_TEMPFAIL, .protocol = "6", .daemon_name = "d", .v = "v"};
}

UNIT_TEST(lists)
{
	struct milter_settings settings = defaults();
	struct milter_specs    specs;
	struct list            l = {0};
	struct fault           why = {0};

	ck_assert(list_parse(SPAN("inet:localhost:11332, unix:/run/x { inet:[::1]:99, connect_timeout=10s, default_action = accept, "
	                          "{ command_timeout = 1m } protocol=4, content_timeout=5 }"), &l, &why) == 0);
	ck_assert_msg(milter_specs_parse(&l, &settings, &specs, &why) == 0, "%s", fault_text(&why));
	ck_assert_uint_eq(specs.count, 3);
	ck_assert_str_eq(specs.at[0].name, "inet:localhost:11332");
	ck_assert(specs.at[0].failure == FAILURE_TEMPFAIL && specs.at[0].version == 6 && specs.at[0].command_timeout == 2);
	ck_assert_str_eq(specs.at[1].name, "unix:/run/x");
	ck_assert_str_eq(specs.at[2].name, "inet:[::1]:99");
	ck_assert(specs.at[2].failure == FAILURE_ACCEPT && specs.at[2].version == 4 && specs.at[2].connect_timeout == 10000 &&
	          specs.at[2].command_timeout == 60000 && specs.at[2].content_timeout == 5000);
	milter_specs_free(&specs);
	list_free(&l);
}
END_TEST

UNIT_TEST(bad_lists)
{
	static const char *const bad[] = {"localhost:1", "inet:", "{ }", "{ inet:h:1, what=ever }", "{ inet:h:1, default_action=maybe }",
	                                  "{ inet:h:1, protocol=5 }", "{ inet:h:1, connect_timeout=x }"};
	struct milter_settings   settings = defaults();

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct milter_specs specs;
		struct list         l = {0};

		list_parse(span_of(bad[i]), &l, NULL);
		ck_assert_msg(milter_specs_parse(&l, &settings, &specs, NULL) < 0, "%s", bad[i]);
		list_free(&l);
	}
	settings.protocol = "7";
	ck_assert_int_lt(milter_specs_parse(&(struct list){.item = (char *[]){"inet:h:1"}, .count = 1}, &settings, &(struct milter_specs){0}, NULL), 0);
}
END_TEST

UNIT_TEST(macro_defaults)
{
	struct milter_settings settings = defaults();
	struct span            v;

	list_parse(SPAN("{auth_type}=none { client_port = 25 } i=x"), &settings.macro_defaults, NULL);
	ck_assert(milter_macro_default(&settings, "{auth_type}", &v) && span_is(v, "none"));
	ck_assert(milter_macro_default(&settings, "{client_port}", &v) && span_is(v, "25"));
	ck_assert(milter_macro_default(&settings, "i", &v) && span_is(v, "x"));
	ck_assert(!milter_macro_default(&settings, "j", &v));
	list_free(&settings.macro_defaults);
}
END_TEST

/* ---- content ---- */

static int
file_with(struct span bytes)
{
	char path[] = "/tmp/milterXXXXXX";
	int  fd = mkstemp(path);

	unlink(path);
	ck_assert(pwrite(fd, bytes.at, bytes.len, 0) == (ssize_t)bytes.len);
	return fd;
}

static void
expect(struct span *rest, char op, int64_t number, const char *name, const char *value)
{
	struct submit_edit e;

	ck_assert_int_eq(submit_edit_next(rest, &e, NULL), 1);
	ck_assert_msg(e.op == op && (op == 'H' || e.number == number) && span_is(e.name, name) && span_is(e.value, value),
	              "%c %lld %.*s: %.*s", e.op, (long long)e.number, SPAN_ARGS(e.name), SPAN_ARGS(e.value));
}

/* Positions count our own Received:, the n-th of a name does not (MILTER_README, as Sendmail). */
UNIT_TEST(edits)
{
	static const char bytes[] = "X-Prepended: 1\r\nReceived: from x\r\n\tby y with ESMTP id 4abc; now\r\nReceived: old\r\nSubject: s\r\nX: 1\r\nX: 2\r\n\r\nbody\r\n";
	autotext struct text  wishes = {0};
	autoclose int         fd = file_with(span_of(bytes));
	autofree char        *pieces = mem_format("0+%zu", sizeof bytes - 1);
	struct milter_content c;
	struct span           rest;

	ck_assert_int_eq(content_open(&c, fd, span_of(pieces), 1000, "4abc", 0, NULL), 0);
	ck_assert(c.count == 6 && c.fields[1].hidden && !c.fields[0].hidden && !c.fields[2].hidden && c.body.size == 6);
	content_insert(&c, 1, SPAN("A"), SPAN("a"), false, NULL);
	content_change(&c, 1, SPAN("Received"), SPAN("new"), false, NULL);
	content_change(&c, 2, SPAN("x"), SPAN("two"), false, NULL);
	content_change(&c, 1, SPAN("X"), SPAN(""), false, NULL);
	content_change(&c, 1, SPAN("X"), SPAN("\tt"), true, NULL);
	content_change(&c, 7, SPAN("Y"), SPAN("y"), false, NULL);
	content_change(&c, 1, SPAN("Z"), SPAN(""), false, NULL);
	content_insert(&c, 500, SPAN("E"), SPAN("1\r\n2\n 3"), false, NULL);
	ck_assert_int_lt(content_insert(&c, 0, SPAN("bad name"), SPAN("x"), false, NULL), 0);
	ck_assert_int_lt(content_insert(&c, 0, SPAN(""), SPAN("x"), false, NULL), 0);
	ck_assert_int_eq(content_keep(&c, NULL), 0);
	content_insert(&c, 0, SPAN("Forgotten"), SPAN("x"), false, NULL);
	content_add_body(&c, SPAN("lost"), NULL);
	content_forget(&c);
	ck_assert(c.count == 8 && span_is(c.fields[0].name, "X-Prepended") && c.body.size == 6);
	content_edits(&c, &wishes);
	rest = text_span(&wishes);
	expect(&rest, 'A', 1, "A", "a");
	expect(&rest, 'C', 2, "Received", "new");
	expect(&rest, 'C', 2, "x", "two");
	expect(&rest, 'C', 1, "X", "");
	expect(&rest, 'C', 1, "X", "\tt");
	expect(&rest, 'A', -1, "Y", "y");
	expect(&rest, 'A', -1, "E", "1\r\n\t2\r\n 3");
	ck_assert(rest.len == 0);
	content_free(&c);
}
END_TEST

UNIT_TEST(bodies)
{
	static const char bytes[] = "A: 1\r\n\r\nbody\r\n";
	autotext struct text  wishes = {0}, got = {0};
	autoclose int         fd = file_with(span_of(bytes));
	struct milter_content c;
	struct fault          why = {0};
	struct submit_edit    e;
	struct span           rest;
	int64_t               position = 0;

	ck_assert_int_eq(content_open(&c, fd, SPAN("0+14"), 500, "4abc", 20, NULL), 0);
	ck_assert(content_add_body(&c, SPAN("first new body"), NULL) == 0 && content_keep(&c, NULL) == 0);
	ck_assert(content_add_body(&c, SPAN("sec"), NULL) == 0 && content_add_body(&c, SPAN("ond"), NULL) == 0);
	ck_assert(content_body(&c, &position, 100, &got, NULL) == 0 && span_is(text_span(&got), "first new body"));
	ck_assert_int_eq(content_keep(&c, NULL), 0);
	position = 0;
	ck_assert(content_body(&c, &position, 100, &got, NULL) == 0 && span_is(text_span(&got), "second"));
	ck_assert(content_add_body(&c, SPAN("0123456789"), &why) == 0 && content_add_body(&c, SPAN("0123456789x"), &why) < 0 &&
	          why.class == FAULT_DENIED);
	content_forget(&c);
	content_edits(&c, &wishes);
	rest = text_span(&wishes);
	ck_assert(submit_edit_next(&rest, &e, NULL) == 1 && e.op == 'B' && e.number == 500 && e.length == 6);
	content_free(&c);
}
END_TEST

UNIT_MAIN("milter", replies, reply_texts, building, lists, bad_lists, macro_defaults, edits, bodies)
