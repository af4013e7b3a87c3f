/* SPDX-License-Identifier: ISC */
/*
 * folder_sync.c - an open mailbox is brought up to date: its directories and its list are looked at again
 *
 * Nothing is looked at that certainly did not change: that is known from times (here) or by what inotify tells
 * (folder_follow.c).  What has no UID gets one before (folder_assign.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/folder_private.h"

/* cur/ or new/ was removed and perhaps made anew, or the mailbox was deleted
 * (ENOENT): what is held is not what has that name. */
static int
reopen_if_removed(struct folder *f, struct fault *why)
{
	struct stat a, b, all;
	int        *fds[] = {&f->new_dir, &f->cur_dir, &f->dir};

	if (fstat(f->dir, &all) == 0 && all.st_nlink == 0)
		return folder_deleted(why); /* one of that name now is another */
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
	return folder_open_directories(f, why);
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

/* Of changes to the inode: rsync and cp -a put the time of the last modification back. */
struct folder_stamp
folder_stamp(const struct folder *f)
{
	struct folder_stamp stamp = {0};
	struct stat         st;

	clock_gettime(CLOCK_REALTIME, &stamp.looked);
	if (fstat(f->new_dir, &st) == 0)
		stamp.changed_new = st.st_ctim;
	if (fstat(f->cur_dir, &st) == 0)
		stamp.changed_cur = st.st_ctim;
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
	if (f->list.validity != f->validity) /* it was read since by somebody else than a look (place.c) */
		return false;
	return fstatat(f->dir, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0
		&& st.st_ino == f->list.seen.st_ino && st.st_size == f->list.seen.st_size;
}

static void
match(const struct folder *f, const struct scan *s, struct matching *all)
{
	free(all->of);
	all->of = mem_array(f->list.count + 1, sizeof *all->of);
	all->matched = 0;
	for (size_t i = 0; i < s->count; i++) {
		struct scan_entry *e = &s->at[i];
		ptrdiff_t          at = e->name ? uidlist_find(&f->list, span_at(e->name, e->base_len)) : -1;

		if (at < 0)
			continue;
		all->of[at] = e;
		all->matched++;
	}
}

/* Is a file that should be there missing from the scan? */
static bool
misses_any(const struct folder *f, const struct matching *all)
{
	size_t at = 0;

	for (size_t i = 0; i < f->count; i++) {
		while (at < f->list.count && f->list.records[at].uid < f->messages[i].uid)
			at++;
		if (at == f->list.count || f->list.records[at].uid != f->messages[i].uid || !all->of[at])
			return true;
	}
	for (size_t i = f->list.count; i-- > 0 && f->list.records[i].uid > f->looked_to;)
		if (!all->of[i])
			return true;
	return false;
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

		if (e->pass + 1 < s->pass) {
			strmap_remove(s->by_base, span_at(e->name, e->base_len));
			e->name = NULL;
		}
	}
}

static void
fill_message(struct message *m, uint32_t uid, const struct scan_entry *e)
{
	struct file_name parsed;

	file_name_parse_info(span_of(e->name), &parsed);
	*m = (struct message){.uid = uid, .flags = (uint8_t)parsed.flags, .in_new = e->in_new,
		.keywords = parsed.keywords, .base_len = e->base_len, .pooled = true};
	m->name.own = e->name;
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
adopt(struct folder *f, struct scan *s, const struct matching *all)
{
	struct message *old = f->messages, *new = mem_array(s->count + 1, sizeof *new);
	size_t          n_old = f->count, at = 0, count = 0;
	bool            changed = false;

	for (size_t i = 0; i < f->list.count; i++) {
		const struct uidlist_record *r = &f->list.records[i];
		const struct scan_entry     *e = all->of[i];

		if (!e)
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
	folder_drop_messages(f);
	f->names = scan_take_names(s);
	f->messages = new;
	f->room.count = s->count + 1;
	f->count = count;
	if (count && new[count - 1].uid > f->highest)
		f->highest = new[count - 1].uid;
	f->generation += changed;
	f->is_kept = false;
}

/* Those that an earlier session saw in new/ and left there. */
static void
date_new(struct folder *f)
{
	autofree uint32_t *uids = NULL;
	size_t             count = 0, room = 0;

	for (size_t i = 0; i < f->count && f->date; i++) {
		if (!f->messages[i].in_new)
			continue;
		if (count == room)
			uids = mem_grow(uids, room = room * 2 + 16, sizeof *uids);
		uids[count++] = f->messages[i].uid;
	}
	if (count)
		f->date(f, uids, count);
}

void
folder_move_new(struct folder *f)
{
	date_new(f);
	for (size_t i = 0; i < f->count; i++) {
		struct message      *m = &f->messages[i];
		autotext struct text name = {0};
		struct file_name     parsed;

		if (!m->in_new)
			continue;
		file_name_parse(span_of(message_name(f, m)), &parsed);
		file_name_format(&parsed, m->flags, m->keywords, &name);
		m->recent = false;
		if (renameat(f->new_dir, message_name(f, m), f->cur_dir, text_string(&name)) < 0) {
			if (errno != ENOENT)
				log_warning("cannot move new/%s to cur: %s", message_name(f, m), strerror(errno));
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

/* A mailbox without a list is looked at once, when the lock is held. */
static bool
has_list(const struct folder *f)
{
	struct stat st;

	return f->list.validity || fstatat(f->dir, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* What has no UID gets one, and what is missing is looked for twice. */
static int
settle(struct folder *f, struct scan *s, struct matching *all, bool held, struct folder_stamp *stamp, struct fault *why)
{
	struct fault own = {0};

	*stamp = folder_stamp(f);
	if (folder_assign_uids(f, s, held, &own) < 0) {
		/* mail that has a UID can be read although the disk is full */
		if (uidlist_refresh(&f->list, f->dir, NULL, why) < 0 || f->list.validity == 0) {
			if (why)
				*why = own;
			return -1;
		}
		log_warning("mailbox %s: new mail cannot be listed: %s", f->name, fault_text(&own));
		*stamp = (struct folder_stamp){0};
	}
	match(f, s, all);
	if (!misses_any(f, all) && !lost_any(s))
		return 0;
	if (scan_read(s, f->new_dir, f->cur_dir, false, why) < 0)
		return -1;
	drop_vanished(s);
	match(f, s, all);
	return 0;
}

static int
bring_up_to_date(struct folder *f, struct scan *s, struct matching *all, bool held, struct fault *why)
{
	struct folder_stamp stamp = folder_stamp(f);

	if ((has_list(f) && scan_read(s, f->new_dir, f->cur_dir, false, why) < 0)
		|| uidlist_refresh(&f->list, f->dir, NULL, why) < 0
		|| keywords_refresh(&f->keywords, f->dir, why) < 0)
		return -1;
	match(f, s, all);
	if ((s->pass == 0 || !folder_is_all_known(f, s, all) || misses_any(f, all) || folder_may_adopt(f))
		&& settle(f, s, all, held, &stamp, why) < 0)
		return -1;
	if (keywords_refresh(&f->keywords, f->dir, why) < 0) /* names come before files use them: behind the last look */
		return -1;
	if (f->validity && f->list.validity != f->validity)
		return folder_deleted(why); /* the UIDs that the client knows are void */
	f->validity = f->list.validity;
	if (refresh_seen(f, why) < 0)
		return -1;
	adopt(f, s, all);
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

/* Behind the watch's beginning nothing had changed yet: then all that changes is told. */
void
folder_begin_change(struct folder *f)
{
	f->changes = true;
	if (f->watch || !folder_unchanged(f))
		return;
	folder_follow_start(f);
	if (f->watch && !folder_unchanged(f))
		folder_follow_stop(f);
	f->changes = true;
}

static int
sync_folder(struct folder *f, bool held, struct fault *why)
{
	struct scan     s;
	struct matching all = {0};
	int             result;

	if (reopen_if_removed(f, why) < 0)
		return -1;
	if (!f->watch && folder_unchanged(f))
		return keywords_refresh(&f->keywords, f->dir, why);
	if (f->watch && f->scanned && (result = folder_follow(f, why)) <= 0)
		return result;
	if (f->changes)
		folder_follow_start(f); /* before it is looked at: what comes later is told */
	scan_init(&s);
	result = bring_up_to_date(f, &s, &all, held, why);
	free(all.of);
	scan_free(&s);
	return result;
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
