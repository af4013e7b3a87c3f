/* SPDX-License-Identifier: ISC */
/*
 * place.c - messages put into a mailbox all together
 */
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/folder_private.h"
#include "store/history.h"
#include "store/message_file.h"
#include "store/place_private.h"
#include "store/publish.h"
#include "store/quota.h"
#include "store/scan.h"
#include "store/seen.h"
#include "store/uidvalidity.h"

enum { COPY_TRIES = 4 };

struct placed {
	char *name;               /* owned */
	bool  in_new;
	bool  stays;              /* it is nowhere else */
};

struct placing {
	struct maildir *maildir;
	char           *folder;   /* owned */
	int             dir, new_dir, cur_dir, tmp_dir;
	struct dotlock  lock;
	struct uidlist  list;
	struct index   *index;    /* borrowed; NULL: none */
	bool            passed;   /* UIDs that it knows are not given again */
	struct folder  *lender;   /* gets the list back; NULL: it is our own */
	bool            done;     /* the list is as the file is */
	struct keywords keywords;
	size_t          first;    /* record that was placed first */
	struct placed  *placed;
	size_t          count;
	int64_t         bytes;
	bool            scanned;
	struct scan     scan;     /* read when a base may be taken */
	uint32_t       *seen;     /* UIDs that this user has seen, where that is his own (seen.h); owned */
	size_t          seen_count;
};

static void
placing_free(struct placing *p)
{
	int fds[] = {p->new_dir, p->cur_dir, p->tmp_dir, p->dir};

	dotlock_release(&p->lock);
	for (size_t i = 0; i < COUNT(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < p->count; i++)
		free(p->placed[i].name);
	free(p->placed);
	free(p->seen);
	if (p->lender) {
		p->list.unread |= !p->done; /* it may hold what the file does not */
		p->lender->list = p->list;
	} else {
		uidlist_free(&p->list);
	}
	keywords_free(&p->keywords);
	free(p->folder);
	if (p->scanned)
		scan_free(&p->scan);
	free(p);
}

void
placing_abort(struct placing *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		if (!p->placed[i].stays)
			unlinkat(p->placed[i].in_new ? p->new_dir : p->cur_dir, p->placed[i].name, 0);
	if (p->count && p->placed[0].stays) /* then all do (placing_take): they are here, with a UID or without */
		maildir_size_add(p->maildir, p->folder, p->bytes, (int64_t)p->count);
	placing_free(p);
}

static int
open_target(struct placing *p, const char *folder, struct fault *why)
{
	const struct {
		const char *name;
		int        *fd;
	} parts[] = {{"new", &p->new_dir}, {"cur", &p->cur_dir}, {"tmp", &p->tmp_dir}};

	p->dir = maildir_folder_open(p->maildir, folder, why);
	if (p->dir < 0)
		return -1;
	for (size_t i = 0; i < COUNT(parts); i++) {
		*parts[i].fd = file_open_beneath(p->dir, parts[i].name, O_RDONLY | O_DIRECTORY, 0, why);
		if (*parts[i].fd < 0)
			return -1;
	}
	return 0;
}

/* Another server's mailbox is taken over by whoever opens it first; what is written without that
 * would hide what that server kept (folder_adopt.c). */
static int
take_over(struct placing *p, struct fault *why)
{
	struct folder *f;

	dotlock_release(&p->lock);
	if (folder_begin(p->maildir, p->folder, 0, &f, why) < 0)
		return -1;
	f->index = p->index;
	int result = folder_sync(f, why);

	folder_close(f);
	if (result < 0 || dotlock_take(p->dir, UIDLIST_FILE, UIDLIST_STALE_SECONDS, clock_after(FOLDER_LOCK_WAIT_MS), &p->lock, why) < 0)
		return -1;
	if (uidlist_refresh(&p->list, p->dir, NULL, why) < 0)
		return -1;
	return keywords_refresh(&p->keywords, p->dir, why);
}

int
placing_begin(struct maildir *m, const char *folder, struct index *x, struct folder *lender, struct placing **out, struct fault *why)
{
	struct placing *p = mem_alloc(sizeof *p);

	p->maildir = m;
	p->folder = mem_string(folder);
	p->dir = p->new_dir = p->cur_dir = p->tmp_dir = -1;
	p->index = x;
	p->lender = lender;
	if (lender)
		p->list = lender->list;
	else
		uidlist_init(&p->list);
	if (open_target(p, folder, why) < 0
		|| dotlock_take(p->dir, UIDLIST_FILE, UIDLIST_STALE_SECONDS,
			clock_after(FOLDER_LOCK_WAIT_MS), &p->lock, why) < 0
		|| uidlist_refresh(&p->list, p->dir, NULL, why) < 0
		|| keywords_refresh(&p->keywords, p->dir, why) < 0
		|| ((!uidlist_on_disk(&p->list) || folder_has_more_keywords(p->dir, &p->keywords)) && take_over(p, why) < 0)
		|| (p->list.validity == 0
			&& uidvalidity_next(maildir_root(m), &p->list.validity, why) < 0)) {
		placing_abort(p);
		return -1;
	}
	p->first = p->list.count;
	*out = p;
	return 0;
}

int
placing_keyword(struct placing *p, struct span name, int *number, struct fault *why)
{
	bool added = false;
	int  n = keywords_add(&p->keywords, name, &added, why);

	if (n < 0 || (added && keywords_write(&p->keywords, p->dir, why) < 0))
		return -1;
	*number = n;
	return 0;
}

/* A listed base may be a stale record: only a file takes it. */
static int
base_is_taken(struct placing *p, struct span base, bool *taken, struct fault *why)
{
	*taken = false;
	if (uidlist_find(&p->list, base) < 0)
		return 0;
	if (!p->scanned) {
		scan_init(&p->scan);
		p->scanned = true;
		if (scan_read(&p->scan, p->new_dir, p->cur_dir, false, why) < 0)
			return -1;
	}
	*taken = scan_find(&p->scan, base) != NULL
		|| uidlist_find(&p->list, base) >= (ptrdiff_t)p->first;
	return 0;
}

static void
add_placed(struct placing *p, struct text *name, bool in_new)
{
	p->placed = mem_grow(p->placed, p->count + 1, sizeof *p->placed);
	p->placed[p->count] = (struct placed){.in_new = in_new};
	p->placed[p->count++].name = take(name->at);
}

static void
fresh_base(const struct file_name *like, struct text *base)
{
	maildir_unique_name(base);
	if (like->has_size)
		text_add_format(base, ",S=%llu", (unsigned long long)like->size);
	if (like->has_full_size)
		text_add_format(base, ",W=%llu", (unsigned long long)like->full_size);
}

static int
give_uid(struct placing *p, struct span base, uint32_t *uid, struct fault *why)
{
	if (!p->passed)
		history_pass_given(p->index, p->maildir, p->folder, &p->list);
	p->passed = true;
	return uidlist_add(&p->list, base, uid, why);
}

/* A copy under another base says in its G field what it is a copy of (maildir.md, 10). */
static int
add_record(struct placing *p, struct span base, struct span guid, uint32_t *uid, struct fault *why)
{
	if (give_uid(p, base, uid, why) < 0)
		return -1;
	if (!span_equal(base, guid) && !span_has(guid, ' ') && !span_has(guid, '\n'))
		p->list.records[p->list.count - 1].fields = span_of(arena_format(p->list.arena, "G%.*s",
			SPAN_ARGS(guid)));
	return 0;
}

/* What of the flags goes into the name: where \Seen is each user's own, not that. */
static unsigned
flags_on_file(const struct placing *p, unsigned flags)
{
	return maildir_private(p->maildir) < 0 ? flags : flags & ~(unsigned)MESSAGE_SEEN;
}

static void
note_seen(struct placing *p, unsigned flags, uint32_t uid)
{
	if (!(flags & MESSAGE_SEEN) || maildir_private(p->maildir) < 0)
		return;
	p->seen = mem_grow(p->seen, p->seen_count + 1, sizeof *p->seen);
	p->seen[p->seen_count++] = uid;
}

/* The messages are there and stay: that they were seen may get lost. */
static void
keep_seen(struct placing *p)
{
	struct seen  s;
	struct fault why = {0};

	if (!p->seen_count)
		return;
	seen_start(&s, maildir_private(p->maildir), maildir_origin(p->maildir), p->list.guid, p->folder);
	if (seen_refresh(&s, p->list.validity, &why) < 0 || seen_change(&s, p->seen, p->seen_count, true, true, &why) < 0)
		log_warning("mailbox %s: %s", p->folder, fault_text(&why));
	seen_free(&s);
}

/* Into a file of the target's own. */
static int
copy_file(struct placing *p, int from_dir, const char *from, int to_dir, const char *to, struct fault *why)
{
	autoclose int source = file_open_beneath(from_dir, from, O_RDONLY | O_NONBLOCK, 0, why);

	return source < 0 ? -1 : message_file_copy(source, p->tmp_dir, to_dir, to, &p->lock, why);
}

/* How a message is called there: a name like the one it has, in *there by the base and in *name whole.  True: in new/. */
static bool
target_name(const struct placing *p, const struct file_name *like, unsigned flags, uint64_t keywords, bool fresh,
	struct text *base, struct file_name *there, struct text *name)
{
	unsigned on_file = flags_on_file(p, flags);
	bool     plain = !on_file && !keywords && !like->n_other && !like->foreign.len;

	*there = *like;
	if (fresh) {
		fresh_base(like, base);
		there->base = text_span(base);
	}
	if (plain)
		text_set(name, there->base);
	else
		file_name_format(there, on_file, keywords, name);
	return plain;
}

/* error ENOENT: the source is not under that name (any more). `like` is its parsed name;
 * keywords are the target's; `anew`: not as a link. */
static int
placing_link(struct placing *p, int from_dir, const char *from, const struct file_name *like,
	struct span guid, unsigned wanted, uint64_t keywords, bool anew, uint32_t *uid, struct fault *why)
{
	autotext struct text name = {0}, base = {0};
	struct file_name     there;
	bool                 taken, plain;
	int                  to_dir;

	if (base_is_taken(p, like->base, &taken, why) < 0)
		return -1;
	plain = target_name(p, like, wanted, keywords, taken, &base, &there, &name);
	to_dir = plain ? p->new_dir : p->cur_dir;
	if (anew && copy_file(p, from_dir, from, to_dir, text_string(&name), why) < 0)
		return -1;
	if (!anew && linkat(from_dir, from, to_dir, text_string(&name), 0) < 0)
		return fault_errno(why, "link %s", from);
	add_placed(p, &name, plain);
	p->bytes += (int64_t)like->size;
	if (add_record(p, there.base, guid, uid, why) < 0)
		return -1;
	note_seen(p, wanted, *uid);
	return 0;
}

int
placing_file(struct placing *p, const char *tmp_name, uint64_t size, uint64_t full_size,
	unsigned wanted, uint64_t keywords, uint32_t *uid, struct fault *why)
{
	unsigned             flags = flags_on_file(p, wanted);
	struct file_name     like = {.foreign = SPAN_NONE, .has_size = true, .size = size,
		.has_full_size = true, .full_size = full_size};
	autotext struct text base = {0}, name = {0};
	bool                 plain = !flags && !keywords;

	fresh_base(&like, &base);
	like.base = text_span(&base);
	if (plain)
		text_add(&name, like.base);
	else
		file_name_format(&like, flags, keywords, &name);
	if (publish_no_replace(p->tmp_dir, tmp_name, plain ? p->new_dir : p->cur_dir,
		text_string(&name), why) < 0)
		return -1;
	add_placed(p, &name, plain);
	p->bytes += (int64_t)size;
	if (give_uid(p, like.base, uid, why) < 0)
		return -1;
	note_seen(p, wanted, *uid);
	return 0;
}

int
placing_commit(struct placing *p, uint32_t *validity, struct fault *why)
{
	bool in_new = false, in_cur = false;

	for (size_t i = 0; i < p->count; i++) {
		in_new |= p->placed[i].in_new;
		in_cur |= !p->placed[i].in_new;
	}
	/* files first: a UID without a file is stale, a file without a UID gets one later */
	if ((in_new && file_sync(p->new_dir, why) < 0) || (in_cur && file_sync(p->cur_dir, why) < 0)
		|| uidlist_write(&p->list, p->dir, p->first, why) < 0) {
		placing_abort(p);
		return -1;
	}
	*validity = p->list.validity;
	p->done = true;
	keep_seen(p);
	if (p->count)
		maildir_size_add(p->maildir, p->folder, p->bytes, (int64_t)p->count);
	placing_free(p);
	return 0;
}

void
copied_free(struct copied *c)
{
	free(c->from);
	free(c->to);
	*c = (struct copied){0};
}

/* The source's keywords under the target's numbers. */
static int
translate_keywords(struct folder *f, struct placing *p, uint64_t have, uint64_t *out,
	struct fault *why)
{
	*out = 0;
	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		int number;

		if (!(have & (uint64_t)1 << i))
			continue;
		if (placing_keyword(p, span_of(keywords_name(&f->keywords, i)), &number, why) < 0)
			return -1;
		*out |= (uint64_t)1 << number;
	}
	return 0;
}

/* By the name, else by the file. */
static int64_t
message_bytes(struct folder *f, const struct message *m)
{
	struct file_name parsed;
	struct stat      st;

	file_name_parse(span_of(message_name(f, m)), &parsed);
	if (parsed.has_size)
		return parsed.size > (uint64_t)1 << 50 ? 0 : (int64_t)parsed.size;
	return fstatat(m->in_new ? f->new_dir : f->cur_dir, message_name(f, m), &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_size;
}

int
placing_take(struct placing *p, struct folder *f, const struct message *m, unsigned flags, struct fault *why)
{
	struct file_name parsed, there;
	uint64_t         keywords = 0;
	uint32_t         uid;
	bool             taken, plain;
	struct fault     own = {0};

	file_name_parse(span_of(message_name(f, m)), &parsed);
	parsed.size = (uint64_t)message_bytes(f, m);
	if ((translate_keywords(f, p, m->keywords, &keywords, &own) < 0 && own.class != FAULT_DENIED)
		|| base_is_taken(p, parsed.base, &taken, &own) < 0) {
		if (why)
			*why = own;
		return -1;
	}
	for (;; taken = true) {
		autotext struct text name = {0}, base = {0};

		fault_clear(&own);
		plain = target_name(p, &parsed, flags, keywords, taken, &base, &there, &name);
		if (publish_no_replace(m->in_new ? f->new_dir : f->cur_dir, message_name(f, m), plain ? p->new_dir : p->cur_dir,
			text_string(&name), &own) == 0) {
			add_placed(p, &name, plain);
			p->placed[p->count - 1].stays = true;
			p->bytes += (int64_t)parsed.size;
			if (add_record(p, there.base, folder_guid(f, m), &uid, &own) < 0)
				log_warning("mailbox %s: %s", p->folder, fault_text(&own));
			dotlock_touch(&p->lock);
			return 0;
		}
		if (own.error == ENOENT)
			return 1;
		if (own.error != EEXIST || taken) {
			if (why)
				*why = own;
			return -1;
		}
	}
}

bool
placing_is_empty(const struct placing *p)
{
	return p->count == 0;
}

/* A move within what is counted takes up nothing. */
static int
check_quota(struct folder *f, const uint32_t *uids, size_t count, const struct copy_target *target, bool move,
	struct fault *why)
{
	const struct quota *q = maildir_quota(target->maildir);
	int64_t             bytes = 0, n = 0, largest = 0;

	if (!q || (move && target->maildir == f->maildir && !quota_ignores(q, f->name)))
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct message *m = folder_find(f, uids[i]);
		int64_t         size = m ? message_bytes(f, m) : 0;

		bytes += size;
		n += m != NULL;
		largest = size > largest ? size : largest;
	}
	return quota_check(q, target->maildir, target->folder, bytes, n, largest, QUOTA_SAVING, why);
}

static int
copy_pass(struct folder *f, const uint32_t *uids, size_t count, struct placing *p, const struct copy_target *target,
	struct copied *out, struct fault *why)
{
	bool anew = target->maildir != f->maildir;

	for (size_t i = 0; i < count; i++) {
		struct message  *m = folder_find(f, uids[i]);
		struct file_name parsed;
		uint64_t         keywords = 0;
		uint32_t         uid;

		if (!m)
			continue;
		file_name_parse(span_of(message_name(f, m)), &parsed);
		parsed.size = (uint64_t)message_bytes(f, m);
		if ((target->keywords && translate_keywords(f, p, m->keywords, &keywords, why) < 0)
			|| placing_link(p, m->in_new ? f->new_dir : f->cur_dir, message_name(f, m), &parsed,
				folder_guid(f, m), m->flags & target->flags, keywords, anew, &uid, why) < 0)
			return -1;
		out->from[out->count] = uids[i];
		out->to[out->count++] = uid;
		dotlock_touch(&p->lock);
	}
	return 0;
}

int
placing_begin_beside(struct folder *f, const struct copy_target *target, struct dotlock *source, struct placing **p,
	struct fault *why)
{
	int order = strcmp(maildir_path(f->maildir), maildir_path(target->maildir));

	if (order == 0)
		order = strcmp(f->name, target->folder);

	if (order < 0 && folder_lock(f, source, why) < 0)
		return -1;
	if (placing_begin(target->maildir, target->folder, f->index, NULL, p, why) < 0) {
		dotlock_release(source);
		return -1;
	}
	if (order > 0 && folder_lock(f, source, why) < 0) {
		placing_abort(*p);
		return -1;
	}
	return 0;
}

/* The source's sync may have written the list that the target shares with it. */
static int
look_again(struct folder *f, struct placing *p, struct fault *why)
{
	if (folder_sync_held(f, true, why) < 0 || uidlist_refresh(&p->list, p->dir, NULL, why) < 0)
		return -1;
	p->first = p->list.count;
	p->passed = false; /* it may have been read anew */
	return 0;
}

/* 0 all durable; 1 a source is not under its name any more; -1 why. */
static int
copy_once(struct folder *f, const uint32_t *uids, size_t count, const struct copy_target *target, bool again,
	struct copied *out, struct fault *why)
{
	struct placing *p;
	struct dotlock  lock = {0};
	struct fault    own = {0};
	int             result;

	out->count = 0;
	if (placing_begin_beside(f, target, &lock, &p, why) < 0)
		return -1;
	if ((again && look_again(f, p, &own) < 0) || copy_pass(f, uids, count, p, target, out, &own) < 0) {
		placing_abort(p);
		result = own.class == FAULT_SYSTEM && own.error == ENOENT ? 1 : -1;
		if (result < 0 && why)
			*why = own;
	} else {
		result = placing_commit(p, &out->validity, why);
	}
	dotlock_release(&lock);
	return result;
}

int
folder_copy(struct folder *f, const uint32_t *uids, size_t count, const struct copy_target *target, bool move,
	struct copied *out, struct fault *why)
{
	struct copied got = {.from = mem_array(count + 1, sizeof *got.from),
		.to = mem_array(count + 1, sizeof *got.to)};
	int           result = 1;

	if (check_quota(f, uids, count, target, move, why) < 0)
		result = -1;
	if (result == 1 && !move && f->date)
		f->date(f, uids, count);
	for (int i = 0; result == 1 && i < COPY_TRIES; i++)
		result = copy_once(f, uids, count, target, i > 0, &got, why);
	if (result == 1)
		fault_set(why, FAULT_SYSTEM, "messages keep being changed by another program");
	if (result != 0) {
		copied_free(&got);
		return -1;
	}
	*out = got;
	return move ? folder_remove(f, got.from, got.count, why) : 0;
}
