/* SPDX-License-Identifier: ISC */
/*
 * mirror.c - a Maildir made the same as another
 */
#include "store/mirror.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/acl.h"
#include "store/dotlock.h"
#include "store/folder.h"
#include "store/message_file.h"
#include "store/scan.h"
#include "store/small_file.h"
#include "store/tree.h"

enum { SMALL_MOST = 256 << 20, LOCK_MS = 60000 };

/* What belongs to a mailbox beside its messages, and to the whole. */
static const char *const mailbox_files[] = {"dovecot-keywords", "postern-keywords", ACL_FILE, UIDLIST_FILE};
static const char *const root_files[] = {"subscriptions", "dovecot-attributes", "dovecot-uidvalidity"};

struct mirroring {
	struct folder       *from;
	struct mirror_count *count;
	int                  dir, new_dir, cur_dir, tmp_dir;    /* of the target */
	struct scan          there;
	struct dotlock       lock;
	bool                 in_new, in_cur;                    /* these must be made durable */
};

static int
open_in(int dir, const char *name, int *fd, struct fault *why)
{
	*fd = file_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0, why);
	return *fd < 0 ? -1 : 0;
}

static int
begin(struct mirroring *m, struct maildir *to, const char *name, struct fault *why)
{
	m->dir = maildir_folder_open(to, name, why);
	if (m->dir < 0 && why->error == ENOENT) {
		fault_clear(why);
		if (maildir_folder_create(to, name, why) < 0)
			return -1;
		m->dir = maildir_folder_open(to, name, why);
	}
	if (m->dir < 0 || open_in(m->dir, "new", &m->new_dir, why) < 0 || open_in(m->dir, "cur", &m->cur_dir, why) < 0 ||
	    open_in(m->dir, "tmp", &m->tmp_dir, why) < 0)
		return -1;
	if (dotlock_take(m->dir, UIDLIST_FILE, UIDLIST_STALE_SECONDS, clock_after(LOCK_MS), &m->lock, why) < 0)
		return -1;
	return scan_read(&m->there, m->new_dir, m->cur_dir, false, why);
}

static void
end(struct mirroring *m)
{
	dotlock_release(&m->lock);
	scan_free(&m->there);
	auto_close(&m->dir);
	auto_close(&m->new_dir);
	auto_close(&m->cur_dir);
	auto_close(&m->tmp_dir);
	folder_close(m->from);
}

/* As it lies there, compressed or not: what was unpacked has neither its size nor its date.  A message that went away
 * meanwhile is passed over. */
static int
copy(struct mirroring *m, const struct message *message, struct fault *why)
{
	autofree char *name = mem_string(message_name(m->from, message));
	bool           in_new = message->in_new;
	autoclose int  source = -1;
	struct stat    st;

	if (folder_message_file(m->from, message->uid, &source, &st, why) < 0) {
		if (why->error != ENOENT)
			return -1;
		fault_clear(why);
		return 0;
	}
	if (message_file_copy(source, m->tmp_dir, in_new ? m->new_dir : m->cur_dir, name, &m->lock, why) < 0)
		return -1;
	*(in_new ? &m->in_new : &m->in_cur) = true;
	m->count->copied++;
	return 0;
}

/* The same message under another name: its flags have changed. */
static int
rename_there(struct mirroring *m, const struct scan_entry *e, const struct message *message, struct fault *why)
{
	if (e->in_new == message->in_new && strcmp(e->name, message_name(m->from, message)) == 0)
		return 0;
	if (renameat(e->in_new ? m->new_dir : m->cur_dir, e->name, message->in_new ? m->new_dir : m->cur_dir, message_name(m->from, message)) < 0)
		return fault_errno(why, "rename %s", e->name);
	m->in_new |= e->in_new || message->in_new;
	m->in_cur |= !e->in_new || !message->in_new;
	m->count->renamed++;
	return 0;
}

/* Base names are unique; where one was not (two deliveries, a broken clock) the sizes tell. */
static bool
is_same(const struct mirroring *m, const struct scan_entry *e, const struct message *message)
{
	struct stat a, b;

	return fstatat(e->in_new ? m->new_dir : m->cur_dir, e->name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
		(fstatat(message->in_new ? m->from->new_dir : m->from->cur_dir, message_name(m->from, message), &b, AT_SYMLINK_NOFOLLOW) < 0 ||
	       a.st_size == b.st_size);
}

static int
remove_there(struct mirroring *m, const struct scan_entry *e, struct fault *why)
{
	if (unlinkat(e->in_new ? m->new_dir : m->cur_dir, e->name, 0) < 0 && errno != ENOENT)
		return fault_errno(why, "remove %s", e->name);
	*(e->in_new ? &m->in_new : &m->in_cur) = true;
	m->count->removed++;
	return 0;
}

static int
bring_messages(struct mirroring *m, struct fault *why)
{
	for (size_t i = 0; i < m->from->count; i++) {
		const struct message *message = &m->from->messages[i];
		struct scan_entry    *e = scan_find(&m->there, message_base(m->from, message));

		if (e && !is_same(m, e, message)) {
			if (remove_there(m, e, why) < 0)
				return -1;
			e = NULL;
		}
		if ((e ? rename_there(m, e, message, why) : copy(m, message, why)) < 0)
			return -1;
	}
	if ((m->in_new && file_sync(m->new_dir, why) < 0) || (m->in_cur && file_sync(m->cur_dir, why) < 0))
		return -1;
	m->in_new = m->in_cur = false;
	return 0;
}

static int
remove_others(struct mirroring *m, struct fault *why)
{
	struct strmap *bases = strmap_new();
	int            done = 0;

	for (size_t i = 0; i < m->from->count; i++)
		strmap_put(bases, message_base(m->from, &m->from->messages[i]), m);
	for (size_t i = 0; i < m->there.count && done == 0; i++) {
		const struct scan_entry *e = &m->there.at[i];

		if (!strmap_get(bases, span_at(e->name, e->base_len)))
			done = remove_there(m, e, why);
	}
	strmap_free(bases, NULL);
	if (done == 0 && ((m->in_new && file_sync(m->new_dir, why) < 0) || (m->in_cur && file_sync(m->cur_dir, why) < 0)))
		done = -1;
	return done;
}

/* As it is there, or not there. */
static int
same_file(int from, int to, const char *name, struct fault *why)
{
	autotext struct text bytes = {0}, old = {0};
	autofree char       *temporary = mem_format("%s.tmp", name);
	struct fault         none = {0};
	struct stat          st;

	if (small_file_read(from, name, SMALL_MOST, &bytes, &st, why) < 0) {
		if (why->error != ENOENT)
			return -1;
		fault_clear(why);
		if (unlinkat(to, name, 0) < 0 && errno != ENOENT)
			return fault_errno(why, "remove %s", name);
		return 0;
	}
	if (small_file_read(to, name, SMALL_MOST, &old, NULL, &none) == 0 && span_equal(text_span(&old), text_span(&bytes)))
		return 0;
	return small_file_replace(to, name, temporary, text_span(&bytes), st.st_mtime, why);
}

static int
mirror_mailbox(struct maildir *from, struct maildir *to, const char *name, struct mirror_count *count, struct fault *why)
{
	struct mirroring m = {.count = count, .dir = -1, .new_dir = -1, .cur_dir = -1, .tmp_dir = -1};
	int              done;

	scan_init(&m.there);
	done = folder_open(from, name, 0, &m.from, why) < 0 || begin(&m, to, name, why) < 0 || bring_messages(&m, why) < 0 ? -1 : 0;
	/* UIDs last: a record without a file would be taken for an expunge */
	for (size_t i = 0; i < COUNT(mailbox_files) && done == 0; i++)
		done = same_file(m.from->dir, m.dir, mailbox_files[i], why);
	if (done == 0)
		done = remove_others(&m, why);
	end(&m);
	count->mailboxes += done == 0;
	return done < 0 ? fault_prefix(why, "mailbox %s", *name ? name : "INBOX") : 0;
}

/* The file whose name is the highest UIDVALIDITY that was ever given out (uidvalidity.h). */
static int
mirror_validity(int from, int to, struct fault *why)
{
	DIR           *d = file_directory(to);
	struct dirent *e;

	if (!d)
		return fault_errno(why, "open the target");
	while ((e = readdir(d)))
		if (span_starts(span_of(e->d_name), "dovecot-uidvalidity.") && faccessat(from, e->d_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			unlinkat(to, e->d_name, 0);
	closedir(d);
	d = file_directory(from);
	if (!d)
		return fault_errno(why, "open the source");
	while ((e = readdir(d))) {
		autoclose int made = -1;

		if (!span_starts(span_of(e->d_name), "dovecot-uidvalidity.") || span_ends(span_of(e->d_name), ".lock") ||
		    span_ends(span_of(e->d_name), ".tmp") || faccessat(to, e->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		made = file_open_beneath(to, e->d_name, O_WRONLY | O_CREAT | O_EXCL, 0444, why);
		if (made < 0) {
			closedir(d);
			return -1;
		}
	}
	closedir(d);
	return 0;
}

static int
validity_of(struct maildir *m, uint32_t *validity, struct fault *why)
{
	struct uidlist list;
	int            done;

	uidlist_init(&list);
	done = uidlist_refresh(&list, maildir_root(m), NULL, why);
	*validity = list.validity;
	uidlist_free(&list);
	return done;
}

/* A source that was lost must not take its copy along. */
static int
check_source(struct maildir *from, struct maildir *to, bool restoring, struct fault *why)
{
	uint32_t here, there;

	if (faccessat(maildir_root(from), "cur", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_errno(why, "%s is no Maildir: cur", maildir_path(from));
	if (restoring)
		return 0;
	if (validity_of(from, &here, why) < 0 || validity_of(to, &there, why) < 0)
		return -1;
	if (there && here != there)
		return fault_set(why, FAULT_DENIED, "%s was made anew since %s was: what is there is not overwritten", maildir_path(from), maildir_path(to));
	return 0;
}

int
maildir_mirror(struct maildir *from, struct maildir *to, bool restoring, struct mirror_count *count, struct fault *why)
{
	struct tree here = {0}, there = {0};
	int         done = check_source(from, to, restoring, why) < 0 || tree_list(from, &here, why) < 0 || tree_list(to, &there, why) < 0 ? -1 : 0;

	if (done == 0)
		done = mirror_mailbox(from, to, "", count, why);
	for (size_t i = 0; i < here.count && done == 0; i++)
		done = mirror_mailbox(from, to, here.names[i], count, why);
	for (size_t i = 0; i < there.count && done == 0; i++)
		if (!tree_has(&here, span_of(there.names[i])))
			done = tree_delete(to, there.names[i], why);
	for (size_t i = 0; i < COUNT(root_files) && done == 0; i++)
		done = same_file(maildir_root(from), maildir_root(to), root_files[i], why);
	if (done == 0)
		done = mirror_validity(maildir_root(from), maildir_root(to), why);
	unlinkat(maildir_root(to), "maildirsize", 0);        /* counted anew by who needs it */
	if (done == 0)
		done = file_sync(maildir_root(to), why);
	tree_free(&here);
	tree_free(&there);
	return done;
}
