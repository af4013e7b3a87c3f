/* SPDX-License-Identifier: ISC */
/*
 * tree.c - which mailboxes there are
 */
#include "store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/mutf7.h"
#include "store/quota.h"

#define TRASHED "..DOVECOT-TRASHED"

enum { DELETE_DEPTH = 4 };

static bool
is_mailbox(int root, const char *entry)
{
	autofree char *cur = mem_format("%s/cur", entry);
	autoclose int  fd = file_open_beneath(root, cur, O_RDONLY | O_DIRECTORY, 0, NULL);

	return fd >= 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
tree_list(struct maildir *m, struct tree *out, struct fault *why)
{
	int  root = maildir_root(m);
	DIR *dir = file_directory(root);

	if (!dir)
		return fault_errno(why, "read %s", maildir_path(m));
	struct tree    got = {0};
	struct dirent *e;
	int            more;

	while ((more = file_next(dir, &e, why)) > 0) {
		if (e->d_name[0] != '.' || !e->d_name[1] || e->d_name[1] == '.'
			|| (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN)
			|| !maildir_folder_valid(span_of(e->d_name + 1)) || !is_mailbox(root, e->d_name))
			continue;
		got.names = mem_grow(got.names, got.count + 1, sizeof *got.names);
		got.names[got.count++] = mem_string(e->d_name + 1);
	}
	closedir(dir);
	if (more < 0) {
		tree_free(&got);
		return -1; /* a mailbox that is not seen is not gone */
	}
	if (got.count)
		qsort(got.names, got.count, sizeof *got.names, compare_names);
	*out = got;
	return 0;
}

void
tree_free(struct tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->names[i]);
	free(t->names);
	*t = (struct tree){0};
}

bool
tree_exists(struct maildir *m, const char *folder)
{
	autofree char *entry = mem_format(".%s", folder);
	struct stat    st;

	if (!*folder)
		return true;
	return maildir_folder_valid(span_of(folder))
		&& fstatat(maildir_root(m), entry, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

bool
tree_nearest_above(struct maildir *m, char *folder)
{
	do {
		char *dot = strrchr(folder, '.');

		*(dot ? dot : folder) = '\0';
	} while (*folder && !tree_exists(m, folder));
	return *folder;
}

bool
tree_has(const struct tree *t, struct span name)
{
	for (size_t i = 0; i < t->count; i++)
		if (span_is(name, t->names[i]))
			return true;
	return name.len == 0;
}

static bool
is_child(const char *name, struct span parent)
{
	return strlen(name) > parent.len && memcmp(name, parent.at, parent.len) == 0
		&& (parent.len == 0 || name[parent.len] == '.');
}

bool
tree_has_children(const struct tree *t, struct span name)
{
	for (size_t i = 0; i < t->count; i++)
		if (is_child(t->names[i], name))
			return true;
	return false;
}

char *
tree_name(struct span name)
{
	autotext struct text out = {0};

	if (span_is_nocase(name, "INBOX"))
		return mem_string("");
	if (span_starts_nocase(name, "INBOX/") || span_starts_nocase(name, "INBOX."))
		name = span_from(name, 6);
	if (mutf7_encode(name, &out, NULL) < 0)
		text_set(&out, name);
	for (size_t i = 0; i < out.len; i++)
		if (out.at[i] == '/')
			out.at[i] = '.';
	return mem_string(text_string(&out));
}

static int delete_entries(int dir, int depth, struct fault *why);

static int
delete_one(int dir, const char *name, int depth, struct fault *why)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fault_errno(why, "remove %s", name);
	autoclose int fd = file_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0, why);

	if (fd < 0)
		return -1;
	if (depth >= DELETE_DEPTH)
		return fault_set(why, FAULT_DENIED, "directories too deep for a mailbox");
	if (delete_entries(fd, depth + 1, why) < 0)
		return -1;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fault_errno(why, "remove directory %s", name);
	return 0;
}

static int
delete_entries(int dir, int depth, struct fault *why)
{
	DIR *stream = file_directory(dir);
	int  result = 0;

	if (!stream)
		return fault_errno(why, "read directory");
	for (struct dirent *e; result == 0 && (e = readdir(stream));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			result = delete_one(dir, e->d_name, depth, why);
	closedir(stream);
	return result;
}

/* Much left at once, or is counted by another rule now. */
static void
count_again(struct maildir *m)
{
	struct quota_use use = {0};

	if (!maildir_quota(m) || quota_look(maildir_quota(m), m, QUOTA_QUICK, &use, NULL) < 0)
		return; /* limits that are the file's alone must not be lost */
	if (quota_recount(maildir_quota(m), m, &use, NULL) < 0)
		unlinkat(maildir_root(m), "maildirsize", 0); /* counted by who needs it */
}

/* Renamed out of sight first: a crash leaves all of it or nothing of it. */
int
tree_delete(struct maildir *m, const char *folder, struct fault *why)
{
	autofree char *entry = mem_format(".%s", folder);
	int            root = maildir_root(m);

	if (!*folder || !maildir_folder_valid(span_of(folder)))
		return fault_set(why, FAULT_INPUT, "not a mailbox name");
	if (delete_one(root, TRASHED, 0, why) < 0)
		return -1;
	if (renameat(root, entry, root, TRASHED) < 0)
		return fault_errno(why, "delete mailbox %s", folder);
	if (file_sync(root, why) < 0)
		return -1;
	delete_one(root, TRASHED, 0, NULL); /* what stays is gone all the same, and removed next time */
	count_again(m);
	return 0;
}

static int
is_free(struct maildir *m, const char *folder, struct fault *why)
{
	autofree char *entry = mem_format(".%s", folder);
	struct stat    st;

	if (fstatat(maildir_root(m), entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	errno = EEXIST;
	return fault_errno(why, "rename to %s", folder);
}

static int
rename_one(struct maildir *m, const char *from, const char *to, struct fault *why)
{
	autofree char *old = mem_format(".%s", from), *new = mem_format(".%s", to);
	int            root = maildir_root(m);

	if (is_free(m, to, why) < 0)
		return -1;
	if (renameat(root, old, root, new) < 0)
		return fault_errno(why, "rename %s", from);
	return 0;
}

static char *
child_renamed(const char *child, const char *from, const char *to)
{
	return mem_format("%s%s", to, child + strlen(from));
}

/* All of them before the first is renamed: what cannot be done wholly is not begun. */
static int
children_can_move(struct maildir *m, const struct tree *t, const char *from, const char *to,
	struct fault *why)
{
	for (size_t i = 0; i < t->count; i++) {
		if (!is_child(t->names[i], span_of(from)))
			continue;
		autofree char *new = child_renamed(t->names[i], from, to);

		if (!maildir_folder_valid(span_of(new)))
			return fault_set(why, FAULT_INPUT, "a child's name gets too long");
		if (is_free(m, new, why) < 0)
			return -1;
	}
	return 0;
}

static int
rename_children(struct maildir *m, const struct tree *t, const char *from, const char *to,
	struct fault *why)
{
	for (size_t i = 0; i < t->count; i++) {
		if (!is_child(t->names[i], span_of(from)))
			continue;
		autofree char *new = child_renamed(t->names[i], from, to);

		if (rename_one(m, t->names[i], new, why) < 0)
			return -1;
	}
	return 0;
}

int
tree_rename(struct maildir *m, const char *from, const char *to, struct fault *why)
{
	struct tree t = {0};
	bool        exists = tree_exists(m, from);
	int         result = -1;

	if (!*from || !*to || !maildir_folder_valid(span_of(from)) || !maildir_folder_valid(span_of(to)))
		return fault_set(why, FAULT_INPUT, "not a mailbox name");
	if (is_child(to, span_of(from)))
		return fault_set(why, FAULT_DENIED, "a mailbox cannot become its own child");
	if (tree_list(m, &t, why) < 0)
		return -1;
	if (tree_has(&t, span_of(to)) || tree_has_children(&t, span_of(to))) {
		errno = EEXIST;
		fault_errno(why, "rename to %s", to);
	} else if (!exists && !tree_has_children(&t, span_of(from))) {
		errno = ENOENT;
		fault_errno(why, "rename %s", from);
	} else if (children_can_move(m, &t, from, to, why) == 0
		&& (!exists || rename_one(m, from, to, why) == 0)) {
		result = rename_children(m, &t, from, to, why);
	}
	tree_free(&t);
	if (file_sync(maildir_root(m), result == 0 ? why : NULL) < 0)
		return -1;
	count_again(m);
	return result;
}
