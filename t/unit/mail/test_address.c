/* SPDX-License-Identifier: ISC */
/*
 * test_address.c - paths (RFC 5321, 4.1.2), lists (RFC 5322, 3.4 and 4.4), forms and extensions
 */
#include "mail/address.h"
#include "../unit.h"

#include <stdio.h>

static const struct { int id; struct span address; const char *category; bool strict, loose; } isemail[] = {
#include "isemail/rows.inc"
};

UNIT_TEST(isemail_suite)
{
	for (size_t i = 0; i < COUNT(isemail); i++) {
		autoarena struct arena *a = arena_new();
		struct span strict = SPAN_NONE, loose = SPAN_NONE;
		bool        is_strict = address_parse(a, isemail[i].address, ADDRESS_STRICT, &strict, NULL) == 0;
		bool        is_loose = address_parse(a, isemail[i].address, 0, &loose, NULL) == 0;

		ck_assert_msg(is_strict == isemail[i].strict, "%d strict: %d", isemail[i].id, is_strict);
		ck_assert_msg(is_loose == isemail[i].loose, "%d loose: %d", isemail[i].id, is_loose);
		if (is_strict)
			ck_assert(span_equal(strict, loose));
	}
}
END_TEST

static const struct { const char *in; unsigned flags; const char *address, *rest; } paths[] = {
	/* RFC 5321, 4.1.2 */
	{"<a@example.org>", ADDRESS_STRICT, "a@example.org", ""},
	{"<>", ADDRESS_STRICT, "", ""},
	{"<> SIZE=1", ADDRESS_STRICT, "", "SIZE=1"},
	{"<Postmaster>", ADDRESS_STRICT, "Postmaster", ""},
	{"<\"a b\"@example.org> X", ADDRESS_STRICT, "a b@example.org", "X"},
	{"<\"a>b\"@example.org>", ADDRESS_STRICT, "a>b@example.org", ""},
	{"<\"a\\\"b\"@example.org>", ADDRESS_STRICT, "a\"b@example.org", ""},
	{"<a@[192.0.2.1]>", ADDRESS_STRICT, "a@[192.0.2.1]", ""},
	{"<a@[IPv6:2001:db8::1]>", ADDRESS_STRICT, "a@[IPv6:2001:db8::1]", ""},
	{"<a@[2001:db8::1]>", 0, NULL, NULL},
	{"<a@[300.0.2.1]>", 0, NULL, NULL},
	/* source routes, RFC 5321, C */
	{"<@one.example,@two.example:a@example.org>", ADDRESS_STRICT, "a@example.org", ""},
	{"<@one.example:>", ADDRESS_STRICT, NULL, NULL},
	{"<@one.example>", 0, NULL, NULL},
	{"<@one.example,:a@example.org>", ADDRESS_STRICT, NULL, NULL},
	/* strict_rfc821_envelopes */
	{"a@example.org", ADDRESS_STRICT, NULL, NULL},
	{" <a@example.org>", ADDRESS_STRICT, NULL, NULL},
	{"<a@example.org (c)>", ADDRESS_STRICT, NULL, NULL},
	{"<a..b@example.org>", ADDRESS_STRICT, NULL, NULL},
	{"<a@example.org.>", ADDRESS_STRICT, "a@example.org", ""},
	{"a@example.org SIZE=3", 0, "a@example.org", "SIZE=3"},
	{"  <a@example.org>  X=1 Y=2 ", 0, "a@example.org", "X=1 Y=2"},
	{"<a@example.org (c)>", 0, "a@example.org", ""},
	{"<a..b@example.org>", 0, "a..b@example.org", ""},
	{"<a@example.org.>", 0, "a@example.org", ""},
	{"<a@example.org..>", 0, NULL, NULL},
	/* broken ones */
	{"", 0, NULL, NULL},
	{"<a@example.org", 0, NULL, NULL},
	{"<a@example.org>X", 0, NULL, NULL},
	{"<a@example.org>>", 0, NULL, NULL},
	{"<\"a@example.org>", 0, NULL, NULL},
	{"<a@b@example.org>", 0, NULL, NULL},
	{"<\"a@b\">", 0, NULL, NULL},
	{"<\"\"@example.org>", 0, NULL, NULL},
	{"<a@-x.example>", 0, NULL, NULL},
	{"<a@10.0.0.1>", 0, NULL, NULL},
	{"<a,b@example.org>", 0, NULL, NULL},
	{"<a@x.example, b@y.example>", 0, NULL, NULL},
	{"<g:a@x.example;>", 0, NULL, NULL},
	{"<a\rb@example.org>", 0, NULL, NULL},
	{"<\"a\nb\"@example.org>", 0, NULL, NULL},
	/* RFC 6531, 3.3 */
	{"<j\xc3\xb6rg@example.org>", 0, NULL, NULL},
	{"<j\xc3\xb6rg@b\xc3\xbc""cher.example>", ADDRESS_UTF8, "j\xc3\xb6rg@b\xc3\xbc""cher.example", ""},
	{"<j\xf6rg@example.org>", ADDRESS_UTF8, NULL, NULL},
	{"<a@b\xfc""cher.example>", ADDRESS_UTF8, NULL, NULL},
};

UNIT_TEST(paths_of_rfc5321)
{
	for (size_t i = 0; i < COUNT(paths); i++) {
		autoarena struct arena *a = arena_new();
		struct span address = SPAN("untouched"), rest = SPAN("untouched");
		int         got = address_parse_path(a, span_of(paths[i].in), paths[i].flags, &address, &rest, NULL);

		ck_assert_msg(got == (paths[i].address ? 0 : -1), "%s: %d %.*s", paths[i].in, got, SPAN_ARGS(address));
		ck_span(address, paths[i].address ? paths[i].address : "untouched");
		ck_span(rest, paths[i].rest ? paths[i].rest : "untouched");
	}
}
END_TEST

UNIT_TEST(path_is_bounded)
{
	autoarena struct arena *a = arena_new();
	struct text in = {0};
	struct span address, rest;

	text_add_byte(&in, '<');
	while (in.len < ADDRESS_PATH_LIMIT - 10)
		text_add_byte(&in, 'a');
	text_add_string(&in, "@example.org>");
	ck_assert_int_eq(address_parse_path(a, text_span(&in), 0, &address, &rest, NULL), -1);
	text_drop(&in, 1);
	in.at[0] = '<';
	ck_assert_int_eq(address_parse_path(a, text_span(&in), 0, &address, &rest, NULL), 0);
	ck_assert_uint_eq(address.len, ADDRESS_PATH_LIMIT);
	text_free(&in);
}
END_TEST

UNIT_TEST(forms_go_round)
{
	static const char *const rows[][2] = {       /* internal, external: RFC 5321, 4.1.2 */
		{"a@example.org", "a@example.org"}, {"a b@example.org", "\"a b\"@example.org"},
		{"a\"b@example.org", "\"a\\\"b\"@example.org"}, {"a\\b@example.org", "\"a\\\\b\"@example.org"},
		{".a@example.org", "\".a\"@example.org"}, {"a..b@example.org", "\"a..b\"@example.org"},
		{"a@b@example.org", "\"a@b\"@example.org"}, {"postmaster", "postmaster"}, {"", ""},
		{"j\xc3\xb6rg@example.org", "j\xc3\xb6rg@example.org"}, {"a,b@example.org", "\"a,b\"@example.org"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0};
		struct span back = SPAN_NONE;

		address_external(span_of(rows[i][0]), &out);
		ck_span(text_span(&out), rows[i][1]);
		if (out.len)
			ck_assert_int_eq(address_parse(a, text_span(&out), ADDRESS_STRICT | ADDRESS_UTF8, &back, NULL), 0);
		ck_span(back, rows[i][0]);
	}
}
END_TEST

UNIT_TEST(extensions_as_postfix_cuts_them)
{
	static const struct { const char *local, *delimiters; bool owner; const char *base, *extension; } rows[] = {
		{"user+ext", "+", true, "user", "ext"}, {"user+a+b", "+", true, "user", "a+b"}, {"user", "+", true, NULL, NULL},
		{"user+", "+", true, "user", ""}, {"+ext", "+", true, NULL, NULL}, {"user-ext+x", "+-", true, "user", "ext+x"},
		{"owner-list", "-", true, NULL, NULL}, {"owner-list", "-", false, "owner", "list"},
		{"Owner-list", "-", true, NULL, NULL}, {"list-request", "-", true, NULL, NULL},
		{"-request", "-", true, NULL, NULL}, {"owner-list+x", "+", true, "owner-list", "x"},
		{"Postmaster", "pm", true, NULL, NULL}, {"mailer-daemon", "-", false, NULL, NULL},
		{"double-bounce", "-", false, NULL, NULL}, {"postmaster+x", "+", true, "postmaster", "x"}, {"user+x", "", true, NULL, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span base = SPAN_NONE, extension = SPAN_NONE;
		bool got = address_split_extension(span_of(rows[i].local), span_of(rows[i].delimiters), rows[i].owner,
		                                   &base, &extension);

		ck_assert_msg(got == (rows[i].base != NULL), "%s by %s", rows[i].local, rows[i].delimiters);
		if (got) {
			ck_span(base, rows[i].base);
			ck_span(extension, rows[i].extension);
		}
	}
}
END_TEST

UNIT_TEST(domains)
{
	static const char *const good[] = {"example.org", "a", "a-b.c", "_dmarc.example.org", "1.example", "[192.0.2.1]", "xn--bcher-kva.example"};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "1.2.3.4", "a b", "a/b", "[1.2.3]", "[", "b\xc3\xbc"};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(address_domain_valid(span_of(good[i]), 0), "%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!address_domain_valid(span_of(bad[i]), 0), "%s", bad[i]);
	ck_assert(address_is_fqdn(SPAN("a.b")) && !address_is_fqdn(SPAN("localhost")) && address_is_fqdn(SPAN("[192.0.2.1]")));
	ck_assert(address_equal(SPAN("a@B.example"), SPAN("a@b.EXAMPLE")) && !address_equal(SPAN("A@b.example"), SPAN("a@b.example")));
	ck_assert(address_equal_nocase(SPAN("A@b.example"), SPAN("a@b.example")) && !address_equal(SPAN("a"), SPAN("a@")));
}
END_TEST

/* A list as one line: name|route|local@domain, groups as {name ... } */
static void
show(const struct address_list *l, struct text *out)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct mailbox *m = &l->at[i];

		if (out->len)
			text_add_byte(out, ' ');
		if (m->kind == GROUP_END)
			text_add_byte(out, '}');
		else if (m->kind == GROUP_START)
			text_add_format(out, "{%.*s", SPAN_ARGS(m->name));
		else
			text_add_format(out, "%.*s|%.*s|%.*s@%.*s", SPAN_ARGS(m->name), SPAN_ARGS(m->route), SPAN_ARGS(m->local),
			                SPAN_ARGS(m->domain));
	}
	if (l->faulty)
		text_add_string(out, " !");
	if (l->cut)
		text_add_string(out, " cut");
}

UNIT_TEST(lists_of_rfc5322)
{
	static const char *const rows[][2] = {
		{"a@b.example", "||a@b.example"},
		{"a@b.example, c@d.example", "||a@b.example ||c@d.example"},
		{" , a@b.example ,, ", "||a@b.example"},
		{"", ""}, {"(nothing)", ""},
		/* 3.4: name-addr */
		{"Mary Smith <mary@x.test>", "Mary Smith||mary@x.test"},
		{"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public||john.q.public@example.com"},
		{"Who? <one@y.test>", "Who?||one@y.test"},
		{"\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>", "Giant; \"Big\" Box||sysservices@example.net"},
		{"<boss@nil.test>", "||boss@nil.test"},
		{"=?utf-8?Q?a?= =?utf-8?Q?b?= <a@b.example>", "=?utf-8?Q?a?= =?utf-8?Q?b?=||a@b.example"},
		/* A.1.3: groups */
		{"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		 "{A Group Ed Jones||c@a.test ||joe@where.test John||jdoe@one.test }"},
		{"Undisclosed recipients:;", "{Undisclosed recipients }"},
		{"g:;, a@b.example", "{g } ||a@b.example"},
		/* A.5: comments and folds */
		{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete||pete@silly.test"},
		{"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n joe@example.org,\r\n"
		 "  John <jdoe@one.test> (my dear friend); (the end of the group)",
		 "{A Group Chris Jones||c@public.example ||joe@example.org John||jdoe@one.test }"},
		{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients }"},
		{"user@host.example (Full Name)", "Full Name||user@host.example"},
		{"\"a b\"@c.example", "||a b@c.example"},
		/* A.6.1 and 4.4: routes, dots, blanks */
		{"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public||john.q.public@example.com"},
		{"Mary Smith <@node.test,@two.test:mary@example.net>, , jdoe@test  . example",
		 "Mary Smith|@node.test,@two.test|mary@example.net ||jdoe@test.example"},
		{"a . b @ c . example", "||a.b@c.example"},
		{"a@[192.0.2.1]", "||a@[192.0.2.1]"},
		/* broken ones */
		{"a", "||a@"},
		{"a@", "||a@ !"},
		{"@b.example", "||@b.example !"},
		{"<>", " !"},
		{"John Doe a@b.example", "John Doe||a@b.example !"},
		{"<a@b.example", "||a@b.example !"},
		{"<a@b.example, c@d.example", "||a@b.example ||c@d.example !"},
		{"a@b.example> , c@d.example", "||a@b.example ||c@d.example !"},
		{"<a@b.example> <c@d.example>", "||a@b.example ||c@d.example !"},
		{"\"open <a@b.example>", "||open <a@b.example>@ !"},
		{"(open a@b.example", " !"},
		{"g: a@b.example", "{g ||a@b.example } !"},
		{"a@b.example;", "||a@b.example !"},
		{"foo@bar.example <a@b.example>", "foo@bar.example||a@b.example"},
		{"<a@b@c.example>", "||a@b@c.example !"},
		{"x\001y@b.example", "x||y@b.example !"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0};
		struct address_list list;

		address_list_parse(a, span_of(rows[i][0]), ADDRESS_LIST_LIMIT, &list);
		show(&list, &out);
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "\"%s\" gives \"%s\" not \"%s\"", rows[i][0],
		              text_string(&out), rows[i][1]);
	}
}
END_TEST

/* recipients without commas: what sendmail(1), aliases(5) and virtual(5) of Postfix make of them */
UNIT_TEST(words_are_addresses)
{
	static const char *const rows[][2] = {
		{"a@b c@d", "||a@b ||c@d"},
		{"a b c", "||a@ ||b@ ||c@"},
		{"a@b c@d, e", "||a@b ||c@d ||e@"},
		{"a @ b c @ d . e", "||a@b ||c@d.e"},
		{"x y <a@b>", "x y||a@b"},
		{"<a@b> c <d@e>", "||a@b c||d@e !"},
		{"a@b (c) d@e", "c||a@b c||d@e"},
		{"\"x y\" a@b", "||x y@ ||a@b"},
		{"a\"b\"", "||a@ ||b@"},
		{"\"a\".b@c", "||a.b@c"},
		{"g: a b;", "{g ||a@ ||b@ }"},
		{"", ""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0};
		struct address_list list;

		address_words_parse(a, span_of(rows[i][0]), ADDRESS_LIST_LIMIT, &list);
		show(&list, &out);
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "\"%s\" gives \"%s\" not \"%s\"", rows[i][0],
		              text_string(&out), rows[i][1]);
	}
}
END_TEST

UNIT_TEST(list_members_say_where_they_are)
{
	autoarena struct arena *a = arena_new();
	struct span         in = SPAN("John <j@one.example>, (x) k @ two.example (K), g: <@r.example:l@three.example>;");
	struct address_list list;
	static const char *const where[] = {"j@one.example", "k @ two.example", "", "l@three.example", ""};

	address_list_parse(a, in, 10, &list);
	ck_assert_uint_eq(list.count, 5);
	ck_assert_uint_eq(list.mailboxes, 3);
	for (size_t i = 0; i < list.count; i++)
		ck_span(span_cut(in, list.at[i].start, list.at[i].end), where[i]);
}
END_TEST

/* where rewriting puts commas, as Postfix does */
UNIT_TEST(missing_commas)
{
	static const char *const rows[][2] = {
		{"a@b c@d", "a@b, c@d"}, {"a (x (y)) b", "a (x (y)), b"}, {"<a@b> C <c@d> e", "<a@b>, C <c@d>, e"},
		{"a, b (x), c; d", "a, b (x), c; d"}, {"g: a b; c", "g: a, b; c"}, {"<a@b><c@d>", "<a@b>,<c@d>"}, {"<>, a", "<>, a"},
		{"A B <a@b>", "A B <a@b>"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text out = {0};
		struct span         in = span_of(rows[i][0]);
		struct address_list list;
		size_t              at = 0, comma;

		address_words_parse(a, in, ADDRESS_LIST_LIMIT, &list);
		for (size_t k = 1; k < list.count; k++)
			if ((comma = mailbox_comma(in, &list.at[k - 1], &list.at[k]))) {
				text_add_format(&out, "%.*s,", SPAN_ARGS(span_cut(in, at, comma)));
				at = comma;
			}
		text_add(&out, span_from(in, at));
		ck_assert_msg(span_is(text_span(&out), rows[i][1]), "\"%s\" gives \"%s\"", rows[i][0], text_string(&out));
	}
}
END_TEST

/* SECURITY.md 2, 7: a million nested comments or quotes; no recursion, no more than linear */
UNIT_TEST(list_is_bounded)
{
	static const char *const pieces[] = {"(", "\"", "<", "a@b.example,", ":", "\\", "<@a,", "a ", "@"};

	for (size_t i = 0; i < COUNT(pieces); i++) {
		autoarena struct arena *a = arena_new();
		autotext struct text in = {0};
		struct address_list list;

		while (in.len < 1000000)
			text_add_string(&in, pieces[i]);
		address_list_parse(a, text_span(&in), ADDRESS_LIST_LIMIT, &list);
		ck_assert_uint_le(list.count, ADDRESS_LIST_LIMIT);
		ck_assert(list.faulty || list.cut || list.count == 1);
		address_words_parse(a, text_span(&in), ADDRESS_LIST_LIMIT, &list);
		ck_assert_uint_le(list.count, ADDRESS_LIST_LIMIT);
	}
}
END_TEST

UNIT_MAIN("mail/address", isemail_suite, paths_of_rfc5321, path_is_bounded, forms_go_round,
          extensions_as_postfix_cuts_them, domains, lists_of_rfc5322, words_are_addresses, missing_commas, list_members_say_where_they_are, list_is_bounded)
