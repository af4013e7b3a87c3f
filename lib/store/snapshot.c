/* SPDX-License-Identifier: ISC */
/*
 * snapshot.c - a mailbox as it was looked at last, kept beside it
 *
 * The file: a head; names, with a NUL behind each; from the next multiple of MESSAGES_ALIGNED on the messages, as they are in
 * memory (messages.h).  Another machine's order of bytes, or another layout, shows in the head.
 */
#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sum.h"
#include "store/folder_private.h"
#include "store/index_private.h"
#include "store/watch.h"

#define SNAPSHOT_FILE "postern.snapshot"

enum {
	WORTH = 50, NAMES_AT = 512, PIECE = 65536,
	FORGOTTEN_SECONDS = 300        /* a temporary file that is older: its writer was killed */
};

static const char     MAGIC[16] = "postern snap 4";
static const uint32_t ORDER = 0x01020304;

struct head {
	char     magic[16];
	uint32_t order, entry;          /* ORDER, sizeof(struct message) */
	uint64_t count, names_len;
	uint64_t modseq;                /* 0 where the history did not have all of it */
	uint64_t next;
	int64_t  changed_new[2], changed_cur[2], looked[2];
	uint64_t list_inode, list_size; /* of the uidlist */
	int64_t  list_time[2];
	uint64_t sum;                   /* of the messages: UIDs and flags are told as they stand here */
	uint64_t unseen;                /* position of the first without \Seen, plus 1; 0: there is none */
	uint64_t own;                   /* the head's sum, without this one */
	char     prefix[INDEX_PREFIX];  /* whose it is (index_private.h) */
};
_Static_assert(sizeof(struct head) <= NAMES_AT && sizeof(struct head) % 8 == 0, "the head lies before the names");

/* ---- where it is ---- */

struct where { int dir; char *name, *temporary; };

static struct where
where_is(const struct folder *f)
{
	char         prefix[INDEX_PREFIX];
	struct where w = {.dir = f->dir};

	if (!f->index->apart && !*maildir_origin(f->maildir)) {
		w.name = mem_string(SNAPSHOT_FILE);
	} else {
		index_prefix(f, prefix);
		w.dir = AT_FDCWD;
		w.name = mem_format("%s/" SNAPSHOT_FILE ".%016llx", f->index->directory,
			(unsigned long long)index_base_hash(span_of(prefix)));
	}
	w.temporary = mem_format("%s.tmp", w.name);
	return w;
}

static void
where_free(struct where *w)
{
	free(w->name);
	free(w->temporary);
}

static uint64_t
messages_at(uint64_t names_len)
{
	return (NAMES_AT + names_len + MESSAGES_ALIGNED - 1) / MESSAGES_ALIGNED * MESSAGES_ALIGNED;
}

/* ---- sums ---- */

/*
 * Of messages, against what a crash or a disk did to them.  A lane for each word of a message, so that the sum of a million is
 * as fast as memory (a CRC took most of the time of a SELECT).
 */
struct sum { uint64_t lane[sizeof(struct message) / 8]; };
_Static_assert(sizeof(struct message) % 8 == 0, "a message is whole words");

static uint64_t
mix(uint64_t h, uint64_t word)
{
	h ^= word;
	return (h << 27 | h >> 37) * 0x9e3779b97f4a7c15ull;
}

static void
sum_start(struct sum *s)
{
	for (size_t i = 0; i < COUNT(s->lane); i++)
		s->lane[i] = 0xcbf29ce484222325ull + i;
}

static void
sum_add(struct sum *s, const struct message *m)
{
	struct sum words;

	memcpy(&words, m, sizeof words);
	for (size_t i = 0; i < COUNT(s->lane); i++)
		s->lane[i] = mix(s->lane[i], words.lane[i]);
}

static uint64_t
sum_end(const struct sum *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < COUNT(s->lane); i++)
		all = mix(all, s->lane[i]);
	return all;
}

static uint64_t
sum_of(const struct message *m, size_t count)
{
	struct sum s;

	sum_start(&s);
	for (size_t i = 0; i < count; i++)
		sum_add(&s, &m[i]);
	return sum_end(&s);
}

/* ---- the head ---- */

static void
put_time(int64_t to[2], struct timespec t)
{
	to[0] = t.tv_sec;
	to[1] = t.tv_nsec;
}

static struct timespec
time_of(const int64_t from[2])
{
	return (struct timespec){.tv_sec = (time_t)from[0], .tv_nsec = (long)from[1]};
}

static bool
same_time(const int64_t a[2], struct timespec b)
{
	return a[0] == b.tv_sec && a[1] == b.tv_nsec;
}

static void
make_head(const struct folder *f, const struct folder_stamp *stamp, uint64_t names_len, struct head *h)
{
	bool recorded = !f->touched.all && f->touched.count == 0;

	*h = (struct head){.order = ORDER, .entry = sizeof(struct message), .count = f->count, .names_len = names_len,
		.modseq = recorded ? f->modseq : 0, .next = f->list.next,
		.list_inode = f->list.seen.st_ino, .list_size = (uint64_t)f->list.seen.st_size};
	memcpy(h->magic, MAGIC, sizeof h->magic);
	put_time(h->changed_new, stamp->changed_new);
	put_time(h->changed_cur, stamp->changed_cur);
	put_time(h->looked, stamp->looked);
	put_time(h->list_time, f->list.seen.st_mtim);
	index_prefix(f, h->prefix);
	for (size_t i = 0; i < f->count && !h->unseen; i++)
		if (!(f->messages[i].flags & MESSAGE_SEEN))
			h->unseen = i + 1;
}

static uint64_t
sum_of_head(const struct head *h)
{
	struct head without = *h;

	without.own = 0;
	return sum_bytes(span_at(&without, sizeof without));
}

/* Of this mailbox, and of the uidlist that is there now? */
static bool
is_of(const struct head *h, const struct folder *f)
{
	const struct stat *list = &f->list.seen;
	char               prefix[INDEX_PREFIX];

	index_prefix(f, prefix);
	return memcmp(h->magic, MAGIC, sizeof MAGIC) == 0 && h->order == ORDER && h->entry == sizeof(struct message)
		&& h->own == sum_of_head(h) && strncmp(h->prefix, prefix, sizeof prefix) == 0 && h->count > 0 && h->unseen <= h->count && h->next < UINT32_MAX
		&& h->list_inode == list->st_ino && h->list_size == (uint64_t)list->st_size && same_time(h->list_time, list->st_mtim);
}

/* ---- loading ---- */

static int
open_ours(const struct folder *f, struct stat *st)
{
	struct where w = where_is(f);
	int          fd = openat(w.dir, w.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	where_free(&w);
	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_mode & 022)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The file that this session found to be good last: what has a name is not written to (snapshot.h), and a file's
 * ctime is not set by anybody.  So who opens a mailbox again does not read all of it again. */
static struct index_proof
proof_of(const struct stat *st)
{
	return (struct index_proof){st->st_dev, st->st_ino, st->st_size, st->st_ctim};
}

static bool
is_proven(const struct index *x, const struct stat *st)
{
	const struct index_proof *p = &x->proven;

	return st->st_dev == p->device && st->st_ino == p->inode && st->st_size == p->size
		&& st->st_ctim.tv_sec == p->changed.tv_sec && st->st_ctim.tv_nsec == p->changed.tv_nsec;
}

static struct lender *
borrow(const struct folder *f, struct head *h, struct stat *st)
{
	uint64_t       size;
	struct lender *l;
	int            fd = open_ours(f, st);

	if (fd < 0)
		return NULL;
	l = lender_begin(fd);
	if (fstat(fd, st) < 0 || file_read_at(fd, h, sizeof *h, 0, NULL) < 0 || !is_of(h, f)) {
		lender_close(l);
		return NULL;
	}
	size = (uint64_t)st->st_size;
	if (h->names_len == 0 || h->names_len > size || h->count > size / sizeof(struct message) || size > SIZE_MAX / 2
		|| messages_at(h->names_len) + h->count * sizeof(struct message) != size
		|| !lender_open(l, is_proven(f->index, st), NAMES_AT, (size_t)h->names_len, messages_at(h->names_len), (size_t)h->count)) {
		lender_close(l);
		return NULL;
	}
	return l;
}

static bool
lend_messages(struct folder *f, struct lender *l, const struct head *h)
{
	struct messages_room room;
	struct message      *m = lender_messages(l, &room);

	if (m && (l->proven || (sum_of(m, l->count) == h->sum && lender_is_sound(m, l->count, l->names_len)
		&& m[l->count - 1].uid < h->next))) {
		l->proven = true;
		l->unseen = h->unseen;
		f->messages = m;
		f->room = room;
		f->count = l->count;
		f->highest = m[l->count - 1].uid;
		f->lender = l;
		return true;
	}
	if (m)
		messages_free(m, &room);
	lender_close(l);
	return false;
}

bool
snapshot_load(struct folder *f)
{
	struct head    h;
	struct stat    st;
	struct lender *l;

	if (!f->index || maildir_private(f->maildir) >= 0 || keywords_refresh(&f->keywords, f->dir, NULL) < 0
		|| folder_has_more_keywords(f->dir, &f->keywords) || !uidlist_peek(&f->list, f->dir))
		return false;
	l = borrow(f, &h, &st);
	if (!l || !lend_messages(f, l, &h))
		return false;
	f->index->proven = proof_of(&st);
	f->list.next = (uint32_t)h.next;
	f->looked_to = f->list.next - 1;
	f->validity = f->list.validity;
	f->stamp = (struct folder_stamp){time_of(h.changed_new), time_of(h.changed_cur), time_of(h.looked)};
	f->modseq = h.modseq; /* of these messages: nothing else was recorded when the history says the same */
	f->touched.all = h.modseq == 0;
	f->scanned = f->is_kept = true;
	return true;
}

/* ---- saving ---- */

/* The times that belong to what is in memory; false: it cannot be told. */
static bool
find_stamp(struct folder *f, struct folder_stamp *stamp)
{
	uint64_t generation = f->generation;

	*stamp = folder_stamp(f);
	if (f->watch) { /* what was followed has no times yet: no event may come behind them */
		f->record = NULL;
		if (folder_follow(f, NULL) != 0 || f->generation != generation)
			return false;
	} else if (folder_stamp_differs(stamp, &f->stamp)) {
		return false;
	} else {
		*stamp = f->stamp;
	}
	return folder_stamp_is_settled(stamp);
}

struct writing { int fd; off_t at; struct text bytes; bool failed; };

static void
flush(struct writing *w)
{
	w->failed = w->failed || file_write_at(w->fd, text_span(&w->bytes), w->at, NULL) < 0;
	w->at += (off_t)w->bytes.len;
	text_clear(&w->bytes);
}

static void
put(struct writing *w, const void *at, size_t len)
{
	text_add(&w->bytes, span_at(at, len));
	if (w->bytes.len >= PIECE)
		flush(w);
}

/* The head comes last: without it all else is nothing. */
static bool
write_all(const struct folder *f, const struct folder_stamp *stamp, int fd)
{
	struct writing w = {.fd = fd, .at = NAMES_AT};
	uint64_t       names_len = 0;
	struct sum     sum;
	struct head    h;

	for (size_t i = 0; i < f->count; i++) {
		const char *name = message_name(f, &f->messages[i]);
		size_t      len = strlen(name) + 1;

		put(&w, name, len);
		names_len += len;
	}
	flush(&w);
	w.at = (off_t)messages_at(names_len);
	names_len = 0;
	sum_start(&sum);
	for (size_t i = 0; i < f->count; i++) {
		struct message m = f->messages[i];

		m.lent = true;
		m.pooled = false;
		m.recent = false;
		m.name.at = names_len;
		names_len += strlen(message_name(f, &f->messages[i])) + 1;
		sum_add(&sum, &m);
		put(&w, &m, sizeof m);
	}
	flush(&w);
	make_head(f, stamp, names_len, &h);
	h.sum = sum_end(&sum);
	h.own = sum_of_head(&h);
	w.at = 0;
	put(&w, &h, sizeof h);
	flush(&w);
	text_free(&w.bytes);
	return !w.failed && fdatasync(fd) == 0;
}

/* One at a time; what is there already is another session's, or was left by one that was killed. */
static int
make_temporary(const struct where *w)
{
	struct stat st;
	int         fd = openat(w->dir, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST && fstatat(w->dir, w->temporary, &st, AT_SYMLINK_NOFOLLOW) == 0
		&& st.st_mtime + FORGOTTEN_SECONDS < clock_wall() / 1000000)
		unlinkat(w->dir, w->temporary, 0); /* the next one can be made */
	return fd;
}

static bool
is_worth(const struct folder *f)
{
	if (!f->index || f->is_kept || !f->scanned || f->count < WORTH || f->seen || !f->list.guid[0] || f->list.broken
		|| f->list.foreign || f->list.unterminated || f->list.seen.st_ino == 0)
		return false;
	for (size_t i = 0; i < f->count; i++)
		if (f->messages[i].in_new)
			return false;
	return true;
}

void
snapshot_save(struct folder *f)
{
	struct folder_stamp stamp;
	struct where        w;

	if (!is_worth(f) || !find_stamp(f, &stamp))
		return;
	w = where_is(f);
	int fd = make_temporary(&w);

	if (fd >= 0) {
		bool good = write_all(f, &stamp, fd);

		close(fd); /* before it can be opened by its name: who writes keeps others from a lease (mapping.h) */
		if (!good || renameat(w.dir, w.temporary, w.dir, w.name) < 0)
			unlinkat(w.dir, w.temporary, 0);
	}
	where_free(&w);
}
