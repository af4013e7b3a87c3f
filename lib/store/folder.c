/* SPDX-License-Identifier: ISC */
/*
 * folder.c - an open mailbox: opening it and bringing it up to date
 */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/dotlock.h"
#include "store/folder_private.h"
#include "store/scan.h"
#include "store/uidvalidity.h"

int
folder_lock(struct folder *f, struct dotlock *lock, struct fault *why)
{
	return dotlock_take(f->dir, UIDLIST_FILE, UIDLIST_STALE_SECONDS,
		clock_after(FOLDER_LOCK_WAIT_MS), lock, why);
}

static int
open_directories(struct folder *f, struct fault *why)
{
	f->dir = maildir_folder_open(f->maildir, f->name, why);
	if (f->dir < 0)
		return -1;
	f->new_dir = file_open_beneath(f->dir, "new", O_RDONLY | O_DIRECTORY, 0, why);
	f->cur_dir = file_open_beneath(f->dir, "cur", O_RDONLY | O_DIRECTORY, 0, why);
	return f->new_dir < 0 || f->cur_dir < 0 ? -1 : 0;
}

static int
deleted(struct fault *why)
{
	errno = ENOENT;
	return fault_errno(why, "mailbox was deleted");
}

/* cur/ or new/ was removed and perhaps made anew, or the mailbox was deleted
 * (ENOENT): what is held is not what has that name. */
static int
reopen_if_removed(struct folder *f, struct fault *why)
{
	struct stat a, b, all;
	int        *fds[] = {&f->new_dir, &f->cur_dir, &f->dir};

	if (fstat(f->dir, &all) == 0 && all.st_nlink == 0)
		return deleted(why); /* one of that name now is another */
	if (fstat(f->new_dir, &a) == 0 && fstat(f->cur_dir, &b) == 0 && a.st_nlink && b.st_nlink)
		return 0;
	for (size_t i = 0; i < COUNT(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	folder_follow_stop(f);
	f->scanned = false;
	f->looked_to = 0;
	return open_directories(f, why);
}

int
folder_begin(struct maildir *m, const char *name, unsigned options, struct folder **out, struct fault *why)
{
	struct folder *f = mem_alloc(sizeof *f);

	f->maildir = m;
	f->name = mem_string(name);
	f->read_only = options & FOLDER_READ_ONLY;
	f->dir = f->new_dir = f->cur_dir = -1;
	f->touched.all = true;
	uidlist_init(&f->list);
	if (open_directories(f, why) < 0) {
		folder_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

int
folder_open(struct maildir *m, const char *name, unsigned options, struct folder **out,
	struct fault *why)
{
	struct folder *f;

	if (folder_begin(m, name, options, &f, why) < 0)
		return -1;
	if (folder_sync(f, why) < 0) {
		folder_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

void
folder_drop_messages(struct message *messages, size_t count, char *names)
{
	for (size_t i = 0; i < count; i++)
		if (!messages[i].lent)
			free(messages[i].name);
	free(messages);
	free(names);
}

void
folder_close(struct folder *f)
{
	if (!f)
		return;
	if (f->keep)
		f->keep(f);
	int fds[] = {f->dir, f->new_dir, f->cur_dir};

	for (size_t i = 0; i < COUNT(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	folder_drop_messages(f->messages, f->count, f->names);
	folder_follow_stop(f);
	unpacked_drop(&f->unpacked);
	free(f->touched.chunks);
	uidlist_free(&f->list);
	keywords_free(&f->keywords);
	if (f->seen)
		seen_free(f->seen);
	free(f->seen);
	free(f->name);
	free(f);
}

size_t
folder_position(const struct folder *f, uint64_t uid)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct message *
folder_find(const struct folder *f, uint32_t uid)
{
	size_t *near = &((struct folder *)f)->near, at = *near;

	if (at < f->count && f->messages[at].uid < uid)
		at++;
	if (at >= f->count || f->messages[at].uid != uid)
		at = folder_position(f, uid);
	*near = at;
	return at < f->count && f->messages[at].uid == uid ? &f->messages[at] : NULL;
}

void
folder_touch(struct folder *f, uint32_t uid)
{
	struct folder_touched *t = &f->touched;

	f->is_kept = false;
	if (t->all || (t->count && t->chunks[t->count - 1] == uid / FOLDER_CHUNK))
		return;
	if (t->count == t->room) {
		t->room = t->room * 2 + 16;
		t->chunks = mem_grow(t->chunks, t->room, sizeof *t->chunks);
	}
	t->chunks[t->count++] = uid / FOLDER_CHUNK;
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* A directory whose time is "now" proves nothing: more may happen within one
 * tick of the clock that stamps it (13.5 of the format notes). */
static bool
is_settled(struct timespec changed, struct timespec looked)
{
	int64_t grain = changed.tv_nsec ? 50000000 : 1100000000;
	int64_t age = (int64_t)(looked.tv_sec - changed.tv_sec) * 1000000000
		+ (looked.tv_nsec - changed.tv_nsec);

	return age > grain;
}

struct folder_stamp
folder_stamp(const struct folder *f)
{
	struct folder_stamp stamp = {0};
	struct stat         st;

	clock_gettime(CLOCK_REALTIME, &stamp.looked);
	if (fstat(f->new_dir, &st) == 0)
		stamp.changed_new = st.st_mtim;
	if (fstat(f->cur_dir, &st) == 0)
		stamp.changed_cur = st.st_mtim;
	return stamp;
}

bool
folder_stamp_is_settled(const struct folder_stamp *stamp)
{
	return is_settled(stamp->changed_new, stamp->looked) && is_settled(stamp->changed_cur, stamp->looked);
}

bool
folder_stamp_differs(const struct folder_stamp *a, const struct folder_stamp *b)
{
	return !same_time(a->changed_new, b->changed_new) || !same_time(a->changed_cur, b->changed_cur);
}

/* As far as its directories tell. */
static bool
folder_unchanged(const struct folder *f)
{
	struct folder_stamp now = folder_stamp(f);
	struct stat         st;

	if (!f->scanned || folder_stamp_differs(&now, &f->stamp) || !folder_stamp_is_settled(&f->stamp) || (f->seen && !seen_is_current(f->seen)))
		return false;
	return fstatat(f->dir, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0
		&& st.st_ino == f->list.seen.st_ino && st.st_size == f->list.seen.st_size;
}

/* Is a file that should be there missing from the scan? */
static bool
misses_any(const struct folder *f, const struct scan *s)
{
	for (size_t i = 0; i < f->count; i++)
		if (!scan_find(s, message_base(&f->messages[i])))
			return true;
	for (size_t i = f->list.count; i-- > 0 && f->list.records[i].uid > f->looked_to;)
		if (!scan_find(s, f->list.records[i].base))
			return true;
	return false;
}

/* A file needs a (new) UID when it has none, or when its UID is one that this
 * session has already seen go. */
static bool
needs_uid(const struct folder *f, const struct scan_entry *e)
{
	struct span base = span_at(e->name, e->base_len);
	ptrdiff_t   at = uidlist_find(&f->list, base);
	uint32_t    uid = at < 0 ? 0 : f->list.records[at].uid;

	return uid == 0 || (uid <= f->highest && !folder_find(f, uid));
}

static bool
is_all_known(const struct folder *f, const struct scan *s)
{
	if (f->list.validity == 0 || f->list.broken || f->list.foreign || !f->list.guid[0])
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (needs_uid(f, &s->at[i]))
			return false;
	return true;
}

static int
compare_entries(const void *a, const void *b)
{
	const struct scan_entry *const *x = a, *const *y = b;

	return file_name_compare(span_at((*x)->name, (*x)->base_len),
		span_at((*y)->name, (*y)->base_len));
}

struct keeping {
	const struct scan    *scan;
	const struct uidlist *list;
};

/* A record whose file is there, and that no later one of the same base replaced. */
static bool
is_there(const struct uidlist_record *r, const void *context)
{
	const struct keeping *k = context;

	return scan_find(k->scan, r->base) && uidlist_find(k->list, r->base) == r - k->list->records;
}

/* Gives UIDs to files without one, in Dovecot's order; drops stale records
 * when they are a quarter.  What other servers kept elsewhere comes first.  The lock is held. */
static int
assign_uids(struct folder *f, struct scan *s, struct fault *why)
{
	const struct scan_entry **unknown = mem_array(s->count + 1, sizeof *unknown);
	size_t                    count = 0, first, stale = 0;
	struct keeping            keeping = {s, &f->list};
	int                       result = 0;

	if (folder_may_adopt(f))
		result = folder_adopt_keywords(f, s, why);
	for (size_t i = 0; i < s->count; i++)
		if (needs_uid(f, &s->at[i]))
			unknown[count++] = &s->at[i];
	qsort(unknown, count, sizeof *unknown, compare_entries);
	if (result == 0 && f->list.validity == 0)
		result = uidvalidity_next(maildir_root(f->maildir), &f->list.validity, why);
	for (size_t i = 0; i < f->list.count; i++)
		stale += !is_there(&f->list.records[i], &keeping);
	first = f->list.count;
	for (size_t i = 0; result == 0 && i < count; i++) {
		uint32_t uid;

		result = uidlist_add(&f->list, span_at(unknown[i]->name, unknown[i]->base_len), &uid,
			why);
	}
	free(unknown);
	if (result < 0)
		return -1;
	if (!uidlist_on_disk(&f->list))
		folder_adopt_uidls(f);
	if (stale && stale * 4 >= f->list.count)
		return uidlist_rewrite(&f->list, f->dir, is_there, &keeping, why);
	return uidlist_write(&f->list, f->dir, first, why);
}

/* `held`: the caller has the lock already. */
static int
sync_locked(struct folder *f, struct scan *s, bool held, struct fault *why)
{
	struct dotlock lock = {0};
	struct fault   own = {0};
	int            result = -1;

	if (!held && folder_lock(f, &lock, why) < 0)
		return -1;
	if (scan_read(s, f->new_dir, f->cur_dir, true, &own) == 0
		&& uidlist_refresh(&f->list, f->dir, NULL, &own) == 0)
		result = assign_uids(f, s, &own);
	dotlock_release(&lock);
	if (result < 0) {
		if (why)
			*why = own;
		f->list.validity = 0; /* what memory holds was not written: read it anew */
	}
	return result;
}

/* Did an earlier pass see a file that the last one did not? */
static bool
lost_any(const struct scan *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].pass != s->pass)
			return true;
	return false;
}

/*
 * A file is gone when two passes in a row have not seen it.  One is not enough: a rename
 * meanwhile (a flag that another session sets) hides a file from readdir(3), and whoever took
 * that for its end would give it a new UID when it is back.
 */
static void
drop_vanished(struct scan *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct scan_entry *e = &s->at[i];

		if (e->pass + 1 < s->pass)
			strmap_remove(s->by_base, span_at(e->name, e->base_len));
	}
}

static void
fill_message(struct message *m, uint32_t uid, struct scan_entry *e)
{
	struct file_name parsed;

	file_name_parse_info(span_of(e->name), &parsed);
	*m = (struct message){.uid = uid, .flags = (uint8_t)parsed.flags, .in_new = e->in_new,
		.keywords = parsed.keywords, .base_len = e->base_len};
	m->name = take(e->name);
}

/* The file that is read goes with the GUID, which a mailbox may get only now. */
static int
refresh_seen(struct folder *f, struct fault *why)
{
	struct seen now;

	if (maildir_private(f->maildir) < 0)
		return 0;
	seen_start(&now, maildir_private(f->maildir), maildir_origin(f->maildir), f->list.guid, f->name);
	if (!f->seen) {
		f->seen = mem_alloc(sizeof *f->seen);
		*f->seen = now;
	} else if (strcmp(f->seen->name, now.name) != 0) {
		seen_free(f->seen);
		*f->seen = now;
	}
	return seen_refresh(f->seen, f->list.validity, why);
}

/* To this user's eyes. */
static void
see(const struct folder *f, struct message *m, bool known, bool was_recent)
{
	if (f->seen)
		m->flags = (uint8_t)((m->flags & ~MESSAGE_SEEN) | (seen_has(f->seen, m->uid) ? MESSAGE_SEEN : 0));
	m->recent = known ? was_recent : f->seen ? m->uid > f->seen->told : m->in_new;
}

/* Makes the snapshot out of list and scan; what this session knew of a message stays. */
static void
adopt(struct folder *f, struct scan *s)
{
	struct message *old = f->messages, *new = mem_array(s->count + 1, sizeof *new);
	size_t          n_old = f->count, at = 0, count = 0;
	bool            changed = false;

	for (size_t i = 0; i < f->list.count; i++) {
		const struct uidlist_record *r = &f->list.records[i];
		struct scan_entry           *e = scan_find(s, r->base);

		if (!e || !e->name || uidlist_find(&f->list, r->base) != (ptrdiff_t)i)
			continue;
		while (at < n_old && old[at].uid < r->uid) {
			folder_touch(f, old[at++].uid);
			changed = true;
		}
		bool known = at < n_old && old[at].uid == r->uid;

		if (!known && r->uid <= f->highest)
			continue; /* it could get no new UID now: a later sync will */
		fill_message(&new[count], r->uid, e);
		see(f, &new[count], known, known && old[at].recent);
		new[count].modseq = known ? old[at].modseq : 0;
		if (!known || new[count].flags != old[at].flags
			|| new[count].keywords != old[at].keywords) {
			folder_touch(f, r->uid);
			changed = true;
		}
		at += known;
		count++;
	}
	for (; at < n_old; at++) {
		folder_touch(f, old[at].uid);
		changed = true;
	}
	folder_drop_messages(old, n_old, take(f->names));
	f->messages = new;
	f->count = count;
	if (count && new[count - 1].uid > f->highest)
		f->highest = new[count - 1].uid;
	f->generation += changed;
	f->is_kept = false;
}

void
folder_move_new(struct folder *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct message      *m = &f->messages[i];
		autotext struct text name = {0};
		struct file_name     parsed;

		if (!m->in_new)
			continue;
		file_name_parse(span_of(m->name), &parsed);
		file_name_format(&parsed, m->flags, m->keywords, &name);
		m->recent = false;
		if (renameat(f->new_dir, m->name, f->cur_dir, text_string(&name)) < 0) {
			if (errno != ENOENT)
				log_warning("cannot move new/%s to cur: %s", m->name, strerror(errno));
			continue; /* another session was faster: the next sync finds it */
		}
		message_rename(m, take(name.at));
		m->in_new = false;
		m->recent = true;
		f->is_kept = false;
	}
}

/* No other session of this user is told that they are \Recent. */
static void
tell_recent(struct folder *f)
{
	uint32_t     last = f->count ? f->messages[f->count - 1].uid : 0;
	uint64_t     reads = f->seen->reads;
	struct fault why = {0};

	if (last > f->seen->told && seen_tell(f->seen, last, &why) < 0)
		log_warning("mailbox %s: %s", f->name, fault_text(&why));
	if (f->seen->reads != reads)
		f->scanned = false;
}

static int
bring_up_to_date(struct folder *f, struct scan *s, bool held, struct fault *why)
{
	struct folder_stamp stamp = folder_stamp(f);

	if (scan_read(s, f->new_dir, f->cur_dir, false, why) < 0
		|| uidlist_refresh(&f->list, f->dir, NULL, why) < 0
		|| keywords_refresh(&f->keywords, f->dir, why) < 0)
		return -1;
	if (!is_all_known(f, s) || misses_any(f, s) || folder_may_adopt(f)) {
		struct fault own = {0};

		stamp = folder_stamp(f);
		if (sync_locked(f, s, held, &own) < 0) {
			/* mail that has a UID can be read although the disk is full */
			if (uidlist_refresh(&f->list, f->dir, NULL, why) < 0 || f->list.validity == 0) {
				if (why)
					*why = own;
				return -1;
			}
			log_warning("mailbox %s: new mail cannot be listed: %s", f->name,
				fault_text(&own));
			stamp = (struct folder_stamp){0};
		}
		if ((misses_any(f, s) || lost_any(s)) && scan_read(s, f->new_dir, f->cur_dir, false, why) < 0)
			return -1;
		drop_vanished(s);
	}
	if (keywords_refresh(&f->keywords, f->dir, why) < 0) /* names come before files use them: behind the last look */
		return -1;
	if (f->validity && f->list.validity != f->validity)
		return deleted(why); /* the UIDs that the client knows are void */
	f->validity = f->list.validity;
	if (refresh_seen(f, why) < 0)
		return -1;
	adopt(f, s);
	f->looked_to = f->list.next - 1;
	f->stamp = stamp;
	f->scanned = true;
	if (!f->read_only && f->seen)
		tell_recent(f);
	else if (!f->read_only)
		folder_move_new(f);
	if (f->record)
		f->record(f);
	return 0;
}

static int
sync_folder(struct folder *f, bool held, struct fault *why)
{
	struct scan s;
	int         result;

	if (reopen_if_removed(f, why) < 0)
		return -1;
	if (!f->watch && folder_unchanged(f))
		return keywords_refresh(&f->keywords, f->dir, why);
	if (f->watch && f->scanned && (result = folder_follow(f, why)) <= 0)
		return result;
	if (f->changes)
		folder_follow_start(f); /* before it is looked at: what comes later is told */
	scan_init(&s);
	result = bring_up_to_date(f, &s, held, why);
	scan_free(&s);
	return result;
}

struct span
folder_guid(const struct folder *f, const struct message *m)
{
	struct folder *mine = (struct folder *)f;

	if (f->list.unread) { /* for its fields alone */
		uidlist_refresh(&mine->list, f->dir, NULL, NULL);
		mine->scanned &= f->list.next - 1 == f->looked_to && f->list.validity == f->validity;
	}
	ptrdiff_t   at = uidlist_find(&f->list, message_base(m));
	struct span fields = at < 0 ? SPAN_NONE : f->list.records[at].fields, field;

	while (span_next(&fields, " ", &field))
		if (field.at[0] == 'G' && field.len > 1)
			return span_from(field, 1);
	return message_base(m);
}

int
folder_sync(struct folder *f, struct fault *why)
{
	return sync_folder(f, false, why);
}

int
folder_sync_held(struct folder *f, bool outdated, struct fault *why)
{
	if (outdated || !f->watch)
		f->scanned = false; /* look again, whatever the times say */
	return sync_folder(f, true, why);
}
