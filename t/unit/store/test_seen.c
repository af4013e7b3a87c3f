/* SPDX-License-Identifier: ISC */
/*
 * test_seen.c - a \Seen of one's own in a shared mailbox; who shares with whom; where another's mail lies
 */
#include "../unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/acl_shared.h"
#include "store/history.h"
#include "store/location.h"
#include "store/place.h"
#include "store/tree.h"

static char         root[64];
static struct fault why;

static void
start(void)
{
	strcpy(root, "/tmp/test_seen_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
stop(void)
{
	autofree char *command = mem_format("rm -rf %s", root);

	ck_assert_int_eq(system(command), 0);
}

static void
ck_formatted(struct span file, const char *wanted)
{
	struct seen          s = {0};
	autotext struct text out = {0};

	seen_parse(file, 7, &s);
	seen_format(&s, &out);
	ck_assert_str_eq(text_string(&out), wanted);
	seen_free(&s);
}

UNIT_TEST(sets_add_up)
{
	const struct { const char *lines, *wanted; } cases[] = {
		{"", ""}, {"+1\n", "+1\n"}, {"+1\n+2\n", "+1:2\n"}, {"+2\n+1\n", "+1:2\n"}, {"+1,3\n+2\n", "+1:3\n"},
		{"+1:10\n-5\n", "+1:4,6:10\n"}, {"+1:10\n-1:10\n", ""}, {"+1:10\n-1,10\n", "+2:9\n"},
		{"+1,3,5,7\n+2:6\n", "+1:7\n"}, {"+10:20\n+5:12\n+30\n", "+5:20,30\n"}, {"-4\n", ""},
		{"+4294967295\n+4294967294\n", "+4294967294:4294967295\n"}, {"+0\n+3:1\n+x\n+2\n", "+2\n"},
		{"+1:4,6:9\n-3:7\n", "+1:2,8:9\n"}, {"+5\nR 9\n", "+5\nR 9\n"}, {"R 9\nR 12\n", "R 12\n"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		autofree char *file = mem_format("postern-seen 1 7\n%s", cases[i].lines);
		autofree char *wanted = mem_format("postern-seen 1 7\n%s", cases[i].wanted);

		ck_formatted(span_of(file), wanted);
	}
	ck_formatted(SPAN("postern-seen 1 8\n+1\n"), "postern-seen 1 7\n");           /* another UIDVALIDITY */
	ck_formatted(SPAN("postern-seen 1 7\n+1\n+2"), "postern-seen 1 7\n+1\n");     /* a torn line */
	ck_formatted(SPAN("nonsense\n+1\n"), "postern-seen 1 7\n");
}

/* Against a plain array. */
UNIT_TEST(any_lines)
{
	enum { UIDS = 40 };
	uint32_t random = 1;

	for (int round = 0; round < 2000; round++) {
		autotext struct text file = {0};
		bool                 is[UIDS + 1] = {false};
		struct seen          s = {0};

		text_add_string(&file, "postern-seen 1 7\n");
		for (int line = 0; line < 6; line++) {
			bool add = (random = random * 1103515245 + 12345) >> 16 & 1;

			text_add_byte(&file, add ? '+' : '-');
			for (int n = 0; n < 4; n++) {
				uint32_t first = ((random = random * 1103515245 + 12345) >> 16) % UIDS + 1;
				uint32_t last = first + ((random = random * 1103515245 + 12345) >> 16) % 6;

				last = last > UIDS ? UIDS : last;
				text_add_format(&file, "%s%u:%u", n ? "," : "", first, last);
				for (uint32_t u = first; u <= last; u++)
					is[u] = add;
			}
			text_add_byte(&file, '\n');
		}
		seen_parse(text_span(&file), 7, &s);
		for (uint32_t u = 1; u <= UIDS; u++)
			ck_assert_msg(seen_has(&s, u) == is[u], "%u of %s", u, text_string(&file));
		for (size_t i = 1; i < s.count; i++)
			ck_assert_uint_gt(s.at[i].first, s.at[i - 1].last + 1);
		seen_free(&s);
	}
}

UNIT_TEST(two_sessions_of_one_user)
{
	struct seen   a, b;
	uint32_t      some[] = {1, 2, 3, 9};
	autoclose int dir = -1;

	start();
	dir = open(root, O_RDONLY | O_DIRECTORY);
	seen_start(&a, dir, "0123", "guid", "x");
	seen_start(&b, dir, "0123", "guid", "x");
	ck_assert_int_eq(seen_refresh(&a, 7, &why), 0);
	ck_assert_int_eq(seen_refresh(&b, 7, &why), 0);
	ck_assert_int_eq(seen_change(&a, some, 4, true, true, &why), 0);
	ck_assert(seen_is_current(&a) && !seen_is_current(&b));
	ck_assert_int_eq(seen_change(&b, some + 1, 1, false, true, &why), 0);
	ck_assert(seen_has(&b, 9) && !seen_has(&b, 2));                       /* on top of what a had said */
	ck_assert_int_eq(seen_refresh(&a, 7, &why), 0);
	ck_assert(seen_has(&a, 1) && !seen_has(&a, 2) && seen_has(&a, 3));
	for (uint32_t i = 100; i < 100 + 2 * SEEN_LINES_MOST; i++)
		ck_assert_int_eq(seen_change(&b, &i, 1, true, false, &why), 0);
	ck_assert_uint_lt(b.lines, SEEN_LINES_MOST + 2);                      /* it was written anew meanwhile */
	ck_assert_int_eq(seen_refresh(&a, 7, &why), 0);
	ck_assert(seen_has(&a, 100) && seen_has(&a, 99 + 2 * SEEN_LINES_MOST) && !seen_has(&a, 100 + 2 * SEEN_LINES_MOST));
	ck_assert_int_eq(seen_refresh(&a, 8, &why), 0);
	ck_assert(!seen_has(&a, 100));
	seen_free(&a);
	seen_free(&b);
	stop();
}

/* A writer that died in the middle of a line: what was whole counts, and the next change too. */
UNIT_TEST(behind_a_torn_line)
{
	struct seen    s;
	uint32_t       uid = 5;
	autoclose int  dir = -1;
	autofree char *path = NULL;

	start();
	dir = open(root, O_RDONLY | O_DIRECTORY);
	path = mem_format("%s/0123-guid.seen", root);
	ck_assert_int_eq(file_replace(path, SPAN("postern-seen 1 7\n+1\n+23"), 0600, &why), 0);
	seen_start(&s, dir, "0123", "guid", "x");
	ck_assert_int_eq(seen_refresh(&s, 7, &why), 0);
	ck_assert_int_eq(seen_change(&s, &uid, 1, true, true, &why), 0);
	seen_free(&s);
	seen_start(&s, dir, "0123", "guid", "x");
	ck_assert_int_eq(seen_refresh(&s, 7, &why), 0);
	ck_assert(seen_has(&s, 1) && seen_has(&s, 5) && !seen_has(&s, 2) && !seen_has(&s, 23) && !seen_has(&s, 235));
	seen_free(&s);
	stop();
}

/* A client that marks every other message of a large mailbox, to and fro. */
UNIT_TEST(long_lines_are_written_anew)
{
	enum { COUNT_OF_UIDS = 200000 };
	struct seen        s;
	autofree uint32_t *odd = mem_array(COUNT_OF_UIDS, sizeof *odd);
	autoclose int      dir = -1;

	start();
	dir = open(root, O_RDONLY | O_DIRECTORY);
	for (uint32_t i = 0; i < COUNT_OF_UIDS; i++)
		odd[i] = 1000000001 + 2 * i;
	seen_start(&s, dir, "0123", "guid", "x");
	ck_assert_int_eq(seen_refresh(&s, 7, &why), 0);
	for (int i = 0; i < 12; i++)
		ck_assert_msg(seen_change(&s, odd, COUNT_OF_UIDS, i % 2 == 0, false, &why) == 0, "%s", fault_text(&why));
	s.looked = false;
	ck_assert_msg(seen_refresh(&s, 7, &why) == 0, "%s", fault_text(&why));
	ck_assert(!seen_has(&s, odd[0]));
	seen_free(&s);
	stop();
}

/* ------------------------------------------------------------ in a mailbox */

struct user { struct maildir *m; struct index *x; struct folder *f; };

/* `private` NULL: the owner. */
static void
open_as(struct user *u, const char *private)
{
	autofree char *own = private ? mem_format("%s/%s", root, private) : NULL;
	autofree char *mail = mem_format("%s/mail", root);

	ck_assert_int_eq(maildir_open(mail, MAILDIR_CREATE, &u->m, &why), 0);
	if (own) {
		mkdir(own, 0700);
		maildir_set_foreign(u->m, "alice", open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	u->x = index_open(own ? own : mail, NULL);
	ck_assert_msg(history_open(u->m, u->x, "", 0, &u->f, &why) == 0, "%s", fault_text(&why));
}

static void
close_user(struct user *u)
{
	folder_close(u->f);
	index_close(u->x);
	maildir_close(u->m);
}

static void
deliver(const char *name)
{
	autofree char *path = mem_format("%s/mail/%s", root, name);

	ck_assert_int_eq(file_replace(path, SPAN("Subject: x\n\nx\n"), 0600, &why), 0);
}

static unsigned
flags_of(struct user *u, uint32_t uid)
{
	ck_assert_int_eq(folder_sync(u->f, &why), 0);
	ck_assert_ptr_nonnull(folder_find(u->f, uid));
	return folder_find(u->f, uid)->flags;
}

UNIT_TEST(each_has_his_own)
{
	struct user        alice, bob, again, carol;
	struct flag_change seen = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN | MESSAGE_FLAGGED};
	struct flag_change unseen = {.kind = FLAGS_REMOVE, .flags = MESSAGE_SEEN};
	uint32_t           one = 1, two = 2;
	uint64_t           before;

	start();
	open_as(&alice, NULL);
	deliver("cur/1.a,S=14:2,S");
	deliver("cur/2.b,S=14:2,");
	ck_assert_uint_eq(flags_of(&alice, 1), MESSAGE_SEEN);
	open_as(&bob, "bob");
	open_as(&again, "bob");
	open_as(&carol, "carol");
	ck_assert_uint_eq(flags_of(&bob, 1), 0);                              /* that the owner has seen it says nothing */
	ck_assert(folder_find(bob.f, 1)->recent && !folder_find(again.f, 1)->recent && folder_find(carol.f, 1)->recent);
	flags_of(&again, 1);
	before = again.f->modseq;
	ck_assert_int_eq(folder_store(bob.f, &two, 1, &seen, true, &why), 0);
	ck_assert_uint_eq(flags_of(&bob, 2), MESSAGE_SEEN | MESSAGE_FLAGGED);
	ck_assert_uint_eq(flags_of(&again, 2), MESSAGE_SEEN | MESSAGE_FLAGGED); /* the same user's other session */
	ck_assert_uint_gt(again.f->modseq, before);
	ck_assert_uint_eq(flags_of(&carol, 2), MESSAGE_FLAGGED);
	ck_assert_uint_eq(flags_of(&alice, 2), MESSAGE_FLAGGED);
	before = again.f->modseq;
	ck_assert_int_eq(folder_store(bob.f, &two, 1, &unseen, true, &why), 0);
	ck_assert_uint_eq(flags_of(&again, 2), MESSAGE_FLAGGED);
	ck_assert_uint_gt(again.f->modseq, before);                           /* RFC 7162: only \Seen has changed */
	ck_assert_uint_eq(folder_find(again.f, 2)->modseq, again.f->modseq);
	ck_assert_uint_lt(folder_find(again.f, 1)->modseq, again.f->modseq);
	ck_assert_int_eq(folder_store(alice.f, &one, 1, &unseen, true, &why), 0);
	ck_assert_uint_eq(flags_of(&bob, 1), 0);
	ck_assert_int_eq(folder_store(bob.f, &one, 1, &(struct flag_change){.kind = FLAGS_SET, .flags = MESSAGE_SEEN}, true, &why), 0);
	ck_assert_uint_eq(flags_of(&alice, 1), 0);
	close_user(&alice);
	close_user(&again);
	close_user(&carol);
	close_user(&bob);
	open_as(&bob, "bob");                                                  /* kept, and not \Recent again */
	ck_assert_uint_eq(flags_of(&bob, 1), MESSAGE_SEEN);
	ck_assert(!folder_find(bob.f, 1)->recent);
	close_user(&bob);
	stop();
}

/* What a session believes after a failure is what is there. */
UNIT_TEST(a_change_fails_in_the_middle)
{
	struct user        alice, bob, again;
	struct flag_change change = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN | MESSAGE_FLAGGED};
	uint32_t           all[] = {1, 2, 3};
	autofree char     *longest = mem_alloc(260), *from = NULL, *to = NULL;

	start();
	open_as(&alice, NULL);
	deliver("cur/1.a,S=14:2,");
	memset(longest, 'x', 255);                      /* no letter more goes into this name */
	memcpy(longest, "2.", 2);
	memcpy(longest + 255 - 8, ",S=14:2,", 8);
	deliver("cur/2");
	from = mem_format("%s/mail/cur/2", root);
	to = mem_format("%s/mail/cur/%s", root, longest);
	ck_assert_int_eq(rename(from, to), 0);
	deliver("cur/3.c,S=14:2,");
	open_as(&bob, "bob");
	ck_assert_uint_eq(flags_of(&bob, 2), 0);
	ck_assert_int_eq(folder_store(bob.f, all, 3, &change, true, &why), -1);
	open_as(&again, "bob");
	ck_assert_uint_eq(flags_of(&again, 1), MESSAGE_SEEN | MESSAGE_FLAGGED);
	for (uint32_t uid = 1; uid <= 3; uid++) {
		ck_assert_uint_eq(folder_find(bob.f, uid)->flags, flags_of(&again, uid));
		ck_assert_uint_eq(flags_of(&bob, uid), flags_of(&again, uid));
	}
	fault_clear(&why);
	close_user(&again);
	close_user(&bob);
	close_user(&alice);
	stop();
}
END_TEST

/* His own file cannot be written: the flag that was on a message for a moment is not there. */
UNIT_TEST(what_was_seen_cannot_be_kept)
{
	struct user        alice, bob;
	struct flag_change change = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN};
	uint32_t           one = 1;

	start();
	open_as(&alice, NULL);
	deliver("cur/1.a,S=14:2,");
	open_as(&bob, "bob");
	ck_assert_uint_eq(flags_of(&bob, 1), 0);
	ck_assert_int_eq(unlinkat(bob.f->seen->dir, bob.f->seen->name, 0), 0);
	ck_assert_int_eq(mkdirat(bob.f->seen->dir, bob.f->seen->name, 0700), 0);
	ck_assert_int_eq(folder_store(bob.f, &one, 1, &change, true, &why), -1);
	fault_clear(&why);
	ck_assert_int_eq(unlinkat(bob.f->seen->dir, bob.f->seen->name, AT_REMOVEDIR), 0);
	ck_assert_uint_eq(flags_of(&bob, 1), 0);
	ck_assert_int_eq(folder_store(bob.f, &one, 1, &change, true, &why), 0);
	ck_assert_uint_eq(flags_of(&bob, 1), MESSAGE_SEEN);
	close_user(&bob);
	close_user(&alice);
	stop();
}
END_TEST

UNIT_TEST(new_mail_stays_new_to_its_owner)
{
	struct user alice, bob;

	start();
	open_as(&alice, NULL);
	open_as(&bob, "bob");
	deliver("new/1.a,S=14");
	ck_assert_uint_eq(flags_of(&bob, 1), 0);
	ck_assert(folder_find(bob.f, 1)->recent && folder_find(bob.f, 1)->in_new);
	ck_assert_uint_eq(flags_of(&alice, 1), 0);
	ck_assert(folder_find(alice.f, 1)->recent);
	close_user(&bob);
	close_user(&alice);
	stop();
}

/* Between two owners: a file of its own with the same GUID and date, \Seen for who copied alone. */
UNIT_TEST(copy_to_another)
{
	struct user     alice, bob;
	struct maildir *m;
	struct folder  *f;
	struct copied   c;
	uint32_t        uids[] = {1, 2};
	autofree char  *path = NULL;
	struct stat     st, from;

	start();
	path = mem_format("%s/own", root);
	open_as(&alice, NULL);
	open_as(&bob, "bob");
	ck_assert_int_eq(maildir_open(path, MAILDIR_CREATE, &m, &why), 0);
	ck_assert_int_eq(folder_open(m, "", 0, &f, &why), 0);
	free(take(path));
	path = mem_format("%s/own/cur/1.a,S=14:2,FSa", root);
	ck_assert_int_eq(file_replace(path, SPAN("Subject: x\n\nx\n"), 0600, &why), 0);
	ck_assert_int_eq(stat(path, &from), 0);
	ck_assert_int_eq(folder_sync(f, &why), 0);
	ck_assert_int_eq(folder_copy(f, uids, 1, &(struct copy_target){bob.m, "", ~(unsigned)MESSAGE_FLAGGED, false}, true, &c, &why), 0);
	copied_free(&c);
	ck_assert_uint_eq(f->count, 0);
	ck_assert_uint_eq(flags_of(&bob, 1), MESSAGE_SEEN);
	ck_assert_uint_eq(flags_of(&alice, 1), 0);
	free(take(path));
	path = mem_format("%s/mail/cur/%s", root, message_name(alice.f, folder_find(alice.f, 1)));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_ne(st.st_ino, from.st_ino);
	ck_assert_int_eq(st.st_mtim.tv_sec, from.st_mtim.tv_sec);
	ck_assert(span_is(message_base(alice.f, folder_find(alice.f, 1)), "1.a,S=14"));
	/* a message that became something else is not copied, and keeps nobody waiting */
	deliver("cur/2.f:2,");
	flags_of(&bob, 2);
	free(take(path));
	path = mem_format("cd '%s/mail/cur' && mkfifo x && mv x 2.f:2,", root);
	ck_assert_int_eq(system(path), 0);
	ck_assert_int_eq(folder_copy(bob.f, uids + 1, 1, &(struct copy_target){m, "", ~0u, true}, false, &c, &why), -1);
	folder_close(f);
	maildir_close(m);
	close_user(&bob);
	close_user(&alice);
	stop();
}

/* ------------------------------------------------------------ who shares */

static void
ck_owners(const char *file, const char *user, const char *groups, bool anyone, const char *wanted)
{
	struct acl_shared    d;
	struct tree          t;
	autotext struct text got = {0};

	acl_shared_parse(span_of(file), &d);
	acl_shared_owners(&d, &(struct acl_who){user, groups, false}, anyone, &t);
	for (size_t i = 0; i < t.count; i++)
		text_add_format(&got, "%s;", t.names[i]);
	ck_assert_str_eq(text_string(&got), wanted);
	tree_free(&t);
	acl_shared_free(&d);
}

UNIT_TEST(who_shares)
{
	const char *file = "shared/shared-boxes/user/bob/dan\n1\nshared/shared-boxes/user/bob/alice\n1\n"
		"shared/shared-boxes/group/staff/alice\n1\nshared/shared-boxes/group/staff/eve\n1\n"
		"shared/shared-boxes/anyone/fay\n1\nshared/shared-boxes/user/a\\|b/with\\\\back\\|slash\n1\n"
		"priv/other\nx\nshared/shared-boxes/user/bob/bob\n1\nshared/shared-boxes/user/bob/torn";

	ck_owners(file, "bob", NULL, false, "alice;dan;");
	ck_owners(file, "bob", "x,staff", true, "alice;dan;eve;fay;");
	ck_owners(file, "a/b", NULL, false, "with\\back/slash;");
	ck_owners(file, "carol", NULL, false, "");
	ck_owners("", "bob", NULL, true, "");
}

static void
set_acl(struct maildir *m, const char *folder, const char *id, unsigned rights)
{
	ck_assert_int_eq(acl_change(m, folder, span_of(id), false, '=', rights, &why), 0);
}

UNIT_TEST(the_dictionary_follows_the_files)
{
	struct maildir      *m;
	autofree char       *mail = NULL, *dict = NULL;
	autotext struct text body = {0};
	autoclose int        dir = -1;

	start();
	mail = mem_format("%s/mail", root);
	dict = mem_format("%s/shared", root);
	dir = open(root, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(maildir_open(mail, MAILDIR_CREATE, &m, &why), 0);
	ck_assert_int_eq(maildir_folder_create(m, "Work", &why), 0);
	ck_assert_int_eq(file_replace(dict, SPAN("other\nkey\nshared/shared-boxes/user/x/al\n1\nshared/shared-boxes/user/x/eve\n1\n"), 0666, &why), 0);
	set_acl(m, "Work", "user=bob", ACL_LOOKUP | ACL_READ);
	set_acl(m, "Work", "user=dan", ACL_READ);                             /* who cannot look it up need not look */
	set_acl(m, "", "group=a/b", ACL_LOOKUP);
	ck_assert_msg(acl_shared_update(dir, "shared", m, "al", &why) == 0, "%s", fault_text(&why));
	ck_assert_int_eq(file_read(dict, 4096, &body, &why), 0);
	ck_assert_ptr_nonnull(strstr(text_string(&body), "other\nkey\nshared/shared-boxes/user/x/eve\n1\n"));
	ck_assert_ptr_nonnull(strstr(text_string(&body), "shared/shared-boxes/user/bob/al\n1\n"));
	ck_assert_ptr_nonnull(strstr(text_string(&body), "shared/shared-boxes/group/a\\|b/al\n1\n"));
	ck_assert_ptr_null(strstr(text_string(&body), "user/x/al"));
	ck_assert_ptr_null(strstr(text_string(&body), "dan"));
	set_acl(m, "Work", "user=bob", 0);
	set_acl(m, "", "group=a/b", 0);
	ck_assert_int_eq(acl_shared_update(dir, "shared", m, "al", &why), 0);
	text_clear(&body);
	ck_assert_int_eq(file_read(dict, 4096, &body, &why), 0);
	ck_assert_str_eq(text_string(&body), "other\nkey\nshared/shared-boxes/user/x/eve\n1\n");
	maildir_close(m);
	stop();
}

UNIT_TEST(one_owner_does_not_fill_the_dictionary)
{
	struct maildir      *m;
	autofree char       *mail = NULL, *dict = NULL;
	autotext struct text body = {0};
	autoclose int        dir = -1;

	start();
	mail = mem_format("%s/mail", root);
	dict = mem_format("%s/shared", root);
	dir = open(root, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(maildir_open(mail, MAILDIR_CREATE, &m, &why), 0);
	ck_assert_int_eq(file_replace(dict, SPAN("shared/shared-boxes/user/x/eve\n1\n"), 0666, &why), 0);
	for (int box = 0; box < 3; box++) {
		autofree char       *list = mem_format("%s/.B%d/dovecot-acl", mail, box), *name = mem_format("B%d", box);
		autotext struct text lines = {0};

		ck_assert_int_eq(maildir_folder_create(m, name, &why), 0);
		for (int i = 0; i < 900; i++)
			text_add_format(&lines, "user=somebody-or-other-%d-%d@example.org lr\n", box, i);
		ck_assert_int_eq(file_replace(list, text_span(&lines), 0600, &why), 0);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(acl_shared_update(dir, "shared", m, "al", &why), -1);
		ck_assert_int_eq(why.class, FAULT_DENIED);
		text_clear(&body);
		ck_assert_int_eq(file_read(dict, 1 << 20, &body, &why), 0);
		ck_assert(body.len > ACL_SHARED_OWNER_MOST - 200 && body.len < ACL_SHARED_OWNER_MOST + 200);
		ck_assert_ptr_nonnull(strstr(text_string(&body), "user/x/eve\n1\n"));
	}
	ck_assert_int_eq(tree_delete(m, "B1", &why), 0);
	ck_assert_int_eq(tree_delete(m, "B2", &why), 0);
	ck_assert_msg(acl_shared_update(dir, "shared", m, "al", &why) == 0, "%s", fault_text(&why));
	maildir_close(m);
	stop();
}

UNIT_TEST(where_it_lies)
{
	const struct location_user bob = {SPAN("bob@x.org"), SPAN("/home/bob")}, alice = {SPAN("alice@y.org"), SPAN("/home/alice")};
	struct location_user       bad = {SPAN("../eve"), SPAN("/home/eve")};
	struct location            l;
	autotext struct text       prefix = {0};

	ck_assert_int_eq(location_parse_foreign(SPAN("maildir:%%h/Maildir:INDEXPVT=~/Maildir/shared/%%u"), &bob, &alice, &l, &why), 0);
	ck_assert_str_eq(text_string(&l.root), "/home/alice/Maildir");
	ck_assert_str_eq(text_string(&l.private), "/home/bob/Maildir/shared/alice@y.org");
	location_free(&l);
	ck_assert_int_eq(location_parse_foreign(SPAN("maildir:/v/%%d/%%n/%n:INDEX=/i/%u/%%u"), &bob, &alice, &l, &why), 0);
	ck_assert_str_eq(text_string(&l.root), "/v/y.org/alice/bob");
	ck_assert_uint_eq(l.private.len, 0);
	location_free(&l);
	ck_assert_int_eq(location_parse_foreign(SPAN("maildir:/v/%%d%d:INDEXPVT=%h/x"), &bob, NULL, &l, &why), 0);
	ck_assert_str_eq(text_string(&l.root), "/v/%dx.org");
	location_free(&l);
	ck_assert_int_eq(location_parse_foreign(SPAN("maildir:/v/%%u"), &bob, &bad, &l, &why), -1);
	ck_assert_int_eq(location_parse_foreign(SPAN("maildir:/v/%%"), &bob, &alice, &l, &why), 0); /* a percent sign */
	location_free(&l);
	ck_assert_int_eq(location_parse_foreign(SPAN("maildir:/v:INDEXPVT=x"), &bob, &alice, &l, &why), -1);
	ck_assert_int_eq(location_parse(SPAN("maildir:/v:INDEXPVT=/x"), bob.name, bob.home, &l, &why), -1);
	ck_assert_int_eq(location_expand_prefix(SPAN("shared/%%u/"), &alice, &prefix, &why), 0);
	ck_assert_str_eq(text_string(&prefix), "shared/alice@y.org/");
}

UNIT_MAIN("lib/store seen", sets_add_up, any_lines, two_sessions_of_one_user, behind_a_torn_line, long_lines_are_written_anew, each_has_his_own, a_change_fails_in_the_middle, what_was_seen_cannot_be_kept,
	new_mail_stays_new_to_its_owner, copy_to_another, who_shares, the_dictionary_follows_the_files,
	one_owner_does_not_fill_the_dictionary, where_it_lies)
