/* SPDX-License-Identifier: ISC */
/*
 * test_folder.c - uidlist, keywords, open mailboxes, and taking over the trees of others
 *
 * takeover.tar.gz holds a Maildir made by Dovecot 2.3.19 and one by
 * Courier-IMAP 5.0.13, without their indexes.
 */
#include "../unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/dotlock.h"
#include "store/folder.h"
#include "store/location.h"
#include "store/place.h"
#include "store/subscriptions.h"
#include "store/tree.h"
#include "store/uidvalidity.h"

static char         root[64];
static struct fault why;

static void
run(const char *command)
{
	ck_assert_msg(system(command) == 0, "%s", command);
}

static struct maildir *
open_root(const char *below)
{
	autofree char  *path = mem_format("%s%s", root, below);
	struct maildir *m;

	ck_assert_msg(maildir_open(path, MAILDIR_CREATE, &m, &why) == 0, "%s", fault_text(&why));
	return m;
}

static struct maildir *
fresh(void)
{
	strcpy(root, "/tmp/test_folder_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	return open_root("");
}

static struct maildir *
take_over(const char *whose)
{
	const char    *top = getenv("top_srcdir");
	autofree char *command = NULL, *below = mem_format("/%s/Maildir", whose);

	strcpy(root, "/tmp/test_folder_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	command = mem_format("tar -xzf %s/t/unit/store/takeover.tar.gz -C %s", top ? top : ".", root);
	run(command);
	return open_root(below);
}

static void
gone(struct maildir *m)
{
	autofree char *command = mem_format("rm -rf %s", root);

	maildir_close(m);
	run(command);
}

static void
put(const char *name, const char *content)
{
	autofree char *path = mem_format("%s/%s", root, name);

	ck_assert_int_eq(file_replace(path, span_of(content), 0600, NULL), 0);
}

static void
ck_file(const char *name, const char *content)
{
	autofree char       *path = mem_format("%s/%s", root, name);
	autotext struct text text = {0};

	ck_assert_msg(file_read(path, 1 << 20, &text, &why) == 0, "%s", fault_text(&why));
	ck_span(text_span(&text), content);
}

static struct folder *
open_folder(struct maildir *m, const char *name)
{
	struct folder *f;

	ck_assert_msg(folder_open(m, name, 0, &f, &why) == 0, "%s", fault_text(&why));
	return f;
}

UNIT_TEST(uidlists)
{
	static const struct {
		const char *text;
		uint32_t    validity, next;
		size_t      count;
		bool        broken;
	} rows[] = {
		{"3 V9 N7 Gabc\n1 :a\n4 P O17 G12 :b:2,S\n", 9, 7, 2, false},
		{"3 V9 N1 Gabc\n1 :a\n2 :b\n", 9, 3, 2, false},           /* N too low */
		{"3 V9 N1 Gabc Xkept\r\n1 :a b\r\n2 :c", 9, 2, 1, false}, /* CRLF, a blank, no last end */
		{"3 V9 N3\n2 :a\n2 :b\n5 :c\n", 9, 6, 1, true},           /* not ascending: 5 is never reused */
		{"3 V9 N3\n2 :a/b\n", 9, 3, 0, true},
		{"3 V9 N3\n2 \n", 9, 3, 0, true},
		{"3 V0 N3\n2 :a\n", 0, 1, 0, true},
		{"4 V9 N3\n", 0, 1, 0, true},
		{"1 795174282 5\n1 x,S=28\n4 y\n", 795174282, 5, 2, false},
		{"", 0, 1, 0, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct uidlist l;

		uidlist_init(&l);
		uidlist_parse(span_of(rows[i].text), &l);
		ck_assert_msg(l.validity == rows[i].validity && l.next == rows[i].next
			&& l.count == rows[i].count && l.broken == rows[i].broken,
			"row %zu: V%u N%u %zu records", i, l.validity, l.next, l.count);
		uidlist_free(&l);
	}
}

UNIT_TEST(locations)
{
	static const struct {
		const char *setting, *root;
	} rows[] = {
		{"maildir:%h/Maildir", "/home/a/Maildir"}, {"maildir:~/M", "/home/a/M"},
		{"maildir:/v/%d/%n/100%%:INDEX=/i/%u", "/v/x.net/a/100%"},
		{"maildir:/v/%d:LAYOUT=fs", NULL}, {"mbox:~/mail", NULL}, {"maildir:rel", NULL},
		{"maildir:/%q", NULL},
	};
	struct location l;

	for (size_t i = 0; i < COUNT(rows); i++) {
		int r = location_parse(span_of(rows[i].setting), SPAN("a@x.net"), SPAN("/home/a"), &l, NULL);

		ck_assert_int_eq(r, rows[i].root ? 0 : -1);
		if (r == 0) {
			ck_span(text_span(&l.root), rows[i].root);
			location_free(&l);
		}
	}
	ck_assert_int_lt(location_parse(SPAN("maildir:/v/%u"), SPAN("../x"), SPAN("/h"), &l, NULL), 0);
}

UNIT_TEST(dovecot_tree)
{
	struct maildir      *m = take_over("dovecot");
	struct folder       *f = open_folder(m, "");
	struct subscriptions s;
	struct tree          t;
	static const uint32_t uids[] = {1, 2, 4, 5};
	int                  n;

	ck_assert_uint_eq(f->list.validity, 1795173694);
	ck_assert_uint_eq(f->list.next, 7);
	ck_assert_uint_eq(f->count, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(f->messages[i].uid, uids[i]);
	ck_assert_uint_eq(f->messages[1].flags, MESSAGE_FLAGGED | MESSAGE_SEEN);
	ck_assert_str_eq(keywords_name(&f->keywords, 0), "$Forwarded");
	ck_assert_uint_eq(f->messages[1].keywords, 1);
	ck_assert(!f->messages[0].recent);
	ck_assert_int_eq(folder_keyword(f, SPAN("JUNK"), false, &n, &why), 0);
	ck_assert_int_eq(n, 1);
	folder_close(f);
	f = open_folder(m, "Archive.2026");
	ck_assert_uint_eq(f->list.next, 2); /* the header says 1 */
	ck_assert_uint_eq(f->messages[0].keywords, 7);
	folder_close(f);
	f = open_folder(m, "KW");
	ck_assert_uint_eq(f->messages[0].keywords, (1 << 26) - 1);
	folder_close(f);
	ck_file("dovecot/Maildir/dovecot-uidlist",
		"3 V1795173694 N7 G71da6f313c2d006b5a4f000083ecc375\n"
		"1 :1795173692.M840744P20314.vm,S=128,W=135\n2 :1795173692.M842886P20314.vm,S=128,W=135\n"
		"4 :1795173692.M846340P20314.vm,S=128,W=135\n5 :1795173692.M847950P20314.vm,S=128,W=135\n");
	ck_assert_int_eq(tree_list(m, &t, &why), 0);
	ck_assert_uint_eq(t.count, 7);
	ck_assert_str_eq(t.names[0], "&ZeVnLIqe-");
	ck_assert(tree_has_children(&t, SPAN("Deep.a")) && !tree_has(&t, SPAN("Deep.a")));
	tree_free(&t);
	ck_assert_int_eq(subscriptions_read(m, &s, &why), 0);
	ck_assert_uint_eq(s.count, 4);
	ck_assert(subscriptions_has(&s, SPAN("Archive.2026")));
	subscriptions_free(&s);
	gone(m);
}

static void
ck_keywords(struct folder *f, size_t i, const char *names)
{
	autotext struct text have = {0};

	for (unsigned n = 0; n < KEYWORDS_MAX; n++)
		if (f->messages[i].keywords & (uint64_t)1 << n)
			text_add_format(&have, "%s ", keywords_name(&f->keywords, n));
	ck_span(text_span(&have), names);
}

UNIT_TEST(courier_tree)
{
	struct maildir      *m = take_over("courier");
	struct folder       *f = open_folder(m, "");
	struct subscriptions s;

	ck_assert_uint_eq(f->list.validity, 795174282);
	ck_assert_uint_eq(f->list.next, 5);
	ck_assert_uint_eq(f->count, 3);
	ck_assert_uint_eq(f->messages[2].uid, 4);
	ck_assert_uint_eq(f->messages[0].flags, MESSAGE_SEEN);
	ck_keywords(f, 0, "$label1 Foo ");
	ck_keywords(f, 1, "$Fwd ");
	ck_keywords(f, 2, "");
	folder_close(f);
	f = open_folder(m, "Archive");
	ck_keywords(f, 0, "$label1 Foo ");
	folder_close(f);
	f = open_folder(m, ""); /* now from dovecot-uidlist */
	ck_assert_uint_eq(f->list.validity, 795174282);
	ck_assert_uint_eq(f->messages[2].uid, 4);
	ck_assert_uint_eq(f->list.next, 5);
	folder_close(f);
	ck_assert_int_eq(subscriptions_read(m, &s, &why), 0);
	ck_assert_uint_eq(s.count, 2);
	ck_assert(subscriptions_has(&s, SPAN("Archive")) && subscriptions_has(&s, SPAN("INBOX")));
	subscriptions_free(&s);
	gone(m);
}

UNIT_TEST(uids_only_grow)
{
	struct maildir *m = fresh();
	struct folder  *f, *g;

	put("new/20.M2P1.h", "b\n");
	put("new/20.M1P1.h", "a\n");
	put("cur/9.M1P1.h:2,S", "0\n");
	f = open_folder(m, "");
	ck_assert_uint_eq(f->count, 3);
	ck_span(message_base(f, &f->messages[0]), "9.M1P1.h");
	ck_span(message_base(f, &f->messages[1]), "20.M1P1.h");
	ck_assert(!f->messages[0].recent && f->messages[1].recent && !f->messages[1].in_new);
	put("saved", "0\n");
	autofree char *path = mem_format("%s/cur/9.M1P1.h:2,S", root);

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert_uint_eq(f->count, 2);
	put("cur/9.M1P1.h:2,S", "0\n"); /* a restored backup: it comes back under a new UID */
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert_uint_eq(f->count, 3);
	ck_assert_uint_eq(f->messages[2].uid, 4);
	g = open_folder(m, "");
	ck_assert_uint_eq(g->count, 3);
	ck_assert_uint_eq(g->messages[2].uid, 4);
	ck_assert_uint_eq(g->list.validity, f->list.validity);
	ck_assert(!g->messages[1].recent);
	folder_close(g);
	folder_close(f);
	gone(m);
}

UNIT_TEST(flags_of_two_sessions)
{
	struct maildir    *m = fresh();
	struct folder     *f, *g;
	struct flag_change seen = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN};
	struct flag_change flagged = {.kind = FLAGS_ADD, .flags = MESSAGE_FLAGGED};
	uint32_t           one = 1;
	int                n;

	put("cur/1.a:2,P,x", "a\n");
	f = open_folder(m, "");
	g = open_folder(m, "");
	ck_assert_int_eq(folder_store(f, &one, 1, &seen, true, &why), 0);
	ck_assert_int_eq(folder_store(g, &one, 1, &flagged, true, &why), 0);
	ck_file("cur/1.a:2,FPS,x", "a\n");
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert_uint_eq(f->messages[0].flags, MESSAGE_SEEN | MESSAGE_FLAGGED);
	for (int i = 0; i < 30; i++) {
		autofree char *name = mem_format("kw%d", i);

		ck_assert_int_eq(folder_keyword(f, span_of(name), true, &n, &why), 0);
		ck_assert_int_eq(n, i);
	}
	struct flag_change last = {.kind = FLAGS_ADD, .keywords = (uint64_t)1 << 29 | 1 << 25};

	ck_assert_int_eq(folder_store(f, &one, 1, &last, true, &why), 0);
	ck_file("cur/1.a:2,FPSz,x+29", "a\n");
	ck_file("postern-keywords", "26 kw26\n27 kw27\n28 kw28\n29 kw29\n");
	ck_assert_int_eq(folder_sync(g, &why), 0);
	ck_assert_uint_eq(g->messages[0].keywords, last.keywords);
	ck_assert_str_eq(keywords_name(&g->keywords, 29), "kw29");
	folder_close(f);
	folder_close(g);
	gone(m);
}

UNIT_TEST(copy_move_expunge)
{
	struct maildir *m = fresh();
	struct folder  *f, *g;
	struct copied   c;
	uint32_t        uids[] = {1, 2};

	put("cur/1.a,S=2:2,S", "a\n");
	put("cur/2.b,S=2:2,T", "b\n");
	ck_assert_int_eq(maildir_folder_create(m, "T", &why), 0);
	f = open_folder(m, "");
	ck_assert_int_eq(folder_copy(f, uids, 2, &(struct copy_target){f->maildir, "T", ~0u, true}, false, &c, &why), 0);
	ck_assert_uint_eq(c.count, 2);
	ck_assert_uint_eq(c.to[1], 2);
	copied_free(&c);
	ck_file(".T/cur/1.a,S=2:2,S", "a\n"); /* the same base: the same GUID */
	ck_assert_int_eq(folder_copy(f, uids, 1, &(struct copy_target){f->maildir, "T", ~0u, true}, true, &c, &why), 0);
	ck_assert_uint_eq(c.to[0], 3);
	copied_free(&c);
	ck_assert_uint_eq(f->count, 1);
	g = open_folder(m, "T");
	ck_assert_uint_eq(g->count, 3);
	ck_assert_uint_eq(g->messages[2].flags, MESSAGE_SEEN);
	ck_assert_int_eq(folder_expunge(g, NULL, 0, false, &why), 0);
	ck_assert_uint_eq(g->count, 2);
	folder_close(g);
	ck_assert_int_eq(folder_copy(f, uids, 2, &(struct copy_target){f->maildir, "none", ~0u, true}, false, &c, &why), -1);
	ck_assert_int_eq(why.error, ENOENT);
	folder_close(f);
	gone(m);
}

UNIT_TEST(stale_records_go)
{
	struct maildir *m = fresh();
	struct folder  *f;

	put("dovecot-uidlist", "3 V5 N9 Gabc Zz\n1 :x\n2 P77 :1.a\n3 :y\n");
	put("cur/1.a:2,", "a\n");
	put("cur/2.b:2,", "b\n");
	f = open_folder(m, "");
	ck_file("dovecot-uidlist", "3 V5 N10 Gabc Zz\n2 P77 :1.a\n9 :2.b\n");
	ck_assert_uint_eq(f->messages[1].uid, 9);
	put("cur/3.c:2,", "c\n");
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_file("dovecot-uidlist", "3 V5 N10 Gabc Zz\n2 P77 :1.a\n9 :2.b\n10 :3.c\n");
	folder_close(f);
	gone(m);
}

UNIT_TEST(broken_list_keeps_its_good_part)
{
	struct maildir *m = fresh();
	struct folder  *f;

	put("dovecot-uidlist", "3 V5 N9 Gabc\n1 :1.a\nrubbish\n12 :2.b\n");
	put("cur/1.a:2,", "a\n");
	put("cur/2.b:2,", "b\n");
	f = open_folder(m, "");
	ck_assert_uint_eq(f->list.validity, 5);
	ck_assert_uint_eq(f->messages[0].uid, 1);
	ck_assert_uint_eq(f->messages[1].uid, 13); /* 12 may have been told */
	ck_file("dovecot-uidlist.broken", "3 V5 N9 Gabc\n1 :1.a\nrubbish\n12 :2.b\n");
	folder_close(f);
	gone(m);
}

UNIT_TEST(odd_files) /* SECURITY.md 2, 27 */
{
	struct maildir *m = fresh();
	struct folder  *f;
	autofree char  *command = mem_format("cd %s && mkfifo new/fifo && mkdir cur/dir && "
		"ln -s /etc/passwd cur/link && touch .dovecot.sieve 'cur/1.z\nq' && ln -s /tmp .Link", root);
	struct tree     t;

	put("new/1.a", "a\n");
	put("cur/1.a:2,S", "another\n"); /* the same base twice */
	put("cur/:2,F", "no base\n");
	run(command);
	f = open_folder(m, "");
	ck_assert_uint_eq(f->count, 3);
	folder_close(f);
	ck_assert_int_eq(tree_list(m, &t, &why), 0);
	ck_assert_uint_eq(t.count, 0);
	gone(m);
}

UNIT_TEST(locks)
{
	struct maildir *m = fresh();
	struct dotlock  l = {0}, k = {0};
	int             status;
	pid_t           pid;

	ck_assert_int_eq(dotlock_take(maildir_root(m), "x", 120, 0, &l, &why), 0);
	ck_assert_int_eq(dotlock_take(maildir_root(m), "x", 120, 0, &k, &why), -1);
	ck_assert_int_eq(why.class, FAULT_TIME);
	dotlock_release(&l);
	if ((pid = fork()) == 0) {
		dotlock_take(maildir_root(m), "x", 120, 0, &l, &why);
		_exit(0); /* dies with it */
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(dotlock_take(maildir_root(m), "x", 120, 0, &l, &why), 0);
	dotlock_release(&l);
	gone(m);
}

UNIT_TEST(mailbox_tree)
{
	struct maildir      *m = fresh();
	struct tree          t;
	struct subscriptions s;
	bool                 found;
	uint32_t             a, b;

	ck_assert_int_eq(maildir_folder_create(m, "a", &why), 0);
	ck_assert_int_eq(maildir_folder_create(m, "a.b", &why), 0);
	ck_assert_int_eq(tree_rename(m, "a", "c", &why), 0);
	ck_assert_int_eq(tree_list(m, &t, &why), 0);
	ck_assert_uint_eq(t.count, 2);
	ck_assert_str_eq(t.names[1], "c.b");
	tree_free(&t);
	ck_assert_int_eq(tree_rename(m, "c", "c.x", &why), -1);
	ck_assert_int_eq(tree_delete(m, "c", &why), 0);
	ck_assert(!tree_exists(m, "c") && tree_exists(m, "c.b"));
	ck_assert_int_eq(tree_delete(m, "c", &why), -1);
	ck_assert_int_eq(why.error, ENOENT);
	ck_assert_int_eq(subscriptions_change(m, SPAN("c.b"), true, &found, &why), 0);
	ck_assert_int_eq(subscriptions_change(m, SPAN("INBOX"), true, &found, &why), 0);
	ck_file("subscriptions", "V\t2\n\nc\tb\nINBOX\n");
	ck_assert_int_eq(subscriptions_change(m, SPAN("c.b"), false, &found, &why), 0);
	ck_assert(found);
	ck_assert_int_eq(subscriptions_read(m, &s, &why), 0);
	ck_assert_uint_eq(s.count, 1);
	subscriptions_free(&s);
	ck_assert_int_eq(uidvalidity_next(maildir_root(m), &a, &why), 0);
	ck_assert_int_eq(uidvalidity_next(maildir_root(m), &b, &why), 0);
	ck_assert_uint_eq(b, a + 1);
	gone(m);
}

UNIT_TEST(rename_is_whole_or_not_at_all)
{
	struct maildir *m = fresh();
	autofree char  *child = mem_format("a.%0100d", 1), *longer = mem_format("%0200d", 2);
	struct tree     t = {0};

	ck_assert_int_eq(maildir_folder_create(m, "a", &why), 0);
	ck_assert_int_eq(maildir_folder_create(m, "a.!", &why), 0); /* stands before the long one */
	ck_assert_int_eq(maildir_folder_create(m, child, &why), 0);
	ck_assert_int_eq(tree_rename(m, "a", longer, &why), -1);
	ck_assert_int_eq(why.class, FAULT_INPUT);
	ck_assert_int_eq(mkdirat(maildir_root(m), ".z.!", 0700), 0); /* no mailbox, and in the way */
	ck_assert_int_eq(tree_rename(m, "a", "z", &why), -1);
	ck_assert_int_eq(why.error, EEXIST);
	ck_assert_int_eq(tree_list(m, &t, &why), 0);
	ck_assert_uint_eq(t.count, 3);
	ck_assert_str_eq(t.names[0], "a");
	ck_assert_str_eq(t.names[1], "a.!");
	ck_assert_str_eq(t.names[2], child);
	tree_free(&t);
	gone(m);
}

UNIT_MAIN("store/folder", uidlists, locations, dovecot_tree, courier_tree, uids_only_grow,
	flags_of_two_sessions, copy_move_expunge, stale_records_go, broken_list_keeps_its_good_part,
	odd_files, locks, mailbox_tree, rename_is_whole_or_not_at_all)
