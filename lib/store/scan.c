/* SPDX-License-Identifier: ISC */
/*
 * scan.c - which message files are in new/ and cur/
 */
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/filename.h"
#include "store/maildir.h"

enum { LINKED_TWICE_SECONDS = 30, NAMES_AT_ONCE = 16384 };

void
scan_init(struct scan *s)
{
	*s = (struct scan){.by_base = strmap_new_borrowing(), .names = arena_new()};
}

void
scan_free(struct scan *s)
{
	free(s->at);
	strmap_free(s->by_base, NULL);
	arena_free(s->names);
	*s = (struct scan){0};
}

struct arena *
scan_take_names(struct scan *s)
{
	return take(s->names);
}

char *
scan_keep_name(struct scan *s, struct span name)
{
	char *kept;

	if (s->left <= name.len) {
		s->left = name.len < NAMES_AT_ONCE ? NAMES_AT_ONCE : name.len + 1;
		s->next = arena_alloc(s->names, s->left);
	}
	kept = s->next;
	memcpy(kept, name.at, name.len);
	kept[name.len] = '\0';
	s->next += name.len + 1;
	s->left -= name.len + 1;
	return kept;
}

struct scan_entry *
scan_find(const struct scan *s, struct span base)
{
	size_t at = (size_t)(uintptr_t)strmap_get(s->by_base, base);

	return at ? &s->at[at - 1] : NULL;
}

static bool
is_regular(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool
can_be_listed(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] < 0x20)
			return false;
	return true;
}

/* The name is kept already, here and below. */
static void
put(struct scan *s, void **slot, char *name, size_t base_len, bool in_new)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->at = mem_grow(s->at, s->room, sizeof *s->at);
	}
	s->at[s->count++] = (struct scan_entry){name, (uint16_t)base_len, in_new, s->pass};
	*slot = (void *)(uintptr_t)s->count;
}

static void
replace(struct scan_entry *entry, struct scan *s, char *name, bool in_new)
{
	entry->name = name;
	entry->in_new = in_new;
	entry->pass = s->pass;
}

/* A fresh base for a file that shares one or has none; flags stay. */
static bool
rename_apart(struct scan *s, int dir, struct span name, bool in_new)
{
	char                *kept;
	autotext struct text base = {0}, full = {0};
	struct file_name     old;
	struct stat          st;

	file_name_parse(name, &old);
	if (fstatat(dir, name.at, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	maildir_unique_name(&base);
	text_add_format(&base, ",S=%lld", (long long)st.st_size);
	old.base = text_span(&base);
	if (old.has_info)
		file_name_format(&old, old.flags, old.keywords, &full);
	else
		text_add(&full, old.base);
	if (renameat(dir, name.at, dir, text_string(&full)) < 0)
		return false;
	log_info("renamed %.*s, whose base another message has, to %s", SPAN_ARGS(name),
		text_string(&full));
	kept = scan_keep_name(s, text_span(&full));
	put(s, strmap_slot(s->by_base, span_at(kept, base.len)), kept, base.len, in_new);
	return true;
}

/* Two names of one base in one pass: the old and the new name of a rename that
 * happened meanwhile, a file linked in both directories, or two messages. */
static void
seen_twice(struct scan *s, struct scan_entry *first, int first_dir, int dir, char *name,
	bool in_new, bool repair)
{
	struct stat a, b;

	if (fstatat(first_dir, first->name, &a, AT_SYMLINK_NOFOLLOW) < 0) {
		replace(first, s, name, in_new);
		return;
	}
	if (fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
		if (repair && a.st_nlink > 1 && a.st_ctime < time(NULL) - LINKED_TWICE_SECONDS)
			unlinkat(first_dir, first->name, 0);
		replace(first, s, name, in_new);
	} else if (repair) {
		rename_apart(s, dir, span_of(name), in_new);
	}
}

static void
see(struct scan *s, int dir, int new_dir, int cur_dir, struct span name, bool in_new, bool repair)
{
	ptrdiff_t          colon = span_find(name, ':');
	size_t             base_len = colon < 0 ? name.len : (size_t)colon;
	struct scan_entry *entry;
	char              *kept;
	void             **slot;

	if (base_len == 0) {
		if (repair)
			rename_apart(s, dir, name, in_new);
		return;
	}
	kept = scan_keep_name(s, name);
	slot = strmap_slot(s->by_base, span_at(kept, base_len));
	entry = *slot ? &s->at[(uintptr_t)*slot - 1] : NULL;
	if (!entry)
		put(s, slot, kept, base_len, in_new);
	else if (entry->pass != s->pass)
		replace(entry, s, kept, in_new);
	else
		seen_twice(s, entry, entry->in_new ? new_dir : cur_dir, dir, kept, in_new, repair);
}

static int
read_directory(struct scan *s, int new_dir, int cur_dir, bool in_new, bool repair, struct fault *why)
{
	int            dir = in_new ? new_dir : cur_dir, more;
	DIR           *stream = file_directory(dir);
	struct dirent *e;

	if (!stream)
		return fault_errno(why, "read directory %s", in_new ? "new" : "cur");
	while ((more = file_next(stream, &e, why)) > 0) {
		struct span name = span_of(e->d_name);

		if (name.at[0] != '.' && is_regular(dir, e) && can_be_listed(name))
			see(s, dir, new_dir, cur_dir, name, in_new, repair);
	}
	closedir(stream);
	return more < 0 ? fault_prefix(why, "%s", in_new ? "new" : "cur") : 0;
}

int
scan_read(struct scan *s, int new_dir, int cur_dir, bool repair, struct fault *why)
{
	s->pass++;
	if (read_directory(s, new_dir, cur_dir, true, repair, why) < 0)
		return -1;
	return read_directory(s, new_dir, cur_dir, false, repair, why);
}
