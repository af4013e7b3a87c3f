/* SPDX-License-Identifier: ISC */
/*
 * test_snapshot.c - a mailbox that is followed, or known from its snapshot, is what a full look finds
 */
#include "../unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/history.h"
#include "store/snapshot.h"
#include "store/watch.h"

static char            root[64];
static struct fault    why;
static struct maildir *m;
static struct index   *x;
static int             named;

static void
start(void)
{
	strcpy(root, "/tmp/test_snapshot_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_msg(maildir_open(root, MAILDIR_CREATE, &m, &why) == 0, "%s", fault_text(&why));
	ck_assert_ptr_nonnull(x = index_open(root, NULL));
}

static void
stop(void)
{
	autofree char *command = mem_format("rm -rf %s", root);

	index_close(x);
	maildir_close(m);
	ck_assert(system(command) == 0);
}

static void
add(const char *where, const char *info)
{
	autofree char *path = mem_format("%s/%s/%d.x%s", root, where, 1000 + named++, info);
	int            fd = open(path, O_CREAT | O_WRONLY, 0600);

	ck_assert(fd >= 0);
	close(fd);
}

static struct folder *
open_folder(void)
{
	struct folder *f;

	ck_assert_msg(history_open(m, x, "", 0, &f, &why) == 0, "%s", fault_text(&why));
	return f;
}

/* Reopened until the snapshot is what it comes from: times must settle first. */
static struct folder *
open_from_snapshot(void)
{
	int64_t deadline = clock_after(10000);

	for (;;) {
		struct folder *f = open_folder();

		if (f->is_kept)
			return f;
		ck_assert_msg(clock_left(deadline) > 0, "never kept");
		folder_close(f);
		usleep(20000);
	}
}

/* Against one that knows nothing. */
static void
ck_same(const struct folder *f)
{
	struct folder *g;

	ck_assert_msg(folder_open(m, "", FOLDER_READ_ONLY, &g, &why) == 0, "%s", fault_text(&why));
	ck_assert_uint_eq(f->count, g->count);
	ck_assert_uint_eq(f->list.next, g->list.next);
	ck_assert_uint_eq(f->validity, g->validity);
	for (size_t i = 0; i < f->count; i++) {
		ck_assert_uint_eq(f->messages[i].uid, g->messages[i].uid);
		ck_assert_str_eq(f->messages[i].name, g->messages[i].name);
		ck_assert_uint_eq(f->messages[i].flags, g->messages[i].flags);
		ck_assert(f->messages[i].keywords == g->messages[i].keywords && f->messages[i].base_len == g->messages[i].base_len);
	}
	folder_close(g);
}

UNIT_TEST(a_snapshot_is_what_a_look_finds)
{
	struct folder *f;

	start();
	for (int i = 0; i < 600; i++)
		add("cur", i % 3 ? ":2,S" : ":2,");
	f = open_from_snapshot();
	ck_assert_uint_eq(f->count, 600);
	ck_assert(f->list.unread); /* nothing was read for it */
	ck_assert(folder_find(f, 7)->modseq && folder_find(f, 7)->modseq <= f->modseq);
	ck_same(f);
	ck_assert_uint_eq(folder_guid(f, &f->messages[0]).len, 6);
	ck_same(f);
	folder_close(f);
	stop();
}

UNIT_TEST(what_others_do_outdates_a_snapshot)
{
	static const char *const deeds[] = {"mv $M/cur/1100.x:2,S $M/cur/1100.x:2,FS", "rm $M/cur/1101.x* $M/cur/1300.x*",
		"touch $M/new/2000.y $M/cur/2001.y:2,", "sed -i '$s/^[0-9]* /9000 /' $M/dovecot-uidlist", "rm $M/dovecot-uidlist"};

	start();
	setenv("M", root, 1);
	named = 0;
	for (int i = 0; i < 400; i++)
		add("cur", i % 3 ? ":2,S" : ":2,");
	for (size_t i = 0; i < COUNT(deeds); i++) {
		struct folder *f = open_from_snapshot();

		folder_close(f);
		ck_assert(system(deeds[i]) == 0);
		f = open_folder();
		ck_assert(!f->is_kept);
		ck_same(f);
		folder_close(f);
	}
	stop();
}

/* One deed on the files, as mutt or another server would do it. */
static void
do_something(unsigned n, unsigned pick)
{
	static const char *const infos[] = {":2,", ":2,S", ":2,FS", ":2,Sa", ":2,R", ""};
	autofree char            *from = NULL, *to = NULL;
	autofree char            *cur = mem_format("%s/cur", root);
	DIR                      *dir = opendir(cur);
	char                      name[256] = "";

	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.' && pick-- == 0)
			snprintf(name, sizeof name, "%s", e->d_name);
	closedir(dir);
	from = mem_format("%s/cur/%s", root, name);
	if (n < 3 || !*name) {
		add(n == 0 ? "cur" : "new", n == 0 ? ":2,S" : "");
	} else if (n == 3) {
		ck_assert(unlink(from) == 0);
	} else if (n == 4) { /* away and back in between: never away for who looks later */
		to = mem_format("%s/new/%.6s", root, name);
		ck_assert(rename(from, to) == 0 && rename(to, from) == 0);
	} else {
		to = mem_format("%s/cur/%.6s%s", root, name, infos[n % COUNT(infos)]);
		ck_assert(rename(from, to) == 0);
	}
}

UNIT_TEST(who_follows_sees_what_a_look_finds)
{
	struct folder *f;
	unsigned       seed = 7;

	start();
	for (int i = 0; i < 30; i++)
		add("cur", ":2,");
	f = open_folder();
	for (int i = 0; i < 400; i++) {
		uint32_t           uid = f->count ? f->messages[(seed >> 3) % f->count].uid : 1;
		struct flag_change c = {.kind = i % 2 ? FLAGS_ADD : FLAGS_REMOVE, .flags = MESSAGE_DELETED};

		for (unsigned k = 0; k < seed % 4; k++) {
			do_something((seed >> 8) % 12, (seed >> 16) % 20);
			seed = seed * 1103515245 + 12345;
		}
		seed = seed * 1103515245 + 12345;
		if (i % 5 == 0)
			ck_assert_msg(folder_store(f, &uid, 1, &c, false, &why) == 0, "%s", fault_text(&why));
		if (i % 60 == 0)
			ck_assert_msg(folder_expunge(f, NULL, 0, false, &why) == 0, "%s", fault_text(&why));
		ck_assert_msg(folder_sync(f, &why) == 0, "%s", fault_text(&why));
		if (!f->scanned) /* it says itself that it must look again */
			ck_assert_msg(folder_sync(f, &why) == 0, "%s", fault_text(&why));
		ck_same(f);
		for (size_t k = 0; k < f->count; k++)
			ck_assert(f->messages[k].modseq && f->messages[k].modseq <= f->modseq);
	}
	ck_assert(!watch_sees_all(f->dir) || f->watch);
	folder_close(f);
	stop();
}

UNIT_MAIN("lib/store snapshot", a_snapshot_is_what_a_look_finds, what_others_do_outdates_a_snapshot, who_follows_sees_what_a_look_finds)
