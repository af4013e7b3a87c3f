/* SPDX-License-Identifier: ISC */
/*
 * test_history.c - mod-sequences, expunged UIDs, dates of saving (RFC 7162, RFC 8514)
 */
#include "../unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/folder_private.h"
#include "store/history.h"
#include "store/index_private.h"
#include "store/place.h"

static char            root[64];
static struct fault    why;
static struct maildir *m;
static struct index   *x;

static void
run(const char *command)
{
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void
start(void)
{
	strcpy(root, "/tmp/test_history_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_msg(maildir_open(root, MAILDIR_CREATE, &m, &why) == 0, "%s", fault_text(&why));
	x = index_open(root, NULL);
	ck_assert_ptr_nonnull(x);
}

static void
stop(void)
{
	autofree char *command = mem_format("rm -rf %s", root);

	index_close(x);
	maildir_close(m);
	run(command);
}

static void
add(const char *name)
{
	autofree char *path = mem_format("%s/cur/%s:2,", root, name);
	FILE          *f = fopen(path, "w");

	fputs("Subject: x\n\n", f);
	fclose(f);
}

static struct folder *
open_folder(void)
{
	struct folder *f;

	ck_assert_msg(history_open(m, x, "", 0, &f, &why) == 0, "%s", fault_text(&why));
	return f;
}

static void
flag(struct folder *f, uint32_t uid, unsigned flags)
{
	struct flag_change c = {.kind = FLAGS_ADD, .flags = flags};

	ck_assert_msg(folder_store(f, &uid, 1, &c, true, &why) == 0, "%s", fault_text(&why));
}

static void
sync_folder(struct folder *f)
{
	ck_assert_msg(folder_sync(f, &why) == 0, "%s", fault_text(&why));
}

UNIT_TEST(a_change_raises_the_modseq_of_its_message_alone)
/* RFC 7162, 3.1 */
{
	struct folder *f, *g;
	uint64_t       one, two, highest;

	start();
	add("1.a");
	add("2.b");
	f = open_folder();
	g = open_folder();
	one = folder_find(f, 1)->modseq;
	two = folder_find(f, 2)->modseq;
	highest = f->modseq;
	ck_assert(highest > 0 && one <= highest && two <= highest && g->modseq == highest);
	flag(f, 2, MESSAGE_SEEN);
	ck_assert(f->modseq > highest && folder_find(f, 2)->modseq == f->modseq);
	ck_assert(folder_find(f, 1)->modseq == one);
	sync_folder(g);
	ck_assert(g->modseq == f->modseq && folder_find(g, 2)->modseq == f->modseq);
	flag(f, 2, MESSAGE_SEEN); /* nothing changes */
	ck_assert(f->modseq == g->modseq);
	folder_close(f);
	folder_close(g);
	f = open_folder();
	ck_assert(folder_find(f, 1)->modseq == one && folder_find(f, 2)->modseq == f->modseq);
	folder_close(f);
	stop();
}

UNIT_TEST(what_others_do_to_files_is_history_too)
{
	struct folder       *f;
	autofree char       *move = NULL, *drop = NULL;
	uint64_t             before, flagged;
	struct history_range *gone;
	size_t               count;

	start();
	for (int i = 1; i < 6; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d.x", i);
		add(name);
	}
	f = open_folder();
	before = f->modseq;
	folder_close(f);
	move = mem_format("mv %s/cur/2.x:2, %s/cur/2.x:2,F", root, root);
	drop = mem_format("rm %s/cur/3.x:2, %s/cur/4.x:2, %s/cur/5.x:2,", root, root, root);
	run(move);
	f = open_folder();
	flagged = f->modseq;
	ck_assert(flagged > before && folder_find(f, 2)->modseq == flagged && folder_find(f, 1)->modseq <= before);
	run(drop);
	sync_folder(f);
	ck_assert(f->modseq > flagged);
	ck_assert(history_vanished(f, before, &gone, &count));
	ck_assert_uint_eq(count, 1);
	ck_assert(gone[0].first == 3 && gone[0].last == 5);
	free(gone);
	ck_assert(history_vanished(f, f->modseq, &gone, &count) && count == 0);
	ck_assert(!history_vanished(f, 1, &gone, &count)); /* before all history */
	folder_close(f);
	stop();
}

UNIT_TEST(a_lost_index_never_takes_the_highest_back)
{
	autofree char *lose = NULL, *future = NULL;
	struct folder *f;
	uint64_t       highest;

	start();
	add("1.a");
	f = open_folder();
	flag(f, 1, MESSAGE_SEEN);
	highest = f->modseq;
	folder_close(f);
	index_close(x);
	lose = mem_format("rm -f %s/postern.index*", root);
	run(lose);
	x = index_open(root, NULL);
	f = open_folder();
	ck_assert(f->modseq > highest && folder_find(f, 1)->modseq > highest);
	highest = f->modseq;
	folder_close(f);
	/* the clock was set back by a day since */
	index_close(x);
	run(lose);
	future = mem_format("touch -d '+1 day' %s/cur %s/new", root, root);
	run(future);
	x = index_open(root, NULL);
	f = open_folder();
	ck_assert(f->modseq > highest + ((uint64_t)86000 << 20));
	highest = f->modseq;
	folder_close(f);
	index_close(x);
	run(lose);
	free(future);
	future = mem_format("touch %s/cur %s/new", root, root);
	run(future);
	x = index_open(root, NULL);
	f = open_folder();
	ck_assert(f->modseq > highest); /* by the file that says how far ahead */
	folder_close(f);
	stop();
}

/* An index with envelopes of UIDs 1 to 3000. */
static void
fill_index(const struct folder *f)
{
	struct index_batch *b = index_begin(x, f);
	struct index_record r = {.envelope = span_of("(an envelope that is long enough to be in pages of its own, with all of its addresses)")};

	ck_assert_ptr_nonnull(b);
	for (uint32_t uid = 1; uid <= 3000; uid++)
		index_put(b, uid, uid * 7, 1u << INDEX_ENVELOPE, &r);
	index_end(b);
}

static size_t
known_of(struct index_batch *b)
{
	struct index_record  r = {0};
	struct index_numbers n;
	size_t               known = 0;

	for (uint32_t uid = 1; uid <= 3000; uid++) {
		bool has = index_get(b, uid, uid * 7, INDEX_ENVELOPE, &r);

		ck_assert(!has || span_starts(r.envelope, "(an envelope"));
		known += has;
		index_row(b, uid, uid * 7, &n);
	}
	return known;
}

UNIT_TEST(an_index_that_is_cut_short_while_it_is_read_is_useless_and_no_more)
{
	static const off_t  sizes[] = {0, 4096, 5 * 4096 + 100, 40 * 4096, 200 * 4096};
	struct folder      *f;
	struct index_batch *b;
	uint64_t            highest;

	start();
	add("1.a");
	f = open_folder();
	for (size_t i = 0; i < COUNT(sizes); i++) {
		autofree char *path = mem_format("%s/postern.index", root);

		fill_index(f);
		b = index_begin(x, f);
		ck_assert_uint_eq(known_of(b), 3000);
		index_end(b);
		history_raise(f);
		highest = f->modseq;
		b = index_begin(x, f);
		ck_assert(truncate(path, sizes[i]) == 0);
		ck_assert_int_eq(known_of(b) < 3000, sizes[i] < 200 * 4096); /* the last makes it longer */
		index_end(b);
		history_raise(f);
		ck_assert(f->modseq > highest);
		highest = f->modseq;
		folder_close(f);
		f = open_folder();
		ck_assert(f->modseq >= highest);
	}
	folder_close(f);
	stop();
}

/* Its number tells where the map lies (index_file.c): a wrong one must not have anything else guarded. */
UNIT_TEST(a_page_whose_number_a_disk_changed_is_not_believed)
{
	enum { PAGES = 400 };
	struct folder  *f;
	uint64_t        number, wrong = 1;
	int             fd;

	start();
	add("1.a");
	f = open_folder();
	fill_index(f);
	history_raise(f);
	ck_assert_ptr_nonnull(x->map.at);
	folder_close(f);
	index_close(x);
	autofree char *path = mem_format("%s/postern.index", root);

	fd = open(path, O_RDWR);
	for (off_t at = 2 * 4096; pread(fd, &number, sizeof number, at) == sizeof number && at < PAGES * 4096; at += 4096)
		if (number == (uint64_t)at / 4096)
			ck_assert(pwrite(fd, &wrong, sizeof wrong, at) == sizeof wrong);
	close(fd);
	x = index_open(root, NULL);
	f = open_folder();
	index_end(index_begin(x, f));
	ck_assert_ptr_null(x->map.at);
	folder_close(f);
	stop();
}

UNIT_TEST(only_unchanged_messages_are_stored_to)
/* RFC 7162, 3.1.3 */
{
	struct folder     *f, *g;
	uint32_t           uids[2] = {1, 2}, modified[2];
	struct flag_change c = {.kind = FLAGS_ADD, .flags = MESSAGE_FLAGGED, .conditional = true,
		.modified = modified};

	start();
	add("1.a");
	add("2.b");
	f = open_folder();
	g = open_folder();
	c.unchanged_since = f->modseq;
	flag(g, 2, MESSAGE_SEEN); /* f has not seen that yet */
	ck_assert(folder_store(f, uids, 2, &c, true, &why) == 0);
	ck_assert_uint_eq(c.modified_count, 1);
	ck_assert_uint_eq(modified[0], 2);
	ck_assert_uint_eq(folder_find(f, 1)->flags, MESSAGE_FLAGGED);
	ck_assert_uint_eq(folder_find(f, 2)->flags, MESSAGE_SEEN);
	folder_close(f);
	folder_close(g);
	stop();
}

UNIT_TEST(the_date_of_saving_stays_when_flags_change)
/* RFC 8514 */
{
	struct folder *f;
	int64_t        saved, again;

	start();
	add("1.a");
	f = open_folder();
	ck_assert(history_saved(f, 1, &saved));
	flag(f, 1, MESSAGE_SEEN);
	ck_assert(history_saved(f, 1, &again) && again == saved);
	ck_assert(!history_saved(f, 7, &again));
	folder_close(f);
	stop();
}

UNIT_TEST(the_date_of_saving_is_not_that_of_the_name)
/* RFC 8514: COPY and MOVE keep the name, and a message from Trash must not look as if it had been there for years */
{
	struct folder *f;
	int64_t        saved, now = time(NULL);
	autofree char *command = NULL;

	start();
	add("1500000000.M1P2.h");
	command = mem_format("touch -d 2017-07-14 %s/cur/*", root);
	run(command);
	f = open_folder();
	ck_assert(history_saved(f, 1, &saved) && saved >= now && saved < now + 1000);
	folder_close(f);
	stop();
}

static int64_t
changed_at(const char *path)
{
	autofree char *whole = mem_format("%s/%s", root, path);
	struct stat    st;

	ck_assert_msg(stat(whole, &st) == 0, "%s", whole);
	return st.st_ctim.tv_sec;
}

/* Until what changes now gets a later date. */
static void
pass(int64_t date)
{
	autofree char *command = mem_format("touch %s/probe", root);

	do {
		usleep(20000);
		run(command);
	} while (changed_at("probe") <= date);
}

static int64_t
saved_of(struct folder *f, uint32_t uid)
{
	int64_t date;

	ck_assert(history_saved(f, uid, &date));
	return date;
}

static void
rename_file(const char *from, const char *to)
{
	autofree char *command = mem_format("mv %s/%s %s/%s", root, from, root, to);

	run(command);
}

/* The mailbox has one message, which an earlier session saw; `change` moves the time of its file. */
static void
date_survives(const char *info, void (*change)(struct folder *))
{
	autofree char *name = mem_format("%s1.a%s", *info ? "cur/" : "new/", info);
	struct folder *f;
	struct stat    st;
	int64_t        saved;

	start();
	add("1.a");
	if (!*info)
		rename_file("cur/1.a:2,", name);
	ck_assert_msg(history_open(m, x, "", FOLDER_READ_ONLY, &f, &why) == 0, "%s", fault_text(&why));
	folder_close(f);
	saved = changed_at(name);
	pass(saved);
	f = open_folder();
	change(f);
	ck_assert(fstatat(f->cur_dir, message_name(f, folder_find(f, 1)), &st, 0) == 0 && st.st_ctim.tv_sec > saved);
	ck_assert_int_le(saved_of(f, 1), saved);
	folder_close(f);
	stop();
}

static void
flag_it(struct folder *f)
{
	flag(f, 1, MESSAGE_SEEN);
}

static void
copy_it(struct folder *f)
{
	const struct copy_target to = {m, "other", ~0u, true};
	struct copied            got;
	uint32_t                 one = 1;

	ck_assert(maildir_folder_create(m, "other", &why) == 0);
	ck_assert(folder_copy(f, &one, 1, &to, false, &got, &why) == 0);
	copied_free(&got);
}

static void
leave_it(struct folder *f)
{
	(void)f; /* it was opened, which moved the file to cur/ */
}

UNIT_TEST(what_this_server_does_moves_no_date_of_saving)
/* RFC 8514, 4.1; a first look asks no file for it: it is found when somebody asks, or before it gets lost */
{
	date_survives(":2,", flag_it);
	date_survives(":2,", copy_it);
	date_survives("", leave_it);
}

UNIT_TEST(a_date_of_saving_that_was_told_stays)
/* RFC 8514, 4.1: whatever other programs do to the file */
{
	struct folder *f;
	int64_t        saved;

	start();
	add("1.a");
	add("2.b");
	f = open_folder();
	rename_file("cur/1.a:2,", "cur/1.a:2,F"); /* nobody has looked: it is found by its new name */
	saved = changed_at("cur/1.a:2,F");
	ck_assert_int_eq(saved_of(f, 1), saved);
	pass(saved);
	rename_file("cur/1.a:2,F", "cur/1.a:2,S");
	rename_file("cur/2.b:2,", "cur/2.b:2,S");
	ck_assert_int_eq(saved_of(f, 1), saved);
	sync_folder(f);
	ck_assert_int_eq(saved_of(f, 1), saved);
	ck_assert_int_le(saved_of(f, 2), saved); /* told of one, known of its neighbours */
	folder_close(f);
	f = open_folder();
	ck_assert_int_eq(saved_of(f, 1), saved);
	folder_close(f);
	stop();
}

UNIT_TEST(a_list_from_a_backup_gives_no_message_the_date_of_another)
/* the index, which no backup has, knows UIDs that are given once more: "savedbefore 30d" must not find what came a minute ago */
{
	struct folder *f;
	autofree char *keep = NULL, *restore = NULL;
	int64_t        saved;

	start();
	keep = mem_format("cp -p %s/dovecot-uidlist %s/kept", root, root);
	restore = mem_format("rm %s/cur/2.b:2, && cp %s/kept %s/dovecot-uidlist", root, root, root);
	add("1.a");
	folder_close(open_folder());
	run(keep);
	add("2.b");
	f = open_folder();
	saved = saved_of(f, 2);
	folder_close(f);
	pass(saved);
	run(restore);
	folder_close(open_folder());
	add("3.c");
	f = open_folder();
	ck_assert_uint_eq(f->count, 2);
	ck_assert_int_ge(saved_of(f, f->messages[1].uid), changed_at("cur/3.c:2,"));
	ck_assert(f->modseq > 0);
	folder_close(f);
	stop();
}

/* The list as it is now; then messages come, and all have been looked at. */
static void
keep_list(void)
{
	autofree char *keep = mem_format("cp -p %s/dovecot-uidlist %s/kept", root, root);

	run(keep);
}

static void
restore_list(void)
{
	autofree char *restore = mem_format("cp -p %s/kept %s/again && mv %s/again %s/dovecot-uidlist", root, root, root, root);

	run(restore);
}

static void
remove_file(const char *name)
{
	autofree char *command = mem_format("rm %s/cur/%s:2,", root, name);

	run(command);
}

static uint32_t
uid_of(const struct folder *f, const char *base)
{
	for (size_t i = 0; i < f->count; i++)
		if (span_equal(message_base(f, &f->messages[i]), span_of(base)))
			return f->messages[i].uid;
	return 0;
}

UNIT_TEST(a_list_from_a_backup_gives_no_uid_again)
/* RFC 9051, 2.3.1.1: neither to what comes, nor to what came behind the backup */
{
	struct folder *f;

	start();
	add("1.a");
	folder_close(open_folder());
	keep_list();
	add("2.b");
	add("3.c");
	f = open_folder();
	ck_assert_uint_eq(uid_of(f, "3.c"), 3);
	folder_close(f);
	remove_file("2.b");
	restore_list();
	add("4.d");
	f = open_folder();
	ck_assert_uint_eq(uid_of(f, "1.a"), 1);
	ck_assert_uint_eq(uid_of(f, "3.c"), 4);
	ck_assert_uint_eq(uid_of(f, "4.d"), 5);
	ck_assert(f->modseq > 0);
	folder_close(f);
	stop();
}

UNIT_TEST(nor_does_who_opens_it_without_the_index)
/* POP3, a delivery: they are told where it lies, and make none */
{
	struct folder *f;
	autofree char *path = NULL;

	start();
	add("1.a");
	folder_close(open_folder());
	keep_list();
	add("2.b");
	folder_close(open_folder());
	remove_file("2.b");
	restore_list();
	index_close(take(x));
	add("3.c");
	maildir_set_index(m, root);
	ck_assert(folder_open(m, "", 0, &f, &why) == 0);
	ck_assert_uint_eq(uid_of(f, "3.c"), 3);
	folder_close(f);
	path = mem_format("%s/postern.index", root);
	ck_assert(unlink(path) == 0);
	add("4.d");
	ck_assert(folder_open(m, "", 0, &f, &why) == 0);
	ck_assert_uint_eq(uid_of(f, "4.d"), 4);
	ck_assert(access(path, F_OK) < 0);
	folder_close(f);
	stop();
}

UNIT_TEST(nor_one_of_a_message_that_is_gone)
{
	struct folder *f;
	uint32_t       two = 2;

	start();
	add("1.a");
	folder_close(open_folder());
	keep_list();
	add("2.b");
	f = open_folder();
	ck_assert(folder_expunge(f, &two, 1, true, &why) == 0);
	folder_close(f);
	restore_list();
	add("3.c");
	f = open_folder();
	ck_assert_uint_eq(uid_of(f, "3.c"), 3);
	folder_close(f);
	stop();
}

UNIT_TEST(a_list_from_a_backup_has_a_history)
/* also while no message comes: what it does not have is gone */
{
	struct folder        *f;
	uint64_t              before;
	struct history_range *gone;
	size_t                count;

	start();
	add("1.a");
	folder_close(open_folder());
	keep_list();
	add("2.b");
	f = open_folder();
	before = f->modseq;
	folder_close(f);
	remove_file("2.b");
	restore_list();
	f = open_folder();
	ck_assert(f->modseq > before);
	ck_assert(history_vanished(f, before, &gone, &count) && count == 1 && gone[0].first == 2 && gone[0].last == 2);
	free(gone);
	before = f->modseq;
	folder_close(f);
	f = open_folder();
	ck_assert(f->modseq == before && !f->touched.all);
	add("3.c");
	sync_folder(f);
	ck_assert_uint_eq(uid_of(f, "3.c"), 3);
	folder_close(f);
	stop();
}

UNIT_TEST(nor_does_a_copy_get_one_again)
{
	const struct copy_target to = {NULL, "", ~0u, true};
	struct copy_target       inbox = to;
	struct folder           *f;
	struct copied            got;
	uint32_t                 one = 1;
	autofree char           *move = NULL;

	start();
	ck_assert(maildir_folder_create(m, "other", &why) == 0);
	add("9.z");
	move = mem_format("mv %s/cur/9.z:2, %s/.other/cur/", root, root);
	run(move);
	add("1.a");
	folder_close(open_folder());
	keep_list();
	add("2.b");
	folder_close(open_folder());
	remove_file("2.b");
	restore_list();
	ck_assert_msg(history_open(m, x, "other", 0, &f, &why) == 0, "%s", fault_text(&why));
	inbox.maildir = m;
	ck_assert_msg(folder_copy(f, &one, 1, &inbox, false, &got, &why) == 0, "%s", fault_text(&why));
	ck_assert_uint_eq(got.to[0], 3);
	copied_free(&got);
	folder_close(f);
	f = open_folder();
	ck_assert_uint_eq(uid_of(f, "9.z"), 3);
	folder_close(f);
	stop();
}

static void
put_value(const char *kind, const struct folder *f, const char *rest, struct span value)
{
	autofree char *key = mem_format("\1%s/%s/%u%s", kind, f->list.guid, f->list.validity, rest);
	MDB_val        k = {strlen(key), key}, v = {value.len, (void *)value.at};
	MDB_txn       *txn;

	ck_assert(index_transaction(x, 0, &txn) == 0 && mdb_put(txn, x->dbi, &k, &v, 0) == 0 && mdb_txn_commit(txn) == 0);
}

UNIT_TEST(a_damaged_index_uses_up_no_uids)
/* what is not whole does not count; and what a damaged list had is not for ever */
{
	struct history_entry high = {UINT32_MAX - 1, 6, 2, 3, 4, 5};
	autotext struct text chunk = {0};
	struct folder       *f;

	start();
	add("1.a");
	f = open_folder();
	history_encode(&high, 1, &chunk);
	put_value("C", f, "/ffffff", text_span(&chunk));
	put_value("u", f, "", span_of("\xf0\xff\xff\x7f" "12345678"));
	add("2.b");
	sync_folder(f);
	ck_assert_uint_eq(uid_of(f, "2.b"), 2);
	put_value("u", f, "", span_of("short"));
	add("3.c");
	sync_folder(f);
	ck_assert_uint_eq(uid_of(f, "3.c"), 3);
	folder_close(f);
	stop();
}

UNIT_TEST(a_damaged_key_is_no_way_in_circles)
/* chunks are gone through by their numbers, which grow */
{
	struct folder *f;

	start();
	add("1.a");
	f = open_folder();
	put_value("C", f, "/0000a:", SPAN("x")); /* a2 with one bit turned over */
	folder_close(f);
	add("2.b");
	f = open_folder();
	ck_assert_uint_eq(f->count, 2);
	ck_assert_uint_eq(folder_find(f, 2)->modseq, f->modseq);
	folder_close(f);
	stop();
}

UNIT_TEST(what_an_older_build_recorded_is_not_given_again)
/* it kept chunks alone */
{
	struct folder *f;

	start();
	add("1.a");
	folder_close(open_folder());
	keep_list();
	add("2.b");
	f = open_folder();
	put_value("u", f, "", span_of("none"));
	folder_close(f);
	remove_file("2.b");
	restore_list();
	add("3.c");
	f = open_folder();
	ck_assert_uint_eq(uid_of(f, "3.c"), 3);
	folder_close(f);
	stop();
}

UNIT_TEST(another_uidvalidity_counts_anew)
{
	struct folder *f;
	autofree char *change = NULL;

	start();
	add("1.a");
	add("2.b");
	folder_close(open_folder());
	change = mem_format("sed -i '1s/ V[0-9]*/ V77/;1s/ N[0-9]*/ N1/;2,$d' %s/dovecot-uidlist", root);
	run(change);
	f = open_folder();
	ck_assert_uint_eq(f->list.validity, 77);
	ck_assert_uint_eq(uid_of(f, "1.a"), 1);
	folder_close(f);
	stop();
}

/* Records of a build that knew nothing of base names, and none that can be read. */
static void
make_it_old(const char *guid, uint32_t validity)
{
	autofree char *header = mem_format("\1h/%s/%u", guid, validity), *chunk = mem_format("\1C/%s/%u/000000", guid, validity);
	MDB_val        k = {strlen(header), header}, c = {strlen(chunk), chunk}, v;
	MDB_txn       *txn;

	ck_assert(index_transaction(x, 0, &txn) == 0 && mdb_get(txn, x->dbi, &k, &v) == 0);
	autofree char *value = mem_format("1%.*s", (int)v.mv_size - 1, (char *)v.mv_data + 1);

	v.mv_data = value;
	ck_assert(mdb_put(txn, x->dbi, &k, &v, 0) == 0 && mdb_del(txn, x->dbi, &c, NULL) == 0 && mdb_txn_commit(txn) == 0);
}

UNIT_TEST(records_of_an_older_build_are_made_anew)
/* also where a snapshot says that nothing has changed: a date that was told stays */
{
	struct folder *f;
	autofree char *snapshot = NULL;
	int64_t        saved;
	uint64_t       highest;

	start();
	for (int i = 1; i <= 60; i++) { /* with fewer there is no snapshot */
		autofree char *name = mem_format("%02d.a", i);

		add(name);
	}
	for (snapshot = mem_format("%s/postern.snapshot", root); file_is_absent(snapshot); usleep(20000)) /* times must settle first */
		folder_close(open_folder());
	f = open_folder();
	highest = f->modseq;
	make_it_old(f->list.guid, f->list.validity);
	folder_close(f);
	f = open_folder();
	ck_assert(f->modseq > highest && folder_find(f, 1)->modseq == f->modseq);
	saved = saved_of(f, 1);
	pass(saved);
	rename_file("cur/01.a:2,", "cur/01.a:2,S");
	sync_folder(f);
	ck_assert_int_eq(saved_of(f, 1), saved);
	folder_close(f);
	stop();
}

UNIT_TEST(without_an_index_the_date_of_saving_is_that_of_the_file)
{
	struct folder *f;
	int64_t        date;

	start();
	add("1.a");
	ck_assert_msg(history_open(m, NULL, "", 0, &f, &why) == 0, "%s", fault_text(&why));
	ck_assert_int_eq(saved_of(f, 1), changed_at("cur/1.a:2,"));
	ck_assert(!history_saved(f, 2, &date));
	folder_close(f);
	stop();
}

UNIT_TEST(expunges_are_forgotten_by_and_by)
{
	struct folder        *f;
	uint64_t              before;
	struct history_range *gone;
	size_t                count;
	const int             n = HISTORY_EXPUNGES + 100;

	start();
	for (int i = 1; i <= n; i++) {
		char name[24];

		snprintf(name, sizeof name, "%d.x", 1000 + i);
		add(name);
	}
	f = open_folder();
	before = f->modseq;
	ck_assert_uint_eq(f->count, (size_t)n);
	for (uint32_t uid = 1; uid <= (uint32_t)n; uid += 1) {
		if (uid == (uint32_t)n / 2) {
			ck_assert(history_vanished(f, before, &gone, &count));
			ck_assert_uint_eq(count, (size_t)n / 2 - 1);
			free(gone);
		}
		ck_assert(folder_expunge(f, &uid, 1, true, &why) == 0);
	}
	ck_assert(!history_vanished(f, before, &gone, &count));
	folder_close(f);
	stop();
}

UNIT_TEST(chunks_are_read_only_whole_and_in_order)
{
	struct history_entry in[2] = {{1, 6, 2, 3, 4, 5}, {9, UINT32_MAX, 31, UINT64_MAX, 1ull << 60, 7}}, out[2];
	autotext struct text text = {0};
	size_t               count;

	history_encode(in, 2, &text);
	ck_assert(history_decode(text_span(&text), out, 2, &count) && count == 2);
	ck_assert(out[1].hash == UINT32_MAX && out[1].keywords == UINT64_MAX && out[1].modseq == 1ull << 60 && out[1].saved == 7);
	ck_assert(!history_decode(text_span(&text), out, 1, &count));
	ck_assert(!history_decode(span_first(text_span(&text), 30), out, 2, &count));
	for (size_t i = 0; i < text.len; i++) { /* a date that a disk changed is none */
		text.at[i] ^= 1;
		ck_assert(!history_decode(text_span(&text), out, 2, &count));
		text.at[i] ^= 1;
	}
	in[1].uid = 1;
	text_clear(&text);
	history_encode(in, 2, &text);
	ck_assert(!history_decode(text_span(&text), out, 2, &count));
}

UNIT_TEST(what_was_there_for_a_moment_is_not_told)
/* a rename that is undone before it is recorded: the client would never hear that it is undone */
{
	struct folder  *f;
	struct message *one;
	uint64_t        before;

	start();
	add("1700000001.a");
	add("1700000002.b");
	f = open_folder();
	before = folder_find(f, 1)->modseq;
	flag(f, 2, MESSAGE_SEEN); /* the highest is beyond that of message 1 */
	one = folder_find(f, 1);
	message_rename(one, mem_string("1700000001.a:2,F")); /* as the scan met it */
	one->flags = MESSAGE_FLAGGED;
	one->modseq = 0;
	f->touched.all = true; /* as the scan says */
	f->record(f);
	ck_assert(one->flags == 0 && one->modseq == before);
	sync_folder(f);
	ck_assert(folder_find(f, 1)->flags == 0 && folder_find(f, 1)->modseq == before);
	folder_close(f);
	stop();
}

UNIT_MAIN("lib/store history", a_list_from_a_backup_gives_no_uid_again, nor_does_who_opens_it_without_the_index, nor_one_of_a_message_that_is_gone,
	a_list_from_a_backup_has_a_history, nor_does_a_copy_get_one_again, a_damaged_index_uses_up_no_uids, a_damaged_key_is_no_way_in_circles,
	what_an_older_build_recorded_is_not_given_again, another_uidvalidity_counts_anew,
	what_was_there_for_a_moment_is_not_told, a_change_raises_the_modseq_of_its_message_alone,
	what_others_do_to_files_is_history_too, a_lost_index_never_takes_the_highest_back,
	an_index_that_is_cut_short_while_it_is_read_is_useless_and_no_more, a_page_whose_number_a_disk_changed_is_not_believed,
	only_unchanged_messages_are_stored_to, the_date_of_saving_stays_when_flags_change, the_date_of_saving_is_not_that_of_the_name,
	what_this_server_does_moves_no_date_of_saving, a_date_of_saving_that_was_told_stays, a_list_from_a_backup_gives_no_message_the_date_of_another,
	records_of_an_older_build_are_made_anew,
	without_an_index_the_date_of_saving_is_that_of_the_file, expunges_are_forgotten_by_and_by, chunks_are_read_only_whole_and_in_order)
