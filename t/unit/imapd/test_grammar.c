/* SPDX-License-Identifier: ISC */
/*
 * test_grammar.c - IMAP commands, sets, FETCH items and search programs (RFC 3501, 9)
 */
#include "../unit.h"

#include "fetch_items.h"
#include "flags.h"
#include "search.h"
#include "sequence.h"
#include "view.h"

/* The tree as text: a atoms, "q" strings, (lists). */
static void
draw(const struct argument *a, struct text *out)
{
	for (const struct argument *first = a; a; a = a->next) {
		if (a != first)
			text_add_byte(out, ' ');
		if (a->type == ARGUMENT_LIST) {
			text_add_byte(out, '(');
			draw(a->children, out);
			text_add_byte(out, ')');
			continue;
		}
		text_add_string(out, a->type == ARGUMENT_QUOTED ? "q:" : a->type == ARGUMENT_LITERAL ? "l:" : "");
		text_add(out, a->text);
	}
}

UNIT_TEST(commands)
{
	static const struct {
		const char *in, *tag, *verb, *tree;    /* tree NULL: refused */
	} rows[] = {
		{"a NOOP", "a", "NOOP", ""}, {"a NOOP ", "a", "NOOP", ""},
		{"a.1 uid fetch 1:* (FLAGS)", "a.1", "fetch", "1:* (FLAGS)"},
		{"a LOGIN \"x \\\"y\\\\\" {3}\r\nabc", "a", "LOGIN", "q:x \"y\\ l:abc"},
		{"a LIST \"\" %.*", "a", "LIST", "q: %.*"},
		{"a FETCH 1 BODY[HEADER.FIELDS (A \"]\" {2+}\r\n])]<0.1>", "a", "FETCH",
			"1 BODY[HEADER.FIELDS (A \"]\" {2+}\r\n])]<0.1>"},
		{"a SELECT foo[bar", "a", "SELECT", "foo[bar"},
		{"a X ((a) () (b (c)))", "a", "X", "((a) () (b (c)))"},
		{"a X {0}\r\n", "a", "X", "l:"},
		{"a X {5}\r\nabc", "a", "X", NULL}, {"a X {3}abc", "a", "X", NULL}, {"a X \"a", "a", "X", NULL},
		{"a X \"\\a\"", "a", "X", NULL}, {"a X (a", "a", "X", NULL}, {"a X a)", "a", "X", NULL},
		{"a X (a)(b)", "a", "X", NULL}, {"a X  b", "a", "X", NULL}, {"a X \"a\"b", "a", "X", NULL},
		{"a FETCH 1 BODY[", "a", "FETCH", NULL}, {"a", "a", "", NULL}, {"", "", "", NULL},
		{"a+ NOOP", "", "", NULL}, {" NOOP", "", "", NULL}, {"a UID UID NOOP", "a", "UID", "NOOP"},
		{"a X a\001b", "a", "X", NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		autotext struct text    tree = {0};
		struct command          c;
		int                     r = grammar_parse(arena, span_of(rows[i].in), &c, NULL);

		ck_assert_msg(r == (rows[i].tree ? 0 : -1), "%s", rows[i].in);
		ck_span(c.tag, rows[i].tag);
		if (r == 0) {
			ck_span(c.verb, rows[i].verb);
			draw(c.arguments, &tree);
			ck_span(text_span(&tree), rows[i].tree);
		}
	}
}

UNIT_TEST(bounds) /* SECURITY.md 2, 16 */
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    in = {0};
	struct command          c;

	text_add_string(&in, "a X ");
	for (int i = 0; i < GRAMMAR_DEPTH; i++)
		text_add_byte(&in, '(');
	for (int i = 0; i < GRAMMAR_DEPTH; i++)
		text_add_byte(&in, ')');
	ck_assert_int_eq(grammar_parse(arena, text_span(&in), &c, NULL), 0);
	text_add_string(&in, " (((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))");
	ck_assert_int_eq(grammar_parse(arena, text_span(&in), &c, NULL), -1);
	text_set(&in, SPAN("a X"));
	for (int i = 0; i < GRAMMAR_ARGUMENTS; i++)
		text_add_string(&in, " a");
	ck_assert_int_eq(grammar_parse(arena, text_span(&in), &c, NULL), 0);
	text_add_string(&in, " a");
	ck_assert_int_eq(grammar_parse(arena, text_span(&in), &c, NULL), -1);
	ck_assert_int_eq(grammar_parse(arena, span_at("a X \"b\0c\"", 9), &c, NULL), -1);
	ck_assert_int_eq(grammar_parse(arena, span_at("a X {3}\r\nb\0c", 12), &c, NULL), -1);
	ck_assert_int_eq(grammar_parse(arena, span_at("a X b\0c", 7), &c, NULL), -1);
	/* literal8: among the values of SETMETADATA alone (RFC 5464, 5) */
	ck_assert_int_eq(grammar_parse(arena, span_at("a SETMETADATA b (/c ~{3}\r\nx\0y)", 30), &c, NULL), 0);
	ck_assert(c.count == 2 && c.arguments->next->children->next->type == ARGUMENT_LITERAL);
	ck_assert(c.arguments->next->children->next->text.len == 3);
	ck_assert_int_eq(grammar_parse(arena, span_at("a SETMETADATA ~{3}\r\nx\0y (/c d)", 30), &c, NULL), -1);
	ck_assert_int_eq(grammar_parse(arena, span_at("a X b (/c ~{3}\r\nx\0y)", 20), &c, NULL), -1);
	ck_assert_int_eq(grammar_parse(arena, SPAN("a SETMETADATA b (/c ~{3}\r\nx)"), &c, NULL), -1);
}

UNIT_TEST(appends)
{
	size_t end;

	ck_assert(grammar_append(SPAN("a APPEND x CATENATE (TEXT "), &end) && end == 10);
	ck_assert(grammar_append(SPAN("a append {1}\r\nx (\\Seen) "), &end) && end == 15);
	ck_assert(grammar_append(SPAN("a uid replace 4 \"b c\" "), &end) && end == 21);
	ck_assert(!grammar_append(SPAN("a APPEND "), &end));
	ck_assert(!grammar_append(SPAN("a APPEND {5}\r\nabc"), &end));
	ck_assert(!grammar_append(SPAN("a REPLACE x"), &end));
	ck_assert(!grammar_append(SPAN("a LOGIN x "), &end));
}

UNIT_TEST(sets)
{
	static const struct {
		const char *in;
		uint32_t    star;
		const char *has;      /* among 1 to 9; NULL: refused */
	} rows[] = {
		{"1", 9, "1"}, {"2:4,7", 9, "2347"}, {"4:2", 9, "234"}, {"*", 5, "5"}, {"7:*", 5, "567"},
		{"*:3", 5, "345"}, {"5,1:2,2:3,9,5:6", 9, "123569"}, {"", 9, NULL}, {"0", 9, NULL}, {"1,", 9, NULL}, {",1", 9, NULL},
		{"1:", 9, NULL}, {"a", 9, NULL}, {"1:2:3", 9, NULL}, {"-1", 9, NULL}, {"01", 9, NULL},
		{"4294967296", 9, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct sequence         s;
		bool                    ok = sequence_parse(arena, span_of(rows[i].in), &s);

		ck_assert_msg(ok == (rows[i].has != NULL), "%s", rows[i].in);
		if (ok)
			sequence_resolve(&s, rows[i].star);
		for (char c = '1'; ok && c <= '9'; c++)
			ck_assert_msg(sequence_has(&s, (uint32_t)(c - '0'))
				== (strchr(rows[i].has, c) != NULL), "%s: %c", rows[i].in, c);
	}
	autotext struct text out = {0};

	sequence_add((uint32_t[]){1, 2, 3, 7, 9, 10}, 6, &out);
	ck_span(text_span(&out), "1:3,7,9:10");
}

UNIT_TEST(fetched)
{
	static const struct {
		const char *in, *labels;       /* NULL: refused */
		bool        sets_seen;
	} rows[] = {
		{"FULL", "FLAGS,INTERNALDATE,RFC822.SIZE,ENVELOPE,BODY", false},
		{"(flags Flags uid)", "FLAGS,UID", false},
		{"BODY[]", "BODY[]", true}, {"BODY.PEEK[TEXT]<5.10>", "BODY[TEXT]<5>", false},
		{"RFC822", "RFC822", true}, {"RFC822.HEADER", "RFC822.HEADER", false},
		{"(BODY[1.2.MIME] BODYSTRUCTURE)", "BODY[1.2.MIME],BODYSTRUCTURE", true},
		{"(ALL)", NULL, false}, {"BODY[FOO]", NULL, false}, {"BODY[]<1>", NULL, false},
		{"BODY[]<1.0>", NULL, false}, {"BODY[]x", NULL, false}, {"BODY.PEEK", NULL, false},
		{"()", NULL, false}, {"\"FLAGS\"", NULL, false}, {"BODY[0]", NULL, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		autofree char          *in = mem_format("a FETCH 1 %s", rows[i].in);
		autotext struct text    labels = {0};
		struct fetch_items      items;
		struct command          c;

		ck_assert_int_eq(grammar_parse(arena, span_of(in), &c, NULL), 0);
		const struct argument *at = c.arguments->next;
		int                    r = fetch_items_parse(arena, &at, &items, NULL);

		ck_assert_msg(r == (rows[i].labels ? 0 : -1), "%s", rows[i].in);
		for (size_t n = 0; r == 0 && n < items.count; n++) {
			if (n)
				text_add_byte(&labels, ',');
			text_add(&labels, items.at[n].label);
		}
		if (r == 0) {
			ck_span(text_span(&labels), rows[i].labels);
			ck_assert(items.sets_seen == rows[i].sets_seen);
		}
	}
}

UNIT_TEST(searches)
{
	static const char *const good[] = {"ALL", "1:3 SEEN", "(OR (SEEN) NOT NOT ALL)", "HEADER A \"\"",
		"CHARSET us-ascii TEXT a", "MODSEQ 5", "MODSEQ \"/flags/x\" all 5", "OLDER 5", "$ UID $",
		"EMAILID a", "SAVEDON 1-Feb-2000", "SINCE \"1-Feb-1994\"", "NEW", "UID 1,3:*"};
	static const char *const bad[] = {"", "CHARSET utf-8", "OR SEEN", "NOT", "HEADER A", "SINCE x", "LARGER -1",
		"LARGER", "YOUNGER 0", "MODSEQ \"x\" 5", "FOO", "()", "UID x", "KEYWORD"};
	struct search_key *program;
	struct search_needs needs;

	for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
		bool                    fine = i < COUNT(good);
		autoarena struct arena *arena = arena_new();
		autofree char          *in = mem_format("a SEARCH %s", fine ? good[i] : bad[i - COUNT(good)]);
		struct command          c;

		ck_assert_int_eq(grammar_parse(arena, span_of(in), &c, NULL), 0);
		ck_assert_msg((search_parse(arena, c.arguments, NULL, &program, &needs, NULL) == 0) == fine, "%s", in);
		ck_assert(!needs.charset_bad);
	}
}

UNIT_TEST(numbers_of_a_view) /* RFC 3501, 7.4.1 */
{
	autoarena struct arena *arena = arena_new();
	struct message          m[] = {{.uid = 3}, {.uid = 5, .recent = true}, {.uid = 9}, {.uid = 12}};
	struct folder           f = {.messages = m, .count = 3, .generation = 1};
	struct view             v = {0};
	struct sequence         s;
	size_t                 *positions, count;
	autotext struct text    out = {0};

	view_start(&v, &f, &(struct manner){0});
	ck_assert(sequence_parse(arena, SPAN("4:*"), &s));
	ck_assert_int_eq(view_choose(&v, &s, true, &positions, &count, arena), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(view_choose(&v, &s, false, &positions, &count, arena), -1);
	/* 5 goes, 9 is flagged, 12 comes; but no EXPUNGE may be told yet */
	m[1] = m[2], m[2] = m[3];
	m[1].flags = MESSAGE_FLAGGED;
	f.generation++;
	view_tell(&v, &f, VIEW_NEW | VIEW_FLAGS, false, &out);
	ck_span(text_span(&out), "* 3 FETCH (FLAGS (\\Flagged))\r\n* 4 EXISTS\r\n* 1 RECENT\r\n");
	text_clear(&out);
	view_tell(&v, &f, VIEW_ALL, true, &out);
	ck_span(text_span(&out), "* 2 EXPUNGE\r\n");
	ck_assert_uint_eq(v.count, 3);
	view_free(&v);
}

UNIT_MAIN("imapd/grammar", commands, bounds, appends, sets, fetched, searches, numbers_of_a_view)
