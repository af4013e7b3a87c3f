/* SPDX-License-Identifier: ISC */
/*
 * test_quota.c - rules of quota and maildirsize (Maildir++, Dovecot's settings)
 */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "store/folder.h"
#include "store/lazy.h"
#include "store/quota.h"
#include "store/tree.h"

static int n_synced;

/* In place of the library's: what a power cut leaves cannot be seen otherwise. */
int
fsync(int fd)
{
	n_synced++;
	return (int)syscall(SYS_fsync, fd);
}

static char            root[64];
static struct fault    why;
static struct maildir *m;

static void
start(void)
{
	strcpy(root, "/tmp/test_quota_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert(maildir_open(root, MAILDIR_CREATE, &m, &why) == 0);
}

static void
stop(void)
{
	autofree char *command = mem_format("rm -rf %s", root);

	maildir_close(m);
	ck_assert(system(command) == 0);
}

static void
write_at(const char *name, const char *content)
{
	autofree char *path = mem_format("%s/%s", root, name);
	FILE          *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(content, f);
	fclose(f);
}

static const char *
read_size(void)
{
	static char    got[8192];
	autofree char *path = mem_format("%s/maildirsize", root);
	FILE          *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	got[fread(got, 1, sizeof got - 1, f)] = '\0';
	fclose(f);
	return got;
}

static struct quota *
make(const char *rule, const char *rule2, const char *user)
{
	struct quota_settings s = {.root = "maildir:User quota", .grace = "10%",
		.rule = {rule, rule2, "", "", "", "", "", "", ""}, .exceeded_message = "full"};
	struct quota         *q;

	ck_assert_msg(quota_make(&s, span_of(user), &q, &why) == 0, "%s", fault_text(&why));
	return q;
}

static bool
may(struct quota *q, const char *folder, int64_t bytes, int64_t count, enum quota_how how)
{
	return quota_check(q, m, folder, bytes, count, bytes, how, &why) == 0;
}

UNIT_TEST(maildirsize_is_limits_and_a_sum)
{
	struct quota_use u;
	size_t           lines;

	ck_assert(quota_parse(SPAN("524288000S,1000C\n100 2\n-50 -1\n"), &u, &lines));
	ck_assert(u.bytes_limit == 524288000 && u.count_limit == 1000 && u.bytes == 50 && u.count == 1 && lines == 2);
	ck_assert(quota_parse(SPAN("1000S\n          50            1\n"), &u, &lines));      /* Courier pads */
	ck_assert(u.bytes == 50 && u.count == 1 && u.count_limit == 0);
	ck_assert(quota_parse(SPAN("0S\n"), &u, &lines) && lines == 0);
	ck_assert(!quota_parse(SPAN("1000S\n-50 -1\n"), &u, &lines));
	ck_assert(!quota_parse(SPAN("1000S\n50 1\n7"), &u, &lines));
	ck_assert(!quota_parse(span_at("1000S\n50 1\0\n", 12), &u, &lines));
	ck_assert(!quota_parse(SPAN("1000S\n50\n"), &u, &lines));
	ck_assert(!quota_parse(SPAN(""), &u, &lines));
}

UNIT_TEST(rules_are_dovecots)
{
	struct quota_use u = {0};
	struct quota    *q;

	start();
	q = make("*:storage=1k:messages=2", "Trash:storage=+50%", "");
	ck_assert(quota_recount(q, m, &u, &why) == 0);
	ck_assert_str_eq(read_size(), "1024S,2C\n0 0  \n");
	ck_assert(may(q, "", 1024, 1, QUOTA_SAVING) && !may(q, "", 1025, 1, QUOTA_SAVING));
	ck_assert(why.class == FAULT_DENIED && why.error == EDQUOT);
	ck_assert(may(q, "", 1126, 1, QUOTA_DELIVERING) && !may(q, "", 1127, 1, QUOTA_DELIVERING));
	ck_assert(may(q, "Trash", 1536, 1, QUOTA_SAVING) && !may(q, "Trash", 1537, 1, QUOTA_SAVING));
	ck_assert(!may(q, "", 1, 3, QUOTA_DELIVERING));
	quota_free(q);
	q = make("*:storage=1k", "Spam/*:ignore", "quota_rule=*:bytes=10");
	ck_assert(!may(q, "", 11, 1, QUOTA_SAVING) && may(q, "Spam.x", 99999, 1, QUOTA_SAVING));
	ck_assert_str_eq(read_size(), "10S\n0 0  \n");
	quota_free(q);
	q = make("?:bytes=10", "", "quota_rule2=Trash:bytes=5");       /* ? is for those without */
	ck_assert(unlinkat(maildir_root(m), "maildirsize", 0) == 0);
	ck_assert(may(q, "", 1 << 30, 1, QUOTA_SAVING));
	ck_assert(!may(q, "Trash", 6, 1, QUOTA_SAVING));
	quota_free(q);
	q = make("*:bytes=9:messages=1", "Spam/*:ignore", "quota_rule2=Trash:bytes=5\tquota_set=*:bytes=8\tquota_set=*:bytes=10");
	ck_assert(!may(q, "", 11, 1, QUOTA_SAVING) && may(q, "", 10, 9, QUOTA_SAVING));     /* the last holds, instead of all of * */
	ck_assert(!may(q, "Trash", 6, 1, QUOTA_SAVING));
	quota_free(q);
	q = make("*:bytes=9", "", "quota_set=*:bytes=8\tquota_set=");
	ck_assert(!may(q, "", 10, 1, QUOTA_SAVING) && may(q, "", 9, 1, QUOTA_SAVING));
	quota_free(q);
	q = make("*:storage=+1%%", "*:messages=1", "");
	quota_free(q);
	stop();
}

/* Limits of Courier's or Dovecot's file that no rule of ours tells are nowhere else. */
UNIT_TEST(limits_of_the_file_alone_outlive_a_power_cut)
{
	struct quota_use u = {0};
	struct quota    *q = make("", "", "");

	start();
	write_at("maildirsize", "1000S,7C\n0 0\n");
	ck_assert(quota_look(q, m, QUOTA_SURE, &u, &why) == 0);
	ck_assert(u.bytes_limit == 1000 && u.count_limit == 7);
	n_synced = 0;
	ck_assert(quota_recount(q, m, &u, &why) == 0);
	ck_assert_str_eq(read_size(), "1000S,7C\n0 0 \n");
	ck_assert_int_ge(n_synced, 1);
	quota_free(q);
	stop();
}

/* An administrator's limits, or a rule of main.cf, that are no more; others may have added lines, and the sum may be broken. */
UNIT_TEST(limits_of_rules_go_with_the_rules)
{
	static const char *const behind[] = {"", "5 1\n-5 -1\n", "rubbish\n"};
	struct quota_use u;
	struct quota    *set, *none = make("", "", "quota_set=");

	start();
	set = make("", "", "quota_set=*:bytes=2048:messages=9");
	for (size_t i = 0; i < COUNT(behind); i++) {
		autofree char *body = NULL;

		ck_assert(quota_look(set, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes_limit == 2048 && u.count_limit == 9);
		ck_assert(!may(set, "", 3000, 1, QUOTA_SAVING));
		body = mem_format("%s%s", read_size(), behind[i]);
		write_at("maildirsize", body);
		ck_assert_msg(may(none, "", 3000, 1, QUOTA_SAVING), "behind \"%s\"", behind[i]);
		ck_assert(quota_look(none, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes_limit == 0 && u.count_limit == 0);
		ck_assert_str_eq(read_size(), "0S\n0 0 \n");
	}
	write_at("maildirsize", "30S,4C\n0 0\n");              /* Courier's administrator gives him some */
	ck_assert(quota_look(none, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes_limit == 30 && u.count_limit == 4);
	quota_free(set);
	quota_free(none);
	stop();
}

UNIT_TEST(what_cannot_be_meant_is_refused)
{
	static const char *const bad[] = {"*", "*:storage=", "*:storage=1X", "*:size=1", "*:messages=1k", ":storage=1",
		"*:mailboxes=+1", "*:mailboxes=10%", "Trash:mailboxes=1"};
	struct quota            *q;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct quota_settings s = {.root = "maildir:x", .grace = "0", .rule = {bad[i], "", "", "", "", "", "", "", ""}};

		ck_assert_msg(quota_make(&s, SPAN_NONE, &q, &why) < 0 && why.class == FAULT_INPUT, "%s", bad[i]);
	}
	struct quota_settings s = {.root = "dict:x", .grace = "0", .rule = {"", "", "", "", "", "", "", "", ""}};

	ck_assert(quota_make(&s, SPAN_NONE, &q, &why) < 0);
}

UNIT_TEST(a_count_that_drifted_refuses_nobody)
{
	struct quota *q;

	start();
	q = make("*:bytes=100:messages=3", "", "");
	write_at("maildirsize", "100S,3C\n90 2\n");           /* somebody removed files since */
	write_at("new/1.M1P1.h,S=20", "01234567890123456789");
	ck_assert(may(q, "", 80, 1, QUOTA_SAVING));
	ck_assert_str_eq(read_size(), "100S,3C\n20 1  \n");
	ck_assert(!may(q, "", 81, 1, QUOTA_SAVING));
	quota_free(q);
	stop();
}

/* Long ago, as far as times tell. */
static void
age(const char *name)
{
	struct timespec past[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};

	ck_assert(utimensat(maildir_root(m), name, past, 0) == 0);
}

UNIT_TEST(a_later_line_does_not_hide_one_that_was_never_written)
{
	struct quota_use u = {0};
	struct quota    *q;

	start();
	q = make("*:bytes=100", "", "");
	maildir_set_quota(m, q);
	ck_assert(quota_recount(q, m, &u, &why) == 0);
	write_at("new/1.M1P1.h,S=60", "six");
	maildir_size_add(m, "", 60, 1);
	ck_assert(unlinkat(maildir_root(m), "new/1.M1P1.h,S=60", 0) == 0);     /* and killed */
	write_at("new/2.M1P1.h,S=20", "two");
	age("new");
	maildir_size_add(m, "", 20, 1);
	ck_assert(may(q, "", 80, 1, QUOTA_SAVING));
	quota_free(q);
	stop();
}

UNIT_TEST(a_full_mailbox_is_counted_once)
{
	struct quota *q;

	start();
	q = make("*:bytes=100", "", "");
	write_at("new/1.M1P1.h,S=90", "nine");
	age("new");
	age("cur");
	ck_assert(!may(q, "", 20, 1, QUOTA_SAVING));
	write_at("maildirsize", "100S\n91 1 \n");              /* what is believed is not counted */
	ck_assert(!may(q, "", 20, 1, QUOTA_SAVING));
	ck_assert_str_eq(read_size(), "100S\n91 1 \n");
	write_at("maildirsize", "100S\n91 1\n");               /* another server's: it may have missed what went on */
	ck_assert(!may(q, "", 20, 1, QUOTA_SAVING));
	ck_assert_str_eq(read_size(), "100S\n90 1  \n");
	age("maildirsize");                                    /* written before the last change */
	write_at("new/2.M1P1.h,S=5", "five");
	ck_assert(!may(q, "", 20, 1, QUOTA_SAVING));
	ck_assert_str_eq(read_size(), "100S\n95 2  \n");
	quota_free(q);
	stop();
}

/* A disk that is full between a message and its UID: the message is in the mailbox that keeps it, and counts there. */
UNIT_TEST(what_was_kept_counts_though_its_uid_was_not_written)
{
	struct lazy_settings kept = {.mailbox = "EXPUNGED", .exclude = {"", "", "", "", "", "", "", "", ""}};
	struct lazy         *z;
	struct folder       *f;
	struct rlimit        before, few;
	struct quota_use     u;
	size_t               lines;

	start();
	for (int i = 0; i < 12; i++)
		write_at(mem_format("cur/1000.%d.x,S=5:2,T", i), "hello");
	ck_assert(lazy_make(&kept, SPAN_NONE, &z, &why) == 0);
	maildir_set_lazy(m, z);
	ck_assert(maildir_folder_create(m, "EXPUNGED", &why) == 0 && folder_open(m, "", 0, &f, &why) == 0);
	write_at("maildirsize", "1000S\n60 12\n");
	signal(SIGXFSZ, SIG_IGN);
	ck_assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
	few = (struct rlimit){100, before.rlim_max};
	ck_assert(setrlimit(RLIMIT_FSIZE, &few) == 0);
	ck_assert(folder_expunge(f, NULL, 0, false, &why) < 0);
	ck_assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
	folder_close(f);
	ck_assert(quota_parse(span_of(read_size()), &u, &lines));
	ck_assert_msg(u.bytes == 60 && u.count == 12, "%s", read_size());
	lazy_free(z);
	stop();
}
END_TEST

UNIT_TEST(it_is_counted_anew_when_it_must)
{
	struct quota_use u;
	struct quota    *q;
	autotext struct text big = {0};

	start();
	q = make("*:bytes=100", "", "");
	write_at("cur/1.M1P1.h:2,S", "0123456789");             /* no S=: the file says */
	ck_assert(maildir_folder_create(m, "a.b", &why) == 0);
	write_at(".a.b/new/2.M1P1.h,S=5", "01234");
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes == 15 && u.count == 2 && u.bytes_limit == 100);
	maildir_set_quota(m, q);
	maildir_size_add(m, "", 7, 1);
	ck_assert_str_eq(read_size(), "100S\n15 2  \n7 1\n");
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes == 22);
	write_at("maildirsize", "200S\n22 3\n");               /* other limits */
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes == 15);
	write_at("maildirsize", "100S\n-5 3\n");
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes == 15);
	text_add_string(&big, "100S\n");
	while (big.len < QUOTA_FILE_MOST)
		text_add_string(&big, "0 0\n");
	write_at("maildirsize", text_string(&big));
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes == 15);
	write_at("maildirsize", "100S\n90 9\n20 1\n");         /* over by more than one line */
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes == 15);
	ck_assert(tree_delete(m, "a.b", &why) == 0);
	ck_assert_str_eq(read_size(), "100S\n10 1  \n");
	quota_free(q);
	q = make("", "", "");                                    /* Courier's user keeps his limits */
	write_at("maildirsize", "30S,4C\n10 1\n");
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes_limit == 30 && u.count_limit == 4);
	write_at("maildirsize", "30S,4C\nrubbish\n");
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes_limit == 30 && u.bytes == 10);
	ck_assert_str_eq(read_size(), "30S,4C\n10 1 \n");
	text_clear(&big);
	text_add_string(&big, "30S,4C\n");
	while (big.len < QUOTA_FILE_MOST)
		text_add_string(&big, "0 0\n");
	write_at("maildirsize", text_string(&big));
	ck_assert(quota_look(q, m, QUOTA_QUICK, &u, &why) == 0 && u.bytes_limit == 30 && u.count_limit == 4);
	ck_assert_str_eq(read_size(), "30S,4C\n10 1 \n");
	quota_free(q);
	stop();
}

UNIT_TEST(limits_of_a_file_that_cannot_be_read_are_not_overwritten)
{
	struct quota_use u = {0};
	struct quota    *q;
	struct stat      st;
	int              got;

	start();
	q = make("", "", "");
	write_at("maildirsize", "30S,4C\n10 1\n");
	for (size_t i = 0; i < 4; i++)
		ck_assert(fchmodat(maildir_root(m), ((const char *[]){".", "cur", "new", "tmp"})[i], 0777, 0) == 0);
	ck_assert(fchmodat(maildir_root(m), "maildirsize", 0, 0) == 0);
	ck_assert(geteuid() != 0 || seteuid(65534) == 0);
	got = quota_look(q, m, QUOTA_QUICK, &u, &why);
	ck_assert(getuid() != 0 || seteuid(0) == 0);
	ck_assert(got == -1 && why.error == EACCES);
	ck_assert(fstatat(maildir_root(m), "maildirsize", &st, 0) == 0 && st.st_size == 12);
	maildir_set_quota(m, q);
	ck_assert(geteuid() != 0 || seteuid(65534) == 0);
	got = maildir_folder_create(m, "a", &why) == 0 && tree_delete(m, "a", &why) == 0;
	ck_assert(getuid() != 0 || seteuid(0) == 0);
	ck_assert(got == 1);
	ck_assert(fstatat(maildir_root(m), "maildirsize", &st, 0) == 0 && st.st_size == 12);
	quota_free(q);
	stop();
}

UNIT_MAIN("lib/store quota", what_was_kept_counts_though_its_uid_was_not_written, maildirsize_is_limits_and_a_sum, rules_are_dovecots,
	limits_of_the_file_alone_outlive_a_power_cut, limits_of_a_file_that_cannot_be_read_are_not_overwritten,
	limits_of_rules_go_with_the_rules, what_cannot_be_meant_is_refused,
	a_count_that_drifted_refuses_nobody, a_later_line_does_not_hide_one_that_was_never_written,
	a_full_mailbox_is_counted_once, it_is_counted_anew_when_it_must)
