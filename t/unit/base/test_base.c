/* SPDX-License-Identifier: ISC */
/*
 * test_base.c - spans, texts, arenas, maps, base64 (RFC 4648), log escapes
 */
#include "base/arena.h"
#include "base/base64.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/radix.h"
#include "base/strmap.h"
#include "base/text.h"
#include "../unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

UNIT_TEST(cutting_clamps)
{
	struct span s = SPAN("abcdef"), rest = SPAN(" a,, b "), piece;

	ck_span(span_from(s, 4), "ef");
	ck_span(span_from(s, 9), "");
	ck_span(span_cut(s, 2, 4), "cd");
	ck_span(span_cut(s, 4, 2), "");
	ck_span(span_trim(SPAN(" \tx\r\n")), "x");
	ck_assert(span_next(&rest, ", ", &piece));
	ck_span(piece, "a");
	ck_assert(span_next(&rest, ", ", &piece));
	ck_span(piece, "b");
	ck_assert(!span_next(&rest, ", ", &piece));
}
END_TEST

UNIT_TEST(patterns_match_wholly)
{
	struct span many = SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

	ck_assert(span_matches(SPAN(""), SPAN("")) && span_matches(SPAN(""), SPAN("**")) && !span_matches(SPAN(""), SPAN("?")));
	ck_assert(span_matches(SPAN("Lists.a"), SPAN("Lists.*")) && !span_matches(SPAN("Lists"), SPAN("Lists.*")));
	ck_assert(span_matches(SPAN("abcabd"), SPAN("*ab?")) && !span_matches(SPAN("abcabdx"), SPAN("*ab?")));
	ck_assert(!span_matches(SPAN("ab"), SPAN("a")) && !span_matches(SPAN("a"), SPAN("ab")) && !span_matches(SPAN("A"), SPAN("a")));
	ck_assert(span_matches_nocase(SPAN("Text/HTML"), SPAN("text/*")) && !span_matches_nocase(SPAN("text"), SPAN("TEXT/*")));
	ck_assert(!span_matches(many, SPAN("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"))); /* and is told soon */
}
END_TEST

UNIT_TEST(numbers_do_not_overflow)
{
	uint64_t n = 7;

	ck_assert(span_number(SPAN("18446744073709551615"), &n) && n == UINT64_MAX);
	ck_assert(!span_number(SPAN("18446744073709551616"), &n));
	ck_assert(!span_number(SPAN("-1"), &n) && !span_number(SPAN(""), &n) && !span_number(SPAN("1 "), &n));
	ck_assert(n == UINT64_MAX);
}
END_TEST

UNIT_TEST(text_grows_and_ends_in_nul)
{
	struct text t = {0};

	for (int i = 0; i < 1000; i++)
		text_add_format(&t, "%d,", i % 10);
	ck_assert_uint_eq(t.len, 2000);
	ck_assert_int_eq(t.at[2000], 0);
	text_drop(&t, 1996);
	ck_span(text_span(&t), "8,9,");
	text_free(&t);
	ck_assert_str_eq(text_string(&t), "");
}
END_TEST

UNIT_TEST(base64_of_rfc4648)
{
	static const struct { const char *plain, *coded; } rows[] = {   /* RFC 4648, 10 */
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
	};
	static const char *const bad[] = {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "Zm 9", "====", "Zg==Zg=="};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct text t = {0}, back = {0};

		base64_encode(span_of(rows[i].plain), &t);
		ck_span(text_span(&t), rows[i].coded);
		ck_assert_int_eq(base64_decode(text_span(&t), &back, NULL), 0);
		ck_span(text_span(&back), rows[i].plain);
		text_clear(&back);
		base64_decode_mime(text_span(&t), &back);
		ck_span(text_span(&back), rows[i].plain);
		text_free(&t);
		text_free(&back);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct text t = {0};

		ck_assert_msg(base64_decode(span_of(bad[i]), &t, NULL) < 0, "%s was taken", bad[i]);
		ck_assert_uint_eq(t.len, 0);
		text_free(&t);
	}
}
END_TEST

UNIT_TEST(map_finds_what_was_put)
{
	struct strmap *m = strmap_new();
	char           key[20];
	static int     values[5000];

	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		ck_assert_ptr_null(strmap_put(m, span_of(key), &values[i]));
	}
	for (int i = 0; i < 5000; i += 2) {
		snprintf(key, sizeof key, "k%d", i);
		ck_assert_ptr_eq(strmap_remove(m, span_of(key)), &values[i]);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		ck_assert_ptr_eq(strmap_get(m, span_of(key)), i % 2 ? &values[i] : NULL);
	}
	ck_assert_uint_eq(strmap_count(m), 2500);
	ck_assert_ptr_null(*strmap_slot(m, SPAN("new")));
	*strmap_slot(m, SPAN("new")) = &values[7];
	ck_assert_ptr_eq(strmap_get(m, SPAN("new")), &values[7]);
	ck_assert_uint_eq(strmap_count(m), 2501);
	strmap_free(m, NULL);
}
END_TEST

UNIT_TEST(log_text_is_harmless)
{
	struct text t = {0};

	log_escape(SPAN("a\r\n\x1b[0m\xc3\xa9\xff\xc0\x80\xc2\x9b\xed\xa0\x80z"), &t);
	ck_span(text_span(&t), "a???[0m\xc3\xa9????????z");
	text_free(&t);
}
END_TEST

UNIT_TEST(beneath_follows_no_link)
{
	char          dir[] = "/tmp/postern-unit-XXXXXX";
	autofree char *link = NULL, *file = NULL;
	int           root;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	link = mem_format("%s/link", dir);
	file = mem_format("%s/file", dir);
	ck_assert_int_eq(symlink("/etc/passwd", link), 0);
	ck_assert_int_eq(file_replace(file, SPAN("x"), 0600, NULL), 0);
	root = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_lt(file_open_beneath(root, "link", O_RDONLY, 0, NULL), 0);
	ck_assert_int_lt(file_open_beneath(root, "../../etc/passwd", O_RDONLY, 0, NULL), 0);
	ck_assert_int_lt(file_open_beneath(root, "/etc/passwd", O_RDONLY, 0, NULL), 0);
	ck_assert_int_ge(file_open_beneath(root, "file", O_RDONLY, 0, NULL), 0);
	unlink(link);
	unlink(file);
	rmdir(dir);
}
END_TEST

static int
compare_numbered(const void *a, const void *b)
{
	const struct radix *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

/* As a sort that compares; equals keep their order. */
UNIT_TEST(radix_sorts_as_comparing_does)
{
	static const uint64_t masks[] = {0, 3, 0xff00, 0xf0000000000000ffull, UINT64_MAX, 0x8000000000000000ull};
	static const size_t   counts[] = {0, 1, 2, 47, 48, 49, 50, 1000};
	uint64_t              random = 88172645463325252ull;

	for (size_t m = 0; m < COUNT(masks); m++)
		for (size_t c = 0; c < COUNT(counts); c++) {
			autofree struct radix *at = mem_array(counts[c] + 1, sizeof *at), *spare = mem_array(counts[c] + 1, sizeof *at),
				*other = mem_array(counts[c] + 1, sizeof *at);

			for (size_t i = 0; i < counts[c]; i++) {
				random ^= random << 13;
				random ^= random >> 7;
				random ^= random << 17;
				other[i] = at[i] = (struct radix){random & masks[m], (uint32_t)i};
			}
			qsort(other, counts[c], sizeof *other, compare_numbered);
			radix_sort(at, spare, counts[c]);
			for (size_t i = 0; i < counts[c]; i++)
				ck_assert_msg(at[i].number == other[i].number && at[i].item == other[i].item, "%zx %zu: %zu", m, counts[c], i);
		}
}
END_TEST

UNIT_MAIN("base", cutting_clamps, patterns_match_wholly, numbers_do_not_overflow, text_grows_and_ends_in_nul,
          base64_of_rfc4648, map_finds_what_was_put, log_text_is_harmless, beneath_follows_no_link, radix_sorts_as_comparing_does)
