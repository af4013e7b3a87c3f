/* SPDX-License-Identifier: ISC */
/*
 * test_maildir.c - names, folders and durable delivery
 */
#include "../unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/filename.h"
#include "store/maildir.h"
#include "store/mutf7.h"
#include "store/publish.h"

static char root[] = "/tmp/test_maildir_XXXXXX";

static struct maildir *
fresh(void)
{
	struct maildir *m;
	struct fault    why = {0};

	strcpy(root + sizeof root - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(maildir_open(root, MAILDIR_CREATE, &m, &why), 0);
	return m;
}

static void
gone(struct maildir *m)
{
	autofree char *command = mem_format("rm -rf %s", root);

	maildir_close(m);
	ck_assert_int_eq(system(command), 0);
}

static int
count(const char *part)
{
	autofree char *path = mem_format("%s/%s", root, part);
	DIR           *d = opendir(path);
	int            n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

UNIT_TEST(file_names)
{
	static const struct {
		const char *name, *base;
		unsigned    flags;
		uint64_t    keywords, full;
		const char *again;
	} rows[] = {
		{"17.M8P2.vm,S=128,W=135:2,FSa", "17.M8P2.vm,S=128,W=135", MESSAGE_FLAGGED | MESSAGE_SEEN, 1,
			135, NULL},
		{"1.a.b", "1.a.b", 0, 0, 0, "1.a.b:2,"},
		{"1.a:2,SPa", "1.a", MESSAGE_SEEN, 1, 0, "1.a:2,PSa"},
		{"1.a:1,x:2,T", "1.a", MESSAGE_DELETED, 0, 0, "1.a:2,T"},
		{"1.a:2,S,own+26+30", "1.a", MESSAGE_SEEN, 1 << 26 | 1 << 30, 0, NULL},
		{"1.a,W=x:2,", "1.a,W=x", 0, 0, 0, NULL},
		{":2,S", "", MESSAGE_SEEN, 0, 0, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct file_name     f;
		autotext struct text again = {0};

		file_name_parse(span_of(rows[i].name), &f);
		ck_span(f.base, rows[i].base);
		ck_assert_uint_eq(f.flags, rows[i].flags);
		ck_assert_uint_eq(f.keywords, rows[i].keywords);
		ck_assert_uint_eq(f.full_size, rows[i].full);
		file_name_format(&f, f.flags, f.keywords, &again);
		ck_span(text_span(&again), rows[i].again ? rows[i].again : rows[i].name);
	}
	ck_assert_int_lt(file_name_compare(SPAN("9.M1"), SPAN("10.M1")), 0);
	ck_assert_int_lt(file_name_compare(SPAN("9.M9P1"), SPAN("9.M10P1")), 0);
	ck_assert_int_lt(file_name_compare(SPAN("9.M9P1"), SPAN("9.M9P2")), 0);
}

UNIT_TEST(mailbox_names) /* RFC 3501, 5.1.3 */
{
	static const struct {
		const char *utf7, *utf8;
	} rows[] = {
		{"&ZeVnLIqe-", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
			"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
		{"a&-b", "a&b"}, {"&2D3eCg-", "\xf0\x9f\x98\x8a"}, {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
	};
	static const char *const bad[] = {"&", "&a", "&Jjo!", "&U,BTFw-&ZeVnLIqe-", "a\xc3\xbc", "&AGE-",
		"&2D0-", "x&AA0ACg-y", "&AH8-", "&AIU-"};      /* a line's end, told in UTF-8, would be one */
	static const char *const unsaid[] = {"a\xc3", "a\nb", "a\xc2\x85", "\xe2\x80\xa8", "a\xe2\x80\xa9"};
	autotext struct text     out = {0};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autotext struct text there = {0}, back = {0};

		ck_assert_int_eq(mutf7_decode(span_of(rows[i].utf7), &there, NULL), 0);
		ck_span(text_span(&there), rows[i].utf8);
		ck_assert_int_eq(mutf7_encode(text_span(&there), &back, NULL), 0);
		ck_span(text_span(&back), rows[i].utf7);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!mutf7_valid(span_of(bad[i])), "%s", bad[i]);
	for (size_t i = 0; i < COUNT(unsaid); i++)
		ck_assert_msg(mutf7_encode_name(span_of(unsaid[i]), &out, NULL) < 0 && !out.len, "%s", unsaid[i]);
	ck_assert_int_eq(mutf7_encode_name(SPAN("\xe6\x97\xa5"), &out, NULL), 0);
	ck_span(text_span(&out), "&ZeU-");
}

static int
deliver(struct maildir *m, const struct maildir_message *message, const char *content,
	struct maildir_delivered *done, struct fault *why)
{
	struct maildir_delivery *d;

	if (maildir_delivery_start(m, "", &d, why) < 0)
		return -1;
	for (const char *c = content; *c; c++)
		ck_assert_int_eq(maildir_delivery_add(d, span_at(c, 1), why), 0);
	return maildir_delivery_finish(d, message, done, why);
}

UNIT_TEST(delivered_once)
{
	struct maildir          *m = fresh();
	struct maildir_message   message = {SPAN("4Xyz12Q"), SPAN("a@example.net"), 1795173692000007, false};
	struct maildir_delivered one = {0}, two = {0}, three = {0}, four = {0};
	struct fault             why = {0};
	autofree char           *from = NULL, *to = NULL;

	ck_assert_int_eq(deliver(m, &message, "A: b\n\nx\r\ny\n", &one, &why), 0);
	ck_assert(!one.duplicate);
	ck_assert_msg(span_ends(text_span(&one.name), ",S=11,W=14"), "%s", text_string(&one.name));
	ck_assert(span_starts(text_span(&one.name), "1795173692.M7Q4Xyz12QR"));
	ck_assert_int_eq(deliver(m, &message, "A: b\n\nx\r\ny\n", &two, &why), 0);
	ck_assert(two.duplicate);
	ck_assert_int_eq(count("new"), 1);
	from = mem_format("%s/new/%s", root, text_string(&one.name));
	to = mem_format("%s/cur/%s:2,S", root, text_string(&one.name));
	ck_assert_int_eq(rename(from, to), 0); /* read meanwhile */
	ck_assert_int_eq(deliver(m, &message, "A: b\n\nx\r\ny\n", &three, &why), 0);
	ck_assert(three.duplicate);
	ck_assert_int_eq(count("new"), 0);
	message.recipient = SPAN("b@example.net");
	ck_assert_int_eq(deliver(m, &message, "A: b\n\nx\r\ny\n", &four, &why), 0);
	ck_assert(!four.duplicate);
	ck_assert_int_eq(count("tmp"), 0);
	text_free(&one.name), text_free(&two.name), text_free(&three.name), text_free(&four.name);
	gone(m);
}

UNIT_TEST(same_name_other_content)
{
	struct maildir          *m = fresh();
	struct maildir_message   message = {SPAN("4Xyz12Q"), SPAN("a@example.net"), 1795173692000007, true};
	struct maildir_delivered one = {0}, two = {0};
	struct fault             why = {0};

	ck_assert_int_eq(deliver(m, &message, "A: b\n\nx\n", &one, &why), 0);
	ck_assert_int_eq(deliver(m, &message, "A: b\n\ny\n", &two, &why), 0);
	ck_assert(two.renamed && !two.duplicate);
	ck_assert_int_eq(count("new"), 2);
	text_free(&one.name), text_free(&two.name);
	gone(m);
}

UNIT_TEST(abort_leaves_nothing)
{
	struct maildir          *m = fresh();
	struct maildir_delivery *d;
	struct fault             why = {0};

	ck_assert_int_eq(maildir_delivery_start(m, "", &d, &why), 0);
	ck_assert_int_eq(maildir_delivery_add(d, SPAN("half"), &why), 0);
	maildir_delivery_abort(d);
	ck_assert_int_eq(count("tmp") + count("new") + count("cur"), 0);
	ck_assert_int_lt(maildir_delivery_start(m, "none", &d, &why), 0);
	ck_assert_int_eq(why.error, ENOENT);
	gone(m);
}

UNIT_TEST(folders_and_size_file)
{
	struct maildir          *m = fresh();
	struct maildir_delivered one = {0};
	struct fault             why = {0};
	autofree char           *size = mem_format("%s/maildirsize", root);
	autotext struct text     text = {0};

	ck_assert_int_eq(maildir_folder_create(m, "Archive.2026", &why), 0);
	ck_assert_int_lt(maildir_folder_create(m, "Archive.2026", &why), 0);
	ck_assert_int_eq(why.error, EEXIST);
	ck_assert(!maildir_folder_valid(SPAN("a..b")) && !maildir_folder_valid(SPAN(".a"))
		&& !maildir_folder_valid(SPAN("a/b")) && !maildir_folder_valid(SPAN("../b")));
	ck_assert_int_eq(file_replace(size, SPAN("1000S\n0 0\n"), 0600, &why), 0);
	ck_assert_int_eq(deliver(m, &(struct maildir_message){.recipient = SPAN_NONE, .queue_id = SPAN_NONE},
		"x\n", &one, &why), 0);
	ck_assert_int_eq(file_read(size, 1000, &text, &why), 0);
	ck_span(text_span(&text), "1000S\n0 0\n2 1\n");
	text_free(&one.name);
	gone(m);
}

UNIT_TEST(hostile_owner) /* SECURITY.md 2, 27: links and devices instead of directories */
{
	struct maildir          *m = fresh();
	struct maildir_delivery *d;
	struct fault             why = {0};
	autofree char           *new = mem_format("%s/new", root), *folder = mem_format("%s/.x", root);

	ck_assert_int_eq(rmdir(new), 0);
	ck_assert_int_eq(symlink("/tmp", new), 0);
	ck_assert_int_lt(maildir_delivery_start(m, "", &d, &why), 0);
	ck_assert_int_eq(symlink("/etc", folder), 0);
	ck_assert_int_lt(maildir_delivery_start(m, "x", &d, &why), 0);
	gone(m);
}

/* Where the file system has no rename that overwrites nothing: what cannot be taken away is not moved. */
UNIT_TEST(published_by_link)
{
	struct maildir *m = fresh();
	autofree char  *cur = mem_format("%s/cur", root), *new = mem_format("%s/new", root);
	autoclose int   from = open(cur, O_RDONLY | O_DIRECTORY), to = open(new, O_RDONLY | O_DIRECTORY);
	autoclose int   fd = openat(from, "a", O_WRONLY | O_CREAT | O_EXCL, 0600);
	bool            is_root = geteuid() == 0;
	struct fault    why = {0};

	ck_assert(from >= 0 && to >= 0 && fd >= 0);
	ck_assert(!is_root || (fchown(to, 65534, 65534) == 0 && fchown(fd, 65534, 65534) == 0));
	ck_assert_int_eq(fchmod(from, 0555), 0);
	ck_assert(!is_root || seteuid(65534) == 0);
	ck_assert_int_eq(publish_by_link(from, "a", to, "b", &why), -1);
	ck_assert_int_eq(why.error, EACCES);
	ck_assert(!is_root || seteuid(0) == 0);
	ck_assert_int_eq(count("cur"), 1);
	ck_assert_int_eq(count("new"), 0);
	ck_assert_int_eq(fchmod(from, 0755), 0);
	fault_clear(&why);
	ck_assert_int_eq(publish_by_link(from, "a", to, "b", &why), 0);
	ck_assert_int_eq(count("cur"), 0);
	ck_assert_int_eq(count("new"), 1);
	ck_assert_int_eq(publish_by_link(from, "a", to, "b", &why), -1);
	ck_assert_int_eq(why.error, ENOENT);
	gone(m);
}

UNIT_MAIN("store/maildir", file_names, mailbox_names, delivered_once, same_name_other_content,
	abort_leaves_nothing, folders_and_size_file, hostile_owner, published_by_link)
