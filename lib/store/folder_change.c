/* SPDX-License-Identifier: ISC */
/*
 * folder_change.c - flags, expunging and reading of an open mailbox
 *
 * Flags are in the file name: a change is a rename within cur/ and durable
 * once the directory is.  It happens under the uidlist lock, so that no scan
 * which may expunge meets a name in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/folder_private.h"

enum { TRIES = 4 };

int
folder_keyword(struct folder *f, struct span name, bool make, int *number, struct fault *why)
{
	struct dotlock lock = {0};
	bool           added = false;
	int            result = -1, n;

	n = keywords_find(&f->keywords, name);
	if (n >= 0 || !make) {
		*number = n;
		return 0;
	}
	if (folder_lock(f, &lock, why) < 0)
		return -1;
	if (keywords_refresh(&f->keywords, f->dir, why) == 0
		&& (n = keywords_add(&f->keywords, name, &added, why)) >= 0) {
		*number = n;
		result = added ? keywords_write(&f->keywords, f->dir, why) : 0;
		if (result < 0)
			free(take(f->keywords.name[n]));
	}
	dotlock_release(&lock);
	return result;
}

static void
changed_flags(const struct message *m, const struct flag_change *c, unsigned *flags,
	uint64_t *keywords)
{
	*flags = m->flags;
	*keywords = m->keywords;
	switch (c->kind) {
	case FLAGS_SET:
		*flags = c->flags;
		*keywords = c->keywords;
		break;
	case FLAGS_ADD:
		*flags |= c->flags;
		*keywords |= c->keywords;
		break;
	case FLAGS_REMOVE:
		*flags &= ~c->flags;
		*keywords &= ~c->keywords;
		break;
	}
}

/* 0 done (or nothing to do), 1 the file is not under that name, -1 why. */
static int
rename_flags(struct folder *f, struct message *m, unsigned flags, uint64_t keywords,
	struct fault *why)
{
	autotext struct text name = {0};
	struct file_name     parsed;

	if (flags == m->flags && keywords == m->keywords)
		return 0;
	file_name_parse(span_of(m->name), &parsed);
	file_name_format(&parsed, flags, keywords, &name);
	if (renameat(m->in_new ? f->new_dir : f->cur_dir, m->name, f->cur_dir, text_string(&name)) < 0)
		return errno == ENOENT ? 1 : fault_errno(why, "rename %s", m->name);
	free(m->name);
	m->name = take(name.at);
	m->in_new = false;
	m->flags = (uint8_t)flags;
	m->keywords = keywords;
	f->generation++;
	return 0;
}

static int
store_pass(struct folder *f, const uint32_t *uids, size_t count, struct flag_change *c,
	struct dotlock *lock, bool second, bool *again, struct fault *why)
{
	*again = false;
	c->modified_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct message *m = folder_find(f, uids[i]);
		unsigned        flags;
		uint64_t        keywords;
		int             result;

		if (!m)
			continue;
		changed_flags(m, c, &flags, &keywords);
		if (c->conditional && m->modseq > c->unchanged_since
			&& !(second && flags == m->flags && keywords == m->keywords)) {
			c->modified[c->modified_count++] = uids[i]; /* not by the pass before */
			continue;
		}
		result = rename_flags(f, m, flags, keywords, why);
		if (result < 0)
			return -1;
		*again |= result == 1;
		dotlock_touch(lock);
	}
	return 0;
}

int
folder_store(struct folder *f, const uint32_t *uids, size_t count, struct flag_change *c,
	bool durable, struct fault *why)
{
	struct dotlock lock = {0};
	bool           again = true;
	uint64_t       before = f->generation;
	int            result = 0;

	if (folder_lock(f, &lock, why) < 0)
		return -1;
	for (int i = 0; result == 0 && again && i < TRIES; i++) {
		if (c->conditional || i > 0)
			result = folder_sync_held(f, why);
		if (result == 0)
			result = store_pass(f, uids, count, c, &lock, i > 0, &again, why);
	}
	if (f->record && f->generation != before)
		f->record(f);
	dotlock_release(&lock);
	if (result < 0)
		return -1;
	if (again)
		return fault_set(why, FAULT_SYSTEM, "flags keep being changed by another program");
	if (durable && f->generation != before && file_sync(f->cur_dir, why) < 0)
		return -1;
	return 0;
}

static bool
is_chosen(uint32_t uid, const uint32_t *uids, size_t count)
{
	size_t low = 0, high = count;

	if (!uids)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && uids[low] == uid;
}

struct removal {
	bool     from_new, from_cur;
	bool     missed;             /* a file was not under its name */
	int64_t  bytes, count;
};

/* True when it is gone, by us or by another. */
static bool
remove_file(struct folder *f, const struct message *m, struct removal *r)
{
	struct file_name parsed;
	struct stat      st;
	int              dir = m->in_new ? f->new_dir : f->cur_dir;

	file_name_parse(span_of(m->name), &parsed);
	if (!parsed.has_size && fstatat(dir, m->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		parsed.size = (uint64_t)st.st_size;
	if (unlinkat(dir, m->name, 0) < 0)
		return false;
	r->bytes -= (int64_t)parsed.size;
	r->count--;
	if (m->in_new)
		r->from_new = true;
	else
		r->from_cur = true;
	return true;
}

static int
expunge_locked(struct folder *f, const uint32_t *uids, size_t count, bool any_flags,
	struct removal *r, struct fault *why)
{
	size_t kept = 0;
	int    result = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct message *m = &f->messages[i];
		bool            go = result == 0 && (any_flags || m->flags & MESSAGE_DELETED)
			&& is_chosen(m->uid, uids, count);

		if (go && remove_file(f, m, r)) {
			free(m->name);
			f->generation++;
			continue;
		}
		if (go && errno == ENOENT)
			r->missed = true;
		else if (go)
			result = fault_errno(why, "remove %s", m->name);
		f->messages[kept++] = *m;
	}
	f->count = kept;
	return result;
}

int
folder_expunge(struct folder *f, const uint32_t *uids, size_t count, bool any_flags,
	struct fault *why)
{
	struct dotlock lock = {0};
	struct removal r = {0};
	uint64_t       before;
	int            result;

	if (folder_sync(f, why) < 0)
		return -1;
	before = f->generation;
	if (folder_lock(f, &lock, why) < 0)
		return -1;
	result = expunge_locked(f, uids, count, any_flags, &r, why);
	for (int i = 1; result == 0 && r.missed && i < TRIES; i++) {
		r.missed = false;
		result = folder_sync_held(f, why);
		if (result == 0)
			result = expunge_locked(f, uids, count, any_flags, &r, why);
	}
	if (f->record && f->generation != before)
		f->record(f);
	dotlock_release(&lock);
	if (r.from_cur && file_sync(f->cur_dir, result == 0 ? why : NULL) < 0)
		result = -1;
	if (r.from_new && file_sync(f->new_dir, result == 0 ? why : NULL) < 0)
		result = -1;
	if (r.count)
		maildir_size_add(f->maildir, f->name, r.bytes, r.count);
	return result;
}

int
folder_message_open(struct folder *f, uint32_t uid, int *out, struct stat *st, struct fault *why)
{
	for (int i = 0; i < TRIES; i++) {
		struct message *m = folder_find(f, uid);
		struct fault    own = {0};

		if (!m)
			break;
		autoclose int fd = file_open_beneath(m->in_new ? f->new_dir : f->cur_dir, m->name,
			O_RDONLY | O_NONBLOCK, 0, &own);

		if (fd >= 0) {
			if (fstat(fd, st) < 0)
				return fault_errno(why, "stat %s", m->name);
			if (!S_ISREG(st->st_mode))
				return fault_set(why, FAULT_INPUT, "%s is not a regular file", m->name);
			*out = take_fd(fd);
			return 0;
		}
		if (own.error != ENOENT) {
			if (why)
				*why = own;
			return -1;
		}
		f->scanned = false;
		if (folder_sync(f, why) < 0)
			return -1;
	}
	fault_set(why, FAULT_SYSTEM, "the message is gone");
	if (why)
		why->error = ENOENT;
	return -1;
}
