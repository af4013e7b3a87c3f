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
#include "store/lazy.h"
#include "store/packed.h"
#include "store/place_private.h"
#include "store/tree.h"

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
		*flags = (c->flags & ~c->kept) | (m->flags & c->kept);
		*keywords = c->keeps_keywords ? m->keywords : c->keywords;
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
	unsigned             on_file = flags;

	if (flags == m->flags && keywords == m->keywords)
		return 0;
	if (!*message_name(f, m))
		return 1;
	file_name_parse(span_of(message_name(f, m)), &parsed);
	if (f->seen) /* the name's \Seen is the owner's */
		on_file = (flags & ~(unsigned)MESSAGE_SEEN) | (parsed.flags & MESSAGE_SEEN);
	if (on_file == parsed.flags && keywords == m->keywords) {
		m->flags = (uint8_t)flags;
		folder_touch(f, m->uid);
		f->generation++;
		return 0;
	}
	file_name_format(&parsed, on_file, keywords, &name);
	if (renameat(m->in_new ? f->new_dir : f->cur_dir, message_name(f, m), f->cur_dir, text_string(&name)) < 0)
		return errno == ENOENT ? 1 : fault_errno(why, "rename %s", message_name(f, m));
	message_rename(m, take(name.at));
	m->in_new = false;
	m->flags = (uint8_t)flags;
	m->keywords = keywords;
	folder_touch(f, m->uid);
	f->generation++;
	return 0;
}

/* Messages whose \Seen is this user's own and changes. */
struct own_seen { uint32_t *more, *less; size_t more_count, less_count; };

static void
note_seen(const struct folder *f, const struct message *m, unsigned before, struct own_seen *own)
{
	if (!f->seen || !((m->flags ^ before) & MESSAGE_SEEN))
		return;
	if (m->flags & MESSAGE_SEEN)
		own->more[own->more_count++] = m->uid;
	else
		own->less[own->less_count++] = m->uid;
}

static int
keep_seen(struct folder *f, const struct own_seen *own, bool durable, struct fault *why)
{
	uint64_t reads = f->seen ? f->seen->reads : 0;
	int      result;

	if (!f->seen)
		return 0;
	result = seen_change(f->seen, own->more, own->more_count, true, durable, why);
	if (result == 0)
		result = seen_change(f->seen, own->less, own->less_count, false, durable, why);
	if (result < 0 || f->seen->reads != reads)
		f->scanned = false; /* another session has changed it, too, or it is not as these messages say: look again */
	return result;
}

static int
store_pass(struct folder *f, const uint32_t *uids, size_t count, struct flag_change *c,
	struct dotlock *lock, bool second, bool *again, struct own_seen *own, struct fault *why)
{
	*again = false;
	c->modified_count = 0;
	own->more_count = own->less_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct message *m = folder_find(f, uids[i]);
		unsigned        flags, before;
		uint64_t        keywords;
		int             result;

		if (!m)
			continue;
		before = m->flags;
		changed_flags(m, c, &flags, &keywords);
		if (c->conditional && m->modseq > c->unchanged_since
			&& !(second && flags == m->flags && keywords == m->keywords)) {
			c->modified[c->modified_count++] = uids[i]; /* not by the pass before */
			continue;
		}
		result = rename_flags(f, m, flags, keywords, why);
		if (result < 0)
			return -1;
		note_seen(f, m, before, own);
		*again |= result == 1;
		dotlock_touch(lock);
	}
	return 0;
}

/* The mailbox itself stays as it is, and may be one that this user cannot even lock. */
static bool
is_own_alone(const struct folder *f, const struct flag_change *c)
{
	bool seen_only = c->kind != FLAGS_SET || (c->keeps_keywords && c->kept == (MESSAGE_FLAGS & ~(unsigned)MESSAGE_SEEN));

	return f->seen && seen_only && !c->keywords && !(c->flags & ~(unsigned)MESSAGE_SEEN);
}

int
folder_store(struct folder *f, const uint32_t *uids, size_t count, struct flag_change *c,
	bool durable, struct fault *why)
{
	struct dotlock  lock = {0};
	bool            again = true, own_alone = is_own_alone(f, c);
	uint64_t        before = f->generation;
	autofree uint32_t *more = mem_array(count + 1, sizeof *more), *less = mem_array(count + 1, sizeof *less);
	struct own_seen own = {more, less, 0, 0};
	int             result = 0;

	if (!own_alone)
		folder_begin_change(f);
	if (!own_alone && f->date)
		f->date(f, uids, count);
	if (!own_alone && folder_lock(f, &lock, why) < 0)
		return -1;
	for (int i = 0; result == 0 && again && i < TRIES; i++) {
		if (c->conditional || i > 0)
			result = own_alone ? folder_sync(f, why) : folder_sync_held(f, i > 0, why);
		if (result == 0)
			result = store_pass(f, uids, count, c, &lock, i > 0, &again, &own, why);
		else
			own.more_count = own.less_count = 0;
		/* also of those that came before a failure: their files have the other flags already */
		if (keep_seen(f, &own, durable, result == 0 ? why : NULL) < 0)
			result = -1;
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
	bool            from_new, from_cur;
	bool            missed;      /* a file was not under its name */
	int64_t         bytes, count;
	struct placing *keep;        /* where the messages go (lazy.h); NULL: nowhere */
	bool            only_last;
	struct dotlock  lock;
};

/* 0 it is gone from here, by us; 1 it is not under its name, or not marked there; -1 why. */
static int
remove_file(struct folder *f, const struct message *m, bool any_flags, struct removal *r, struct fault *why)
{
	struct file_name parsed;
	struct stat      st = {.st_nlink = 1};
	int              dir = m->in_new ? f->new_dir : f->cur_dir, result;

	file_name_parse(span_of(message_name(f, m)), &parsed);
	if (!any_flags && !(parsed.flags & MESSAGE_DELETED))
		return 1; /* what is in memory is a cache: it removes nothing that the name does not say */
	if ((!parsed.has_size || r->only_last) && fstatat(dir, message_name(f, m), &st, AT_SYMLINK_NOFOLLOW) == 0 && !parsed.has_size)
		parsed.size = (uint64_t)st.st_size;
	if (r->keep && !(r->only_last && st.st_nlink > 1))
		result = placing_take(r->keep, f, m, m->flags & ~(unsigned)MESSAGE_DELETED, why);
	else if (unlinkat(dir, message_name(f, m), 0) == 0)
		result = 0;
	else
		result = errno == ENOENT ? 1 : fault_errno(why, "remove %s", message_name(f, m));
	if (result != 0)
		return result;
	r->bytes -= (int64_t)parsed.size;
	r->count--;
	if (m->in_new)
		r->from_new = true;
	else
		r->from_cur = true;
	return 0;
}

static bool
shall_go(const struct message *m, const uint32_t *uids, size_t count, bool any_flags)
{
	return (any_flags || m->flags & MESSAGE_DELETED) && is_chosen(m->uid, uids, count);
}

static int
expunge_locked(struct folder *f, const uint32_t *uids, size_t count, bool any_flags,
	struct removal *r, struct fault *why)
{
	size_t kept = 0;
	int    result = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct message *m = &f->messages[i];
		int             gone = 1;

		if (result == 0 && shall_go(m, uids, count, any_flags)) {
			gone = remove_file(f, m, any_flags, r, why);
			r->missed |= gone == 1;
			result = gone < 0 ? -1 : 0;
			dotlock_touch(&r->lock);
		}
		if (gone != 0) {
			if (&f->messages[kept] != m)   /* a page of a borrowed array is copied when it is written */
				f->messages[kept] = *m;
			kept++;
			continue;
		}
		message_rename(m, NULL);
		folder_touch(f, m->uid);
		f->generation++;
	}
	f->count = kept;
	return result;
}

/* The mailbox that keeps what goes is made when there is none. */
static int
begin_keeping(struct folder *f, const struct lazy *z, struct removal *r, struct fault *why)
{
	struct copy_target to = {.maildir = f->maildir, .folder = lazy_mailbox(z), .flags = ~0u, .keywords = true};
	struct fault       own = {0};

	if (!tree_exists(f->maildir, to.folder) && maildir_folder_create(f->maildir, to.folder, &own) < 0 && own.error != EEXIST) {
		if (why)
			*why = own;
		return -1;
	}
	r->only_last = lazy_only_last(z);
	return placing_begin_beside(f, &to, &r->lock, &r->keep, why);
}

static int
begin_removal(struct folder *f, const struct lazy *z, const uint32_t *uids, size_t count, bool any_flags,
	struct removal *r, struct fault *why)
{
	size_t i = 0;

	while (z && i < f->count && !shall_go(&f->messages[i], uids, count, any_flags))
		i++;
	return z && i < f->count ? begin_keeping(f, z, r, why) : folder_lock(f, &r->lock, why);
}

/* What is kept is durable there before its end here is. */
static int
end_keeping(struct removal *r, struct fault *why)
{
	uint32_t validity;

	if (r->keep && placing_is_empty(r->keep)) {
		placing_abort(r->keep);
		return 0;
	}
	return r->keep ? placing_commit(r->keep, &validity, why) : 0;
}

static int
remove_messages(struct folder *f, const struct lazy *z, const uint32_t *uids, size_t count, bool any_flags,
	struct fault *why)
{
	struct removal r = {0};
	uint64_t       before;
	int            result;

	folder_begin_change(f);
	if (folder_sync(f, why) < 0)
		return -1;
	before = f->generation;
	if (begin_removal(f, z, uids, count, any_flags, &r, why) < 0)
		return -1;
	result = expunge_locked(f, uids, count, any_flags, &r, why);
	for (int i = 1; result == 0 && r.missed && i < TRIES; i++) {
		r.missed = false;
		result = folder_sync_held(f, true, why);
		if (result == 0)
			result = expunge_locked(f, uids, count, any_flags, &r, why);
	}
	if (end_keeping(&r, result == 0 ? why : NULL) < 0)
		result = -1;
	if (f->record && f->generation != before)
		f->record(f);
	dotlock_release(&r.lock);
	if (r.from_cur && file_sync(f->cur_dir, result == 0 ? why : NULL) < 0)
		result = -1;
	if (r.from_new && file_sync(f->new_dir, result == 0 ? why : NULL) < 0)
		result = -1;
	if (r.count)
		maildir_size_add(f->maildir, f->name, r.bytes, r.count);
	return result;
}

int
folder_expunge(struct folder *f, const uint32_t *uids, size_t count, bool any_flags, struct fault *why)
{
	const struct lazy *z = maildir_lazy(f->maildir);

	return remove_messages(f, lazy_holds(z, f->name) ? z : NULL, uids, count, any_flags, why);
}

int
folder_remove(struct folder *f, const uint32_t *uids, size_t count, struct fault *why)
{
	return remove_messages(f, NULL, uids, count, true, why);
}

static struct span
with_field(struct folder *f, struct span fields, char letter, struct span value)
{
	autotext struct text out = {0};
	struct span          field;

	while (span_next(&fields, " ", &field))
		if (field.at[0] != letter) {
			text_add(&out, field);
			text_add_byte(&out, ' ');
		}
	text_add_byte(&out, letter);
	text_add(&out, value);
	return arena_span(f->list.arena, text_span(&out));
}

int
folder_set_fields(struct folder *f, char letter, const uint32_t *uids, const struct span *values, size_t count,
	struct fault *why)
{
	struct dotlock lock = {0};
	size_t         at = 0;
	int            result;

	if (folder_lock(f, &lock, why) < 0)
		return -1;
	result = uidlist_refresh(&f->list, f->dir, NULL, why);
	for (size_t i = 0; result == 0 && i < f->list.count; i++) {
		struct uidlist_record *r = &f->list.records[i];

		while (at < count && uids[at] < r->uid)
			at++;
		if (at < count && uids[at] == r->uid)
			r->fields = with_field(f, r->fields, letter, values[at]);
	}
	if (result == 0)
		result = uidlist_rewrite(&f->list, f->dir, NULL, NULL, why);
	dotlock_release(&lock);
	return result;
}

int
folder_message_file(struct folder *f, uint32_t uid, int *out, struct stat *st, struct fault *why)
{
	for (int i = 0; i < TRIES; i++) {
		struct message *m = folder_find(f, uid);
		struct fault    own = {0};

		if (!m)
			break;
		autoclose int fd = file_open_beneath(m->in_new ? f->new_dir : f->cur_dir, message_name(f, m),
			O_RDONLY | O_NONBLOCK, 0, &own);

		if (fd >= 0) {
			if (fstat(fd, st) < 0)
				return fault_errno(why, "stat %s", message_name(f, m));
			if (!S_ISREG(st->st_mode))
				return fault_set(why, FAULT_INPUT, "%s is not a regular file", message_name(f, m));
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

int
folder_message_begin(struct folder *f, int *fd, struct stat *st, struct text *first, size_t most, struct fault *why)
{
	return packed_open(f->dir, &f->unpacked, fd, st, first, most, why);
}

int
folder_message_open(struct folder *f, uint32_t uid, int *out, struct stat *st, struct fault *why)
{
	autotext struct text first = {0};
	autoclose int        fd = -1;

	if (folder_message_file(f, uid, &fd, st, why) < 0)
		return -1;
	if (folder_message_begin(f, &fd, st, &first, 0, why) < 0)
		return fault_prefix(why, "UID %u", uid);
	*out = take_fd(fd);
	return 0;
}
