/* SPDX-License-Identifier: ISC */
/*
 * test_segment.c - segments answer as a look into the messages would; files of them are there whole or not
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "search/message.h"
#include "search/segment.h"
#include "search/shelf.h"
#include "../unit.h"

static const char *const texts[] = {
	"HELLO WORLD", "HELLO, SMALL WORLD: OTHELLO@VENICE.EXAMPLE", "SUBJECT-LESS", "", "E\xcc\x81TE\xcc\x81 THE END.",
	"ONE\nTWO\nTHREE", "X HELLO", "WORLD", "HELLO  WORLD",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void
build(struct search_builder *b, uint32_t uid, const char *text)
{
	autofree char      *base = mem_format("name%u", uid);
	struct search_piece body = {.zone = ZONE_BODY, .text = span_of(text)};
	struct search_piece field = {.zone = ZONE_SUBJECT, .name = SPAN("Subject"), .text = SPAN("SUBJECT: TOPIC"), .value = 9};

	search_builder_message(b, uid, span_of(base));
	search_builder_piece(b, &field);
	search_builder_piece(b, &body);
}

/* What must be: sure where the string is one word, else not ruled out where it is. */
static void
ask(const struct search_segment *g, const char *string, unsigned zones, bool word)
{
	unsigned char verdicts[64];

	search_segment_ask(g, span_of(string), zones, verdicts);
	for (size_t i = 0; i < g->count; i++) {
		uint32_t uid = search_segment_uid(g, i);
		bool     there = zones & ZONE_BODY && strstr(texts[uid - 1], string);

		ck_assert_msg(verdicts[i] == (there ? SEARCH_YES : SEARCH_NO) || (!word && verdicts[i] == SEARCH_LOOK), "%s in %u: %d", string, uid, verdicts[i]);
	}
}

static void
ask_all(const struct search_segment *g)
{
	static const char *const words[] = {"HELLO", "ELL", "O", "OTHELLO@VENICE.EXAMPLE", "E\xcc", "THREE", "NOWHERE", "-", "."};
	static const char *const phrases[] = {"HELLO WORLD", "LO WOR", "O\nT", " ", ": ", "WORLD ", " WORLD", "TWO\nTHREE\n", "A B C D E F G H I J K L M N O P Q R S"};

	for (size_t i = 0; i < COUNT(words); i++)
		ask(g, words[i], ZONE_BODY, true);
	for (size_t i = 0; i < COUNT(phrases); i++)
		ask(g, phrases[i], ZONE_BODY, false);
	ask(g, "HELLO", ZONE_FROM, true);
}

UNIT_TEST(asked)
{
	struct search_builder *b = search_builder_new();
	autotext struct text   bytes = {0};
	struct search_segment  g;
	unsigned char          verdicts[64];

	for (uint32_t uid = 1; uid <= TEXTS; uid++)
		build(b, uid, texts[uid - 1]);
	search_builder_write(b, 7, 1, 20, &bytes);
	ck_assert(search_segment_open(text_span(&bytes), &g));
	ck_assert_uint_eq(g.count, TEXTS);
	ck_assert_uint_eq(g.last, 20);
	ck_span(search_segment_base(&g, 2), "name3");
	ask_all(&g);
	/* a field's name is of the header, its value of the field, a phrase of both */
	search_segment_ask(&g, SPAN("SUBJECT"), ZONE_SUBJECT, verdicts);
	ck_assert_int_eq(verdicts[0], SEARCH_NO);
	search_segment_ask(&g, SPAN("TOPIC"), ZONE_SUBJECT, verdicts);
	ck_assert_int_eq(verdicts[0], SEARCH_YES);
	search_segment_ask(&g, SPAN("SUBJECT: TOP"), ZONE_TEXT, verdicts);
	ck_assert_int_eq(verdicts[0], SEARCH_LOOK);
	for (size_t i = 0; i < bytes.len; i++) { /* any byte that changes makes it none */
		bytes.at[i] ^= 1;
		ck_assert(!search_segment_open(text_span(&bytes), &g));
		bytes.at[i] ^= 1;
	}
	for (size_t len = 0; len < bytes.len; len++)
		ck_assert(!search_segment_open(span_first(text_span(&bytes), len), &g));
	search_builder_free(b);
}

static bool
not_the_second(void *context, uint32_t uid, struct span base)
{
	ck_assert(span_starts(base, "name"));
	return context == NULL || uid != 2;
}

UNIT_TEST(merged)
{
	struct search_builder *one = search_builder_new(), *two = search_builder_new(), *both = search_builder_new();
	autotext struct text   a = {0}, b = {0}, c = {0};
	struct search_segment  g;

	for (uint32_t uid = 1; uid <= TEXTS; uid++)
		build(uid < 5 ? one : two, uid, texts[uid - 1]);
	search_builder_write(one, 7, 1, 4, &a);
	search_builder_write(two, 7, 5, 9, &b);
	ck_assert(search_segment_open(text_span(&a), &g));
	search_builder_segment(both, &g, not_the_second, both);
	ck_assert(search_segment_open(text_span(&b), &g));
	search_builder_segment(both, &g, not_the_second, both);
	search_builder_write(both, 7, 1, 9, &c);
	ck_assert(search_segment_open(text_span(&c), &g));
	ck_assert_uint_eq(g.count, TEXTS - 1);
	ask_all(&g);
	ck_assert(span_find_text(g.words, SPAN("SMALL")) < 0); /* what was left out leaves no word behind */
	search_builder_free(one);
	search_builder_free(two);
	search_builder_free(both);
}

/* A message that brings more words than are taken is always looked at. */
UNIT_TEST(too_much)
{
	struct search_builder *b = search_builder_new();
	autotext struct text   huge = {0}, bytes = {0};
	struct search_segment  g;
	unsigned char          verdicts[64];

	for (unsigned i = 0; huge.len < SEGMENT_WORDS_OF_ONE + 100; i++)
		text_add_format(&huge, "W%u ", i);
	build(b, 1, text_string(&huge));
	build(b, 2, "SMALL");
	search_builder_write(b, 7, 1, 2, &bytes);
	ck_assert(search_segment_open(text_span(&bytes), &g));
	search_segment_ask(&g, SPAN("SMALL"), ZONE_TEXT, verdicts);
	ck_assert(verdicts[0] == SEARCH_LOOK && verdicts[1] == SEARCH_YES);
	search_builder_free(b);
}

static void
put(struct shelf *s, uint32_t first, uint32_t last, uint32_t validity, size_t replaced, size_t count)
{
	struct search_builder *b = search_builder_new();
	autotext struct text   bytes = {0};
	struct fault           why = {0};

	build(b, first, "X");
	search_builder_write(b, validity, first, last, &bytes);
	ck_assert_msg(shelf_put(s, text_span(&bytes), replaced, count, &why) == 0, "%s", fault_text(&why));
	search_builder_free(b);
}

UNIT_TEST(files)
{
	char         path[] = "/tmp/test_segment_XXXXXX";
	struct shelf s, other;
	int          dir, fd;

	ck_assert(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	shelf_open(&s, dir, "x.", 7);
	shelf_open(&other, dir, "x.", 7);
	ck_assert(shelf_lock(&s) && !shelf_lock(&other));
	put(&s, 1, 4, 7, 0, 0);
	put(&s, 5, 9, 7, 0, 0);
	put(&s, 20, 29, 7, 0, 0);
	shelf_look(&other);
	ck_assert_uint_eq(other.count, 3);
	put(&s, 1, 9, 7, 0, 2);
	ck_assert(s.count == 2 && !s.crowded && s.at[0].last == 9 && s.at[1].first == 20);
	ck_assert_uint_eq(search_segment_uid(&other.at[0].segment, 0), 1); /* gone, but still mapped there */
	put(&s, 5, 9, 7, 0, 0);   /* a crash left one that was replaced */
	put(&s, 30, 31, 8, 0, 0); /* another UIDVALIDITY */
	fd = openat(dir, "x.00000040-00000041", O_WRONLY | O_CREAT, 0600); /* torn */
	ck_assert(write(fd, "PSTSRCH2", 8) == 8);
	close(fd);
	ck_assert(mkdirat(dir, "x.00000050-00000051", 0700) == 0 && mkfifoat(dir, "x.00000060-00000061", 0600) == 0);
	shelf_look(&other);
	ck_assert(other.count == 2 && other.crowded);
	shelf_look(&s);
	shelf_tidy(&s);
	unlinkat(dir, "x.00000050-00000051", AT_REMOVEDIR);
	shelf_look(&s);
	ck_assert(s.count == 2 && !s.crowded && shelf_bytes(&s) > 100);
	shelf_close(&s);
	ck_assert(shelf_lock(&other));
	unlinkat(dir, "x.00000001-00000009", 0);
	shelf_look(&other);
	ck_assert(other.count == 1);
	unlinkat(dir, "x.00000014-0000001d", 0);
	shelf_close(&other);
	unlinkat(dir, "x.lock", 0);
	ck_assert(rmdir(path) == 0);
	close(dir);
}
END_TEST

UNIT_MAIN("search/segment", asked, merged, too_much, files)
