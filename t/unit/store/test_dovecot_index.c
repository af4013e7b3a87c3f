/* SPDX-License-Identifier: ISC */
/*
 * test_dovecot_index.c - keywords out of Dovecot's log: as one change after the other, and in bounded time
 *
 * The owner of a mailbox may write anything into these files. A test that goes through all messages for each
 * change, or through all records for each extension, does not end before its time is over.
 */
#include "store/dovecot_index.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../unit.h"

enum { VALIDITY = 1234, MODIFY_ADD = 0, MODIFY_REMOVE = 1, MODIFY_REPLACE = 2, LOG_HEADER = 24, MEMORY = SANITIZED ? 20 : 1 };

static bool
any(struct span name, const void *unused)
{
	(void)unused;
	return name.len > 0;
}

static void
put(struct text *t, uint32_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		text_add_byte(t, (char)(value >> 8 * i));
}

static void
put_change(struct text *log, uint32_t type, struct span content)
{
	uint32_t size = (uint32_t)(8 + content.len) / 4;

	for (int i = 3; i >= 0; i--)
		text_add_byte(log, (char)(0x80 | (size >> 7 * i & 0x7f)));
	put(log, type, 4);
	text_add(log, content);
}

/* With UIDVALIDITY, as of a mailbox without an index. */
static void
start_log(struct text *log)
{
	autotext struct text c = {0};

	put(log, 1, 1);
	put(log, 0, 1);
	put(log, LOG_HEADER, 2);
	put(log, 77, 4);                /* id, sequence */
	put(log, 1, 4);
	while (log->len < LOG_HEADER)
		put(log, 0, 1);
	put(&c, 24, 2);
	put(&c, 4, 2);
	put(&c, VALIDITY, 4);
	put_change(log, 0x20, text_span(&c));
}

static void
put_keyword(struct text *log, int modify, const char *name, uint32_t first, uint32_t last)
{
	autotext struct text c = {0};

	put(&c, (uint32_t)modify, 1);
	put(&c, 0, 1);
	put(&c, (uint32_t)strlen(name), 2);
	text_add_string(&c, name);
	while (c.len % 4)
		put(&c, 0, 1);
	put(&c, first, 4);
	put(&c, last, 4);
	put_change(log, 0x400, text_span(&c));
}

static struct extra_keywords
messages(size_t count)
{
	struct extra_keywords k = {.messages = mem_array(count, sizeof *k.messages), .count = count, .validity = VALIDITY, .is_wanted = any};

	for (size_t i = 0; i < count; i++)
		k.messages[i].uid = (uint32_t)(3 * i + 1);
	return k;
}

static void
drop(struct extra_keywords *k)
{
	free(k->messages);
	extra_keywords_free(k);
}

UNIT_TEST(changes_come_one_after_the_other)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};

	for (unsigned seed = 1; seed <= 300; seed++) {
		autotext struct text  log = {0};
		size_t                count = seed % 20;
		struct extra_keywords k = messages(count);
		char                  want[20][5] = {{0}};

		srandom(seed);
		start_log(&log);
		for (int n = 0; n < 30; n++) {
			int      modify = (int)(random() % 3), name = (int)(random() % 5);
			uint32_t first = (uint32_t)random() % 64, last = random() % 9 ? first + (uint32_t)random() % 20 - 2 : UINT32_MAX;

			put_keyword(&log, modify, names[name], first, last);
			for (size_t i = 0; i < count; i++) {
				if (k.messages[i].uid < first || k.messages[i].uid > last)
					continue;
				if (modify == MODIFY_REPLACE)
					memset(want[i], 0, sizeof want[i]);
				want[i][name] = modify != MODIFY_REMOVE;
			}
		}
		ck_assert(dovecot_index_parse(SPAN_NONE, SPAN_NONE, text_span(&log), &k));
		for (size_t i = 0; i < count; i++)
			for (size_t n = 0; n < 5; n++) {
				bool has = false;

				for (size_t j = 0; j < k.names; j++)
					has = has || (strcmp(k.name[j], names[n]) == 0 && k.messages[i].names >> j & 1);
				ck_assert_msg(has == want[i][n], "seed %u, message %zu, %s", seed, i, names[n]);
			}
		drop(&k);
	}
}
END_TEST

UNIT_TEST(many_changes_of_many_messages)
{
	autotext struct text  log = {0};
	struct extra_keywords k = messages(300000);

	start_log(&log);
	for (uint32_t i = 0; i < 400000; i++)
		put_keyword(&log, i % 3 ? MODIFY_ADD : MODIFY_REMOVE, i % 2 ? "one" : "two", i % 7, UINT32_MAX - i % 5);
	ck_assert(dovecot_index_parse(SPAN_NONE, SPAN_NONE, text_span(&log), &k));
	ck_assert_uint_eq(k.names, 2);
	drop(&k);
}
END_TEST

UNIT_TEST(many_extensions_of_many_records)
{
	enum { EXTENSIONS = 100000, RECORDS = 300000 };
	autotext struct text  index = {0};
	struct extra_keywords k = messages(300000);

	put(&index, 7, 1);                                      /* major, minor, base size */
	put(&index, 0, 1);
	put(&index, 120, 2);
	put(&index, 120 + EXTENSIONS * 48, 4);                  /* header size */
	put(&index, 12, 4);                                     /* record size */
	put(&index, 1, 4);                                      /* little-endian */
	while (index.len < 24)
		put(&index, 0, 1);
	put(&index, VALIDITY, 4);
	while (index.len < 32)
		put(&index, 0, 1);
	put(&index, RECORDS, 4);
	while (index.len < 120)
		put(&index, 0, 1);
	for (int i = 0; i < EXTENSIONS; i++) {
		put(&index, 20, 4);                             /* size */
		put(&index, 0, 4);
		put(&index, 8, 2);                              /* offset, size in a record */
		put(&index, 1, 2);
		put(&index, 4, 2);
		put(&index, 8, 2);
		text_add_string(&index, "keywords");
		put(&index, 1, 4);                              /* one name, at 0 */
		put(&index, 0, 4);
		put(&index, 0, 4);
		text_add(&index, SPAN("more\0\0\0\0\0\0\0\0"));
	}
	for (uint32_t i = 0; i < RECORDS; i++) {
		put(&index, 3 * i + 1, 4);
		put(&index, 0, 4);
		put(&index, 1, 4);
	}
	ck_assert(dovecot_index_parse(text_span(&index), SPAN_NONE, SPAN_NONE, &k));
	ck_assert_uint_eq(k.names, 1);
	ck_assert_str_eq(k.name[0], "more");
	ck_assert_uint_eq(k.messages[k.count - 1].names, 1);
	drop(&k);
}
END_TEST

static void
sparse(const char *dir, const char *name, struct span begin, off_t size)
{
	autofree char *path = mem_format("%s/%s", dir, name);
	autoclose int  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert(fd >= 0 && write(fd, begin.at, begin.len) == (ssize_t)begin.len && ftruncate(fd, size) == 0);
}

static long
peak(void)
{
	struct rusage u;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

/* Three messages make no index of 60 MB: nobody pays for one, and what is told in files of a sane size is taken. */
UNIT_TEST(files_larger_than_the_mailbox_makes_them)
{
	autotext struct text  log = {0};
	struct extra_keywords k = messages(3);
	char                  dir[] = "/tmp/dovecot_indexXXXXXX";
	autoclose int         fd = -1;
	long                  before;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	start_log(&log);
	put_keyword(&log, MODIFY_ADD, "told", 1, 1);
	sparse(dir, "dovecot.index.log", text_span(&log), (off_t)log.len);
	sparse(dir, "dovecot.index.log.2", text_span(&log), 64 << 20);
	sparse(dir, "dovecot.index", SPAN("\7"), 64 << 20);
	before = peak();
	ck_assert(dovecot_index_read(fd, &k));
	ck_assert_msg(peak() - before < MEMORY * (8 << 10), "%ld kB", peak() - before);
	ck_assert(k.names == 1 && k.messages[0].names == 1 && k.messages[1].names == 0);
	drop(&k);
	sparse(dir, "dovecot.index.log.2", text_span(&log), 16 << 20);
	k = messages(3);
	before = peak();
	ck_assert(dovecot_index_read(fd, &k));
	ck_assert_msg(peak() - before < MEMORY * (40 << 10), "%ld kB", peak() - before);
	ck_assert(k.names == 1 && k.messages[0].names == 1 && k.messages[1].names == 0);
	drop(&k);
	ck_assert_int_eq(system(mem_format("rm -r %s", dir)), 0);
}
END_TEST

UNIT_MAIN("store/dovecot_index", files_larger_than_the_mailbox_makes_them, changes_come_one_after_the_other, many_changes_of_many_messages, many_extensions_of_many_records)
