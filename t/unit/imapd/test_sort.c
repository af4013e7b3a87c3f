/* SPDX-License-Identifier: ISC */
/* test_sort.c - base subjects, threads, previews (RFC 5256, RFC 8970) */
#include "../unit.h"

#include "preview.h"
#include "sort.h"

UNIT_TEST(base_subjects) /* RFC 5256, 2.1 */
{
	static const struct { const char *in, *out; bool reply; } rows[] = {
		{"Hello", "HELLO", false}, {"Re: Hello", "HELLO", true}, {"RE : [x] fwd: Hello (fwd)", "HELLO", true},
		{"[list] Hello  there", "HELLO THERE", false}, {"[fwd: Hello]", "HELLO", true},
		{"Re[2]: Hello", "HELLO", true}, {"[only]", "[ONLY]", false}, {"", "", false},
		{"=?utf-8?q?Re=3A_H=C3=89?=", "HE\xcc\x81", true}, {"Regards", "REGARDS", false},
		{"(fwd)", "", true}, {"re: re: re:", "", true},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text out = {0};
		bool                 reply;

		subject_base(span_of(rows[i].in), &out, &reply);
		ck_assert_msg(span_is(text_span(&out), rows[i].out), "%s: %s", rows[i].in, text_string(&out));
		ck_assert_msg(reply == rows[i].reply, "%s", rows[i].in);
	}
}

/* A stranger writes it, and SORT reads it: where each piece is looked for from the beginning, megabytes of
 * them are not done within the time that a test has. */
UNIT_TEST(hostile_subjects)
{
	enum { MANY = 1 << 20 };
	static const struct { const char *piece, *left; bool reply; } rows[] = {
		{"[a]", "", false}, {"[a] ", "", false}, {"re[b]:", "", true}, {"fwd: ", "", true},
		{"[fwd:", "[FWD:", false}, {"(fwd)", "(FWD)", false}, {"[", "[", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text in = {0}, out = {0}, left = {0};
		bool                 reply;

		for (int n = 0; n < MANY; n++) {
			text_add_string(&in, rows[i].piece);
			text_add_string(&left, rows[i].left);
		}
		text_add_byte(&in, 'x');
		text_add_byte(&left, 'X');
		subject_base(text_span(&in), &out, &reply);
		ck_assert_msg(span_equal(text_span(&out), text_span(&left)), "%s: %zu octets are left, not %zu", rows[i].piece, out.len, left.len);
		ck_assert_msg(reply == rows[i].reply, "%s", rows[i].piece);
	}
}

static struct span refs[32][3];
static size_t      made;

static struct thread_message
make(uint32_t number, const char *subject, bool reply, const char *id, const char *r1, const char *r2)
{
	struct thread_message m = {.number = number, .date = number * 100, .subject = span_of(subject),
		.is_reply = reply, .id = span_of(id), .references = refs[made]};

	if (r1)
		refs[made][m.reference_count++] = span_of(r1);
	if (r2)
		refs[made][m.reference_count++] = span_of(r2);
	made++;
	return m;
}

static void
check(enum thread_kind kind, struct thread_message *m, size_t n, const char *expected)
{
	autotext struct text out = {0};

	thread_make(kind, m, n, &out);
	ck_span(text_span(&out), expected);
}

UNIT_TEST(threads) /* RFC 5256, 3 */
{
	struct thread_message chain[] = {make(1, "a", false, "1", NULL, NULL), make(2, "a", true, "2", "1", NULL),
		make(3, "a", true, "3", "1", "2"), make(4, "a", true, "4", "1", NULL)};
	struct thread_message lost[] = {make(1, "x", true, "1", "gone", NULL), make(2, "y", true, "2", "gone", NULL),
		make(3, "z", false, "3", "lonely", NULL)};
	struct thread_message ring[] = {make(1, "a", false, "1", "2", NULL), make(2, "b", false, "2", "1", NULL)};
	struct thread_message same[] = {make(1, "a", false, "", NULL, NULL), make(2, "a", true, "", NULL, NULL),
		make(3, "a", false, "", NULL, NULL), make(4, "b", false, "", NULL, NULL)};

	check(THREAD_REFERENCES, chain, 4, "(1 (2 3)(4))");
	check(THREAD_REFS, chain, 4, "(1 (2 3)(4))");
	check(THREAD_REFERENCES, lost, 3, "((1)(2))(3)");
	check(THREAD_REFERENCES, ring, 2, "(2 1)");
	check(THREAD_ORDEREDSUBJECT, same, 4, "(1 (2)(3))(4)");
	check(THREAD_REFS, same, 4, "(1)(2)(3)(4)");
	check(THREAD_REFERENCES, same, 4, "((1 2)(3))(4)");
	check(THREAD_REFERENCES, same, 0, "");
}

/* A chain of 20,000 answers, and thousands of others that hang branches below its end: each branch belongs there,
 * however long the way up is; and it is no ring. */
UNIT_TEST(long_chains)
{
	enum { CHAIN = 20000, BRANCHES = 20000, ALL = CHAIN + 2 * BRANCHES };
	autofree struct thread_message *m = mem_array(ALL, sizeof *m);
	autofree struct span          (*r)[2] = mem_array(ALL, sizeof *r);
	autoarena struct arena         *arena = arena_new();
	autotext struct text            out = {0};
	int                             depth = 0, roots = 0;

	for (size_t i = 0; i < ALL; i++) {
		size_t branch = (i - CHAIN) / 2;

		m[i] = (struct thread_message){.number = (uint32_t)i + 1, .date = (int64_t)i, .subject = SPAN("s"),
			.id = span_of(arena_format(arena, "m%zu", i)), .references = r[i], .reference_count = 1};
		if (i < CHAIN) {
			r[i][0] = span_of(arena_format(arena, "m%zu", i + 1));
			m[i].reference_count = i + 1 < CHAIN;
		} else if (i % 2 == 0) {                        /* the branch has a child before it has a parent */
			r[i][0] = span_of(arena_format(arena, "b%zu", branch));
		} else {
			r[i][0] = SPAN("m0");
			r[i][1] = span_of(arena_format(arena, "b%zu", branch));
			m[i].reference_count = 2;
		}
	}
	thread_make(THREAD_REFS, m, ALL, &out);
	for (size_t i = 0; i < out.len; i++) {
		roots += out.at[i] == '(' && depth == 0;
		depth += out.at[i] == '(' ? 1 : out.at[i] == ')' ? -1 : 0;
	}
	ck_assert_int_eq(depth, 0);
	ck_assert_int_eq(roots, 1);
}

UNIT_TEST(previews) /* RFC 8970, 3 */
{
	static const struct { const char *in, *out; } rows[] = {
		{"Subject: x\n\nHello\n\n  there\n", "Hello there"}, {"Subject: x\n\n", ""},
		{"Content-Type: text/html\n\n<html><head><title>T</title></head><style>p{}</style>"
		 "<p>One &amp; <b>two</b></p>", "One & two"},
		{"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>H\n--b\n"
		 "Content-Type: text/plain\n\nP\n--b--\n", "P"},
		{"Content-Type: image/png\n\nxx", ""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		autotext struct text    out = {0};

		preview_make(mime_parse(arena, span_of(rows[i].in)), &out);
		ck_span(text_span(&out), rows[i].out);
	}
}

UNIT_TEST(object_ids) /* maildir.md, 10 */
{
	char id[33];

	object_id_of(SPAN("71da6f313c2d006b5a4f000083ecc375"), id);
	ck_assert_str_eq(id, "71da6f313c2d006b5a4f000083ecc375");
	object_id_of(SPAN("abc"), id); /* SHA-1 a9993e36 4706816aba3e25717850c26c9cd0d89d */
	ck_assert_str_eq(id, "4706816aba3e25717850c26c9cd0d89d");
}

/* A key costs a number for each message, and a command has room for thousands of them. */
UNIT_TEST(a_key_that_is_named_again_is_none)
{
	autoarena struct arena *arena = arena_new();
	struct argument        *list;
	struct sort_key        *keys;
	size_t                  lists, count;

	ck_assert_int_eq(grammar_parse_list(arena, SPAN("(SUBJECT REVERSE SUBJECT REVERSE DATE date SUBJECT)"), &list, &lists, NULL), 0);
	ck_assert(sort_parse(arena, list, &keys, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert(keys[0].field == SORT_SUBJECT && !keys[0].reverse && keys[1].field == SORT_DATE && keys[1].reverse);
}

UNIT_MAIN("imapd/sort", base_subjects, a_key_that_is_named_again_is_none, hostile_subjects, threads, long_chains, previews, object_ids)
