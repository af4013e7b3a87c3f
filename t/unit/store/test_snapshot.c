/* SPDX-License-Identifier: ISC */
/*
 * test_snapshot.c - a mailbox that is followed, or known from its snapshot, is what a full look finds
 */
#include "../unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/history.h"
#include "store/place.h"
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
		ck_assert_str_eq(message_name(f, &f->messages[i]), message_name(g, &g->messages[i]));
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

UNIT_TEST(who_is_unseen_and_recent_is_known_without_a_look_at_all)
{
	struct folder     *f;
	uint32_t           uid = 41;
	struct flag_change c = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN};
	size_t             recent, unseen;

	start();
	for (int i = 1; i <= 60; i++)
		add("cur", i == 41 || i == 50 ? ":2," : ":2,S");
	f = open_from_snapshot();
	ck_assert(folder_is_lent(f));
	folder_tally(f, &recent, &unseen);
	ck_assert(recent == 0 && unseen == 41);
	ck_assert_int_eq(folder_store(f, &uid, 1, &c, true, &why), 0);
	folder_tally(f, &recent, &unseen);
	ck_assert(recent == 0 && unseen == 50);
	folder_close(f);
	f = open_from_snapshot();
	ck_assert(folder_is_lent(f));
	folder_tally(f, &recent, &unseen);
	ck_assert(recent == 0 && unseen == 50);
	folder_close(f);
	f = open_folder();
	ck_assert(folder_is_lent(f) && f->lender->proven); /* all was read before in this session */
	folder_tally(f, &recent, &unseen);
	ck_assert(unseen == 50);
	ck_same(f);
	folder_close(f);
	stop();
}

UNIT_TEST(who_changes_what_is_known_looks_at_nothing_else)
{
	struct folder     *f;
	uint32_t           uid = 3;
	struct flag_change c = {.kind = FLAGS_ADD, .flags = MESSAGE_FLAGGED};

	start();
	for (int i = 0; i < 100; i++)
		add("cur", ":2,S");
	f = open_from_snapshot();
	ck_assert_int_eq(folder_store(f, &uid, 1, &c, true, &why), 0);
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert(f->watch && f->room.mapped); /* a look at all makes a new array */
	ck_same(f);
	add("cur", ":2,");
	uid = 5;
	ck_assert_int_eq(folder_expunge(f, &uid, 1, true, &why), 0);
	ck_same(f);
	ck_assert_uint_eq(f->count, 100);
	folder_close(f);
	f = open_from_snapshot();
	add("new", ""); /* by somebody else, before this session changes something */
	ck_assert_int_eq(folder_store(f, &uid, 1, &c, true, &why), 0);
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert_uint_eq(f->count, 101);
	ck_same(f);
	folder_close(f);
	f = open_from_snapshot();
	uid = 7;
	ck_assert_int_eq(folder_expunge(f, &uid, 1, true, &why), 0);
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert(f->watch && f->room.mapped);
	ck_same(f);
	folder_close(f);
	stop();
}

/* What another server did to the list alone is seen, whoever read the list meanwhile. */
UNIT_TEST(a_list_that_became_another_is_seen_although_no_directory_changed)
{
	struct folder  *f;
	struct placing *p;

	start();
	for (int i = 0; i < 60; i++)
		add("cur", ":2,S");
	f = open_from_snapshot();
	autofree char *deed = mem_format("cd %s && sed '1s/ V[0-9]* / V77 /' dovecot-uidlist >y && mv y dovecot-uidlist", root);

	ck_assert(system(deed) == 0);
	ck_assert_int_eq(placing_begin(m, "", NULL, f, &p, &why), 0);
	placing_abort(p);
	ck_assert_int_eq(folder_sync(f, &why), -1);
	ck_assert_int_eq(why.error, ENOENT);
	folder_close(f);
	stop();
}

UNIT_TEST(what_others_do_outdates_a_snapshot)
{
	static const char *const deeds[] = {"mv $M/cur/1100.x:2,S $M/cur/1100.x:2,FS", "rm $M/cur/1101.x* $M/cur/1300.x*",
		"touch $M/new/2000.y $M/cur/2001.y:2,", "touch -r $M/cur $M/time && mv $M/cur/1103.x:2,S $M/cur/1103.x:2,F && touch -r $M/time $M/cur", "sed -i '$s/^[0-9]* /9000 /' $M/dovecot-uidlist", "rm $M/dovecot-uidlist"};

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

static char *
snapshot_path(void)
{
	return mem_format("%s/postern.snapshot", root);
}

/* Where its messages begin, and its names. */
enum { HEAD = 512, MESSAGES = 65536 };

static void
write_zeros(off_t at, size_t count)
{
	autofree char *path = snapshot_path(), *zeros = mem_alloc(count);
	autoclose int  fd = open(path, O_WRONLY);

	ck_assert(fd >= 0 && pwrite(fd, zeros, count, at) == (ssize_t)count);
}

/* None is a crash, and none shows. */
/* A namespace without /proc, for the rest of the test; false: not allowed here. */
static bool
hide_proc(void)
{
#ifdef CLONE_NEWNS
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("none", "/proc", "tmpfs", 0, NULL) == 0;
#else
	return false;
#endif
}

UNIT_TEST(who_follows_by_path_follows_no_namesake)
{
	struct folder     *f;
	uint32_t           uid = 1;
	struct flag_change c = {.kind = FLAGS_ADD, .flags = MESSAGE_FLAGGED};

	start();
	ck_assert_int_eq(maildir_folder_create(m, "X", &why), 0);
	add(".X/cur", ":2,S");
	add(".X/cur", ":2,S");
	ck_assert_int_eq(history_open(m, x, "X", 0, &f, &why), 0);
	autofree char *deed = mem_format("cd %s && mv .X .Y && mkdir -p .X/cur .X/new .X/tmp", root);
	autofree char *other = mem_format("rm %s/.Y/cur/*:2,S", root);

	ck_assert(system(deed) == 0);
	if (hide_proc()) {
		ck_assert_int_eq(folder_store(f, &uid, 1, &c, true, &why), 0);
		ck_assert_int_eq(folder_sync(f, &why), 0);
		ck_assert_uint_eq(f->count, 2);
		ck_assert(system(other) == 0);
		ck_assert_int_eq(folder_sync(f, &why), 0);
		ck_assert_uint_eq(f->count, 1);
	}
	folder_close(f);
	stop();
}

UNIT_TEST(a_damaged_snapshot_is_none)
{
	static const char *const deeds[] = {"truncate -s -1 $M/postern.snapshot", "truncate -s 65536 $M/postern.snapshot",
		"truncate -s 100 $M/postern.snapshot", "truncate -s +32 $M/postern.snapshot", "chmod 666 $M/postern.snapshot",
		"mv $M/postern.snapshot $M/x; ln -s x $M/postern.snapshot", "rm $M/postern.snapshot; mkfifo $M/postern.snapshot",
		"printf '\\377' | dd of=$M/postern.snapshot bs=1 seek=65798 conv=notrunc 2>/dev/null",      /* flags of the ninth message */
		"printf '\\002' | dd of=$M/postern.snapshot bs=1 seek=144 conv=notrunc 2>/dev/null"};        /* which is the first unseen */
	autofree char *path = NULL;

	start();
	setenv("M", root, 1);
	named = 0;
	for (int i = 0; i < 400; i++)
		add("cur", i % 3 ? ":2,S" : ":2,");
	path = snapshot_path();
	for (size_t i = 0; i < COUNT(deeds) + 7; i++) {
		struct folder *f = open_from_snapshot();

		folder_close(f);
		if (i < COUNT(deeds))
			ck_assert(system(deeds[i]) == 0);
		else if (i < COUNT(deeds) + 5)
			write_zeros((off_t)(i - COUNT(deeds)) * 8, 8);
		else
			write_zeros(MESSAGES + (off_t)(i - COUNT(deeds) - 5) * 4096, i % 2 ? 1 : 1600);
		f = open_folder();
		ck_assert_msg(!f->is_kept, "damage %zu was not seen", i);
		ck_same(f);
		folder_close(f);
	}
	stop();
}

/* Names are looked at when they are asked for. */
UNIT_TEST(a_message_whose_name_is_damaged_is_found_by_looking)
{
	struct folder *f;
	struct stat    st;
	int            fd;

	start();
	named = 0;
	for (int i = 0; i < 100; i++)
		add("cur", ":2,S");
	for (int i = 0; i < 3; i++) {
		uint32_t           uid = 40;
		struct flag_change c = {.kind = i % 2 ? FLAGS_ADD : FLAGS_REMOVE, .flags = MESSAGE_SEEN};

		f = open_from_snapshot();
		folder_close(f);
		write_zeros(HEAD + 300, 600);
		f = open_folder();
		ck_assert(f->is_kept);
		ck_assert_str_eq(message_name(f, folder_find(f, 40)), "");
		if (i < 2) {
			ck_assert_msg(folder_store(f, &uid, 1, &c, true, &why) == 0, "%s", fault_text(&why));
		} else {
			ck_assert_msg(folder_message_open(f, uid, &fd, &st, &why) == 0, "%s", fault_text(&why));
			close(fd);
		}
		ck_same(f);
		folder_close(f);
	}
	stop();
}

/* Else the message would be another one at the next look, and be told as changed. */
UNIT_TEST(nor_is_a_damaged_name_recorded)
{
	struct folder *f;
	autofree char *path = NULL, *lose = NULL;
	uint64_t       modseq;

	start();
	path = snapshot_path();
	lose = mem_format("rm %s/postern.index*", root);
	named = 0;
	for (int i = 0; i < 100; i++)
		add("cur", ":2,S");
	folder_close(open_from_snapshot());
	write_zeros(HEAD + 300, 600);
	index_close(x);
	ck_assert(system(lose) == 0);
	ck_assert_ptr_nonnull(x = index_open(root, NULL));
	f = open_folder();
	ck_same(f);
	ck_assert((modseq = folder_find(f, 40)->modseq) > 0);
	folder_close(f);
	unlink(path);
	f = open_folder();
	ck_assert_uint_eq(folder_find(f, 40)->modseq, modseq);
	folder_close(f);
	stop();
}

/* A wrong bit in memory tells something wrong; it removes no mail. */
UNIT_TEST(expunge_removes_what_names_say)
{
	struct folder *f;

	start();
	named = 0;
	for (int i = 0; i < 100; i++)
		add("cur", i == 50 ? ":2,ST" : ":2,S");
	folder_close(open_from_snapshot());
	f = open_folder();
	f->messages[8].flags = 0xff;
	ck_assert_msg(folder_expunge(f, NULL, 0, false, &why) == 0, "%s", fault_text(&why));
	ck_assert_uint_eq(f->count, 99);
	ck_assert_ptr_null(folder_find(f, 51));
	ck_same(f);
	folder_close(f);
	stop();
}

/* What is mapped is changed in memory alone, and grows beyond the mapping. */
UNIT_TEST(what_changes_in_memory_changes_no_file)
{
	struct folder       *f;
	struct message      *copy;
	struct messages_room room;
	uint32_t             uids[] = {3, 250};
	struct flag_change   c = {.kind = FLAGS_ADD, .flags = MESSAGE_FLAGGED};
	autotext struct text before = {0}, after = {0};
	autofree char       *path = NULL;

	start();
	named = 0;
	for (int i = 0; i < 300; i++)
		add("cur", ":2,S");
	f = open_from_snapshot();
	path = snapshot_path();
	copy = folder_copy_messages(f, &room);
	ck_assert(f->room.mapped && room.mapped);
	ck_assert_int_eq(file_read(path, 1 << 20, &before, &why), 0);
	ck_assert_int_eq(folder_store(f, uids, 2, &c, true, &why), 0);
	copy[7].flags = MESSAGE_DRAFT;
	ck_assert_uint_eq(copy[2].flags, MESSAGE_SEEN);
	ck_assert_uint_eq(folder_find(f, 3)->flags, MESSAGE_SEEN | MESSAGE_FLAGGED);
	ck_assert_uint_eq(folder_find(f, 8)->flags, MESSAGE_SEEN);
	ck_assert_int_eq(file_read(path, 1 << 20, &after, &why), 0);
	ck_assert(span_equal(text_span(&before), text_span(&after)));
	messages_free(copy, &room);
	ck_assert_int_eq(folder_sync(f, &why), 0); /* it follows from now on */
	for (int i = 0; i < 2500; i++) {
		add("new", "");
		if (i % 500 == 0)
			ck_assert_int_eq(folder_sync(f, &why), 0);
	}
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_same(f);
	ck_assert_uint_eq(f->count, 2800);
	folder_close(f);
	f = open_from_snapshot();
	ck_same(f);
	for (size_t i = 0; i < 3000; i++) { /* one by one, beyond the end */
		f->messages = messages_grow(f->messages, f->count, f->count + 1, &f->room);
		f->messages[f->count] = (struct message){.uid = f->messages[f->count - 1].uid + 1, .lent = true};
		f->count++;
	}
	ck_assert(!f->room.mapped);
	ck_assert_uint_eq(f->messages[0].uid, 1);
	ck_assert_uint_eq(f->messages[5799].uid, 5800);
	f->is_kept = true;
	folder_close(f);
	stop();
}

/* Two write at once, or one was killed. */
UNIT_TEST(one_writes_a_snapshot_at_a_time)
{
	struct folder *f;
	struct stat    st;
	autofree char *path = NULL, *temporary = NULL;
	int64_t        deadline = clock_after(10000);

	start();
	named = 0;
	for (int i = 0; i < 100; i++)
		add("cur", ":2,S");
	path = snapshot_path();
	temporary = mem_format("%s.tmp", path);
	folder_close(open_from_snapshot()); /* times have settled: whoever finds none may write one */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(close(open(temporary, O_CREAT | O_WRONLY, 0600)), 0);
	folder_close(open_folder());
	ck_assert_int_eq(stat(path, &st), -1);
	ck_assert_int_eq(stat(temporary, &st), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, temporary, (struct timespec[2]){{.tv_sec = 1000}, {.tv_sec = 1000}}, 0), 0);
	while (stat(path, &st) < 0) {
		ck_assert(clock_left(deadline) > 0);
		folder_close(open_folder());
	}
	ck_assert_int_eq(stat(temporary, &st), -1);
	f = open_folder();
	ck_assert(f->is_kept);
	ck_same(f);
	folder_close(f);
	stop();
}

/* Where the index is apart from the mail. */
UNIT_TEST(a_snapshot_lies_where_the_index_is)
{
	struct folder *f;
	autofree char *directory = NULL, *path = NULL;
	struct stat    st;

	start();
	index_close(x);
	named = 0;
	directory = mem_format("%s/.index", root);
	path = snapshot_path();
	ck_assert_ptr_nonnull(x = index_open(root, directory));
	for (int i = 0; i < 100; i++)
		add("cur", ":2,S");
	f = open_from_snapshot();
	ck_same(f);
	ck_assert_int_eq(stat(path, &st), -1);
	folder_close(f);
	stop();
}

UNIT_MAIN("lib/store snapshot", a_snapshot_is_what_a_look_finds,
	who_is_unseen_and_recent_is_known_without_a_look_at_all, who_changes_what_is_known_looks_at_nothing_else,
	a_list_that_became_another_is_seen_although_no_directory_changed,
	what_others_do_outdates_a_snapshot, who_follows_sees_what_a_look_finds,
	who_follows_by_path_follows_no_namesake, a_damaged_snapshot_is_none, expunge_removes_what_names_say, a_message_whose_name_is_damaged_is_found_by_looking, nor_is_a_damaged_name_recorded, what_changes_in_memory_changes_no_file,
	one_writes_a_snapshot_at_a_time, a_snapshot_lies_where_the_index_is)
