/* SPDX-License-Identifier: ISC */
/*
 * history.c - mod-sequences, expunged UIDs and dates of saving
 *
 * Keys of a mailbox, P its prefix (index_private.h):
 *   \1h/P             "1 highest floor boot ahead": the last number given out, since when
 *                     expunges are known, when the machine started, what postern-modseq says
 *   \1c/P/<uid >> 8>  records of up to 256 UIDs, 29 bytes each
 *   \1v/P/<modseq>    pairs of UIDs: ranges expunged by that change
 */
#include "store/history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/folder_private.h"
#include "store/index_private.h"
#include "store/little_endian.h"
#include "store/small_file.h"
#include "store/snapshot.h"

#define FLOOR_FILE "postern-modseq"

enum {
	CHUNK = FOLDER_CHUNK, ENTRY = 29, KEY = INDEX_PREFIX + 32, LOOKS = 4,
	BOOT_SLACK = 120               /* seconds by which the clock may be corrected */
};

static const uint64_t SECOND = 1 << 20;    /* mod-sequences */
static const uint64_t AHEAD_STEP = 3600ull << 20;

struct header { uint64_t highest, floor, boot, ahead; };

struct recording {
	struct folder       *folder;
	MDB_txn             *txn;
	MDB_dbi              dbi;
	bool                 write;
	bool                 differs, stale;
	bool                 known;          /* nobody recorded anything since this folder did */
	char                 prefix[INDEX_PREFIX];
	struct header        header;
	uint64_t             fresh;          /* the mod-sequence of this change */
	uint32_t            *gone;
	size_t               gone_count;
	struct history_entry old[CHUNK], new[CHUNK];
};

/* ---- numbers ---- */

static uint64_t
modseq_of(struct timespec t)
{
	return t.tv_sec < 0 ? 0 : ((uint64_t)t.tv_sec << 20) + (((uint64_t)t.tv_nsec << 20) / 1000000000);
}

static uint64_t
modseq_now(void)
{
	int64_t us = clock_wall();

	return modseq_of((struct timespec){us / 1000000, us % 1000000 * 1000});
}

static uint64_t
boot_time(void)
{
	struct timespec up;

	if (clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return 0;
	return (uint64_t)(clock_wall() / 1000000 - up.tv_sec);
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
file_floor(const struct folder *f)
{
	autotext struct text text = {0};
	uint64_t             n;

	if (small_file_read(f->dir, FLOOR_FILE, 64, &text, NULL, NULL) < 0
		|| !span_number(span_trim(text_span(&text)), &n) || n > INT64_MAX)
		return 0;
	return n;
}

/* The first number of a mailbox whose history is not known (any more). */
static uint64_t
first_modseq(const struct folder *f)
{
	uint64_t    n = larger(modseq_now(), file_floor(f) + 1);
	struct stat st;

	if (fstat(f->new_dir, &st) == 0)
		n = larger(n, modseq_of(st.st_mtim) + 60 * SECOND * (modseq_of(st.st_mtim) > modseq_now()));
	if (fstat(f->cur_dir, &st) == 0)
		n = larger(n, modseq_of(st.st_mtim) + 60 * SECOND * (modseq_of(st.st_mtim) > modseq_now()));
	return n;
}

/* Numbers that the clock will not vouch for after a loss of the index are kept in a file. */
static void
keep_floor(struct recording *r)
{
	autotext struct text text = {0};
	struct fault         why = {0};

	if (r->header.highest <= modseq_now() + 10 * SECOND || r->header.highest < r->header.ahead)
		return;
	r->header.ahead = r->header.highest + AHEAD_STEP;
	text_add_format(&text, "%llu\n", (unsigned long long)r->header.ahead);
	if (small_file_replace(r->folder->dir, FLOOR_FILE, FLOOR_FILE ".tmp", text_span(&text), 0, &why) < 0)
		log_warning("%s: %s", FLOOR_FILE, fault_text(&why));
}

/* ---- records ---- */

static uint64_t
take_number(struct span *s, int bytes)
{
	uint64_t n = little_endian_take(s->at, bytes);

	*s = span_from(*s, (size_t)bytes);
	return n;
}

void
history_encode(const struct history_entry *e, size_t count, struct text *out)
{
	for (size_t i = 0; i < count; i++) {
		little_endian_add(e[i].uid, 4, out);
		little_endian_add(e[i].flags, 1, out);
		little_endian_add(e[i].keywords, 8, out);
		little_endian_add(e[i].modseq, 8, out);
		little_endian_add((uint64_t)e[i].saved, 8, out);
	}
}

bool
history_decode(struct span s, struct history_entry *out, size_t room, size_t *count)
{
	size_t n = s.len / ENTRY;

	if (s.len % ENTRY != 0 || n > room)
		return false;
	for (size_t i = 0; i < n; i++) {
		out[i].uid = (uint32_t)take_number(&s, 4);
		out[i].flags = (uint8_t)take_number(&s, 1);
		out[i].keywords = take_number(&s, 8);
		out[i].modseq = take_number(&s, 8);
		out[i].saved = (int64_t)take_number(&s, 8);
		if (i > 0 && out[i].uid <= out[i - 1].uid)
			return false;
	}
	*count = n;
	return true;
}

/* ---- the index ---- */

static MDB_val
value_of(struct span s)
{
	return (MDB_val){s.len, (void *)s.at};
}

static bool
get(const struct recording *r, const char *key, struct span *value)
{
	MDB_val k = value_of(span_of(key)), v;

	if (mdb_get(r->txn, r->dbi, &k, &v) != 0)
		return false;
	*value = span_at(v.mv_data, v.mv_size);
	return true;
}

/* A failure shows at the commit, as LMDB marks the transaction. */
static void
put(struct recording *r, const char *key, struct span value)
{
	MDB_val k = value_of(span_of(key)), v = value_of(value);

	if (value.len)
		mdb_put(r->txn, r->dbi, &k, &v, 0);
	else
		mdb_del(r->txn, r->dbi, &k, NULL);
}

static bool
get_header(struct recording *r)
{
	char        key[KEY];
	struct span value, word;
	uint64_t    n[4];

	snprintf(key, sizeof key, "\1h/%s", r->prefix);
	if (!get(r, key, &value) || !span_next(&value, " ", &word) || !span_is(word, "1"))
		return false;
	for (size_t i = 0; i < COUNT(n); i++)
		if (!span_next(&value, " ", &word) || !span_number(word, &n[i]))
			return false;
	r->header = (struct header){n[0], n[1], n[2], n[3]};
	return true;
}

static void
put_header(struct recording *r)
{
	char                 key[KEY];
	autotext struct text value = {0};

	snprintf(key, sizeof key, "\1h/%s", r->prefix);
	text_add_format(&value, "1 %llu %llu %llu %llu", (unsigned long long)r->header.highest,
		(unsigned long long)r->header.floor, (unsigned long long)r->header.boot,
		(unsigned long long)r->header.ahead);
	put(r, key, text_span(&value));
}

/* Without a good header nothing that is there counts. */
static void
start_header(struct recording *r)
{
	bool     there = get_header(r);
	uint64_t boot = boot_time();

	if (!there) {
		r->header = (struct header){.ahead = file_floor(r->folder)};
		r->header.highest = r->header.floor = first_modseq(r->folder) - 1;
		r->header.boot = boot;
		r->differs = true;
	} else if (boot > r->header.boot + BOOT_SLACK || boot + BOOT_SLACK < r->header.boot) {
		r->header.highest = larger(r->header.highest + 1, first_modseq(r->folder));
		r->header.floor = r->header.highest; /* the last transactions may be lost */
		r->header.boot = boot;
		r->differs = true;
	}
	r->differs |= r->folder->raised;
	r->known = !r->differs && r->folder->modseq && r->header.highest == r->folder->modseq && !r->folder->touched.all;
	r->fresh = larger(r->header.highest + 1, modseq_now());
}

static void
chunk_key(const struct recording *r, uint32_t number, char key[KEY])
{
	snprintf(key, KEY, "\1c/%s/%06x", r->prefix, number);
}

static size_t
get_chunk(const struct recording *r, uint32_t number, struct history_entry *out)
{
	char        key[KEY];
	struct span value;
	size_t      count = 0;

	chunk_key(r, number, key);
	if (!get(r, key, &value) || !history_decode(value, out, CHUNK, &count))
		return 0;
	return count;
}

/* The first chunk that is recorded from `number` on; UINT32_MAX: none. */
static uint32_t
next_chunk(const struct recording *r, MDB_cursor *cursor, uint32_t number)
{
	char        key[KEY];
	MDB_val     k, v;
	struct span found;
	size_t      stem;
	uint32_t    n = 0;

	chunk_key(r, number, key);
	stem = strlen(key) - 6;
	k = value_of(span_of(key));
	if (mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) != 0)
		return UINT32_MAX;
	found = span_at(k.mv_data, k.mv_size);
	if (found.len != stem + 6 || memcmp(found.at, key, stem) != 0)
		return UINT32_MAX;
	for (size_t i = stem; i < found.len; i++) {
		char c = found.at[i];

		n = n * 16 + (uint32_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return n;
}

/* ---- the difference ---- */

/* Is the name that the snapshot has still there?  And when did it come there? */
static bool
is_current(const struct recording *r, const struct message *m, int64_t *changed)
{
	struct stat st;

	if (fstatat(m->in_new ? r->folder->new_dir : r->folder->cur_dir, m->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*changed = st.st_ctim.tv_sec;
	return true;
}

/* One message against its record (NULL: none); false: it must not be recorded. */
static bool
note_message(struct recording *r, struct message *m, const struct history_entry *e,
	struct history_entry *out)
{
	int64_t changed = 0;

	*out = (struct history_entry){m->uid, m->flags, m->keywords, r->fresh, 0};
	if (e && e->flags == m->flags && e->keywords == m->keywords) {
		*out = *e;
		m->modseq = e->modseq;
		return true;
	}
	if ((r->folder->seen && !seen_is_current(r->folder->seen)) || !is_current(r, m, &changed)) {
		r->stale = true;
		if (!e) {
			m->modseq = larger(m->modseq, r->header.highest);
			return false;
		}
		/* what was there for a moment and is not recorded, nobody may be told: he would not hear that it
		 * is gone again, and its mod-sequence would go back */
		*out = *e;
		m->flags = e->flags;
		m->keywords = e->keywords;
		m->modseq = e->modseq;
		return true;
	}
	r->differs = true;
	out->saved = e ? e->saved : changed;
	m->modseq = r->fresh;
	return true;
}

static void
note_gone(struct recording *r, uint32_t uid)
{
	r->differs = true;
	if (!r->write)
		return;
	r->gone = mem_grow(r->gone, r->gone_count + 1, sizeof *r->gone);
	r->gone[r->gone_count++] = uid;
}

static bool
same_entries(const struct recording *r, size_t old, size_t new)
{
	if (old != new)
		return false;
	for (size_t i = 0; i < old; i++)
		if (r->old[i].uid != r->new[i].uid || r->old[i].modseq != r->new[i].modseq)
			return false;
	return true;
}

/* Messages [from, until) and the records of one chunk, both by UID. */
static void
note_chunk(struct recording *r, uint32_t number, size_t from, size_t until)
{
	size_t               n_old = get_chunk(r, number, r->old), n_new = 0, at = 0;
	char                 key[KEY];
	autotext struct text value = {0};

	for (size_t i = from; i < until || at < n_old;) {
		struct message *m = i < until ? &r->folder->messages[i] : NULL;

		if (at < n_old && (!m || r->old[at].uid < m->uid)) {
			if (r->old[at].uid > r->folder->looked_to) { /* newer than our list */
				r->stale = true;
				r->new[n_new++] = r->old[at];
			} else {
				note_gone(r, r->old[at].uid);
			}
			at++;
			continue;
		}
		bool recorded = at < n_old && r->old[at].uid == m->uid;

		n_new += note_message(r, m, recorded ? &r->old[at] : NULL, &r->new[n_new]);
		at += recorded;
		i++;
	}
	if (!r->write || same_entries(r, n_old, n_new))
		return;
	history_encode(r->new, n_new, &value);
	chunk_key(r, number, key);
	put(r, key, text_span(&value));
}

/* Who only looks wants to know whether there is anything to record. */
static bool
knows_enough(const struct recording *r)
{
	return r->differs && !r->write;
}

static void
note_all(struct recording *r)
{
	struct folder *f = r->folder;
	MDB_cursor    *cursor;
	uint32_t       number = 0;

	if (mdb_cursor_open(r->txn, r->dbi, &cursor) != 0)
		return;
	for (size_t i = 0; !knows_enough(r);) {
		uint32_t recorded = next_chunk(r, cursor, number), mine;
		size_t   from = i;

		mine = i < f->count ? f->messages[i].uid / CHUNK : UINT32_MAX;
		number = mine < recorded ? mine : recorded;
		if (number == UINT32_MAX)
			break;
		while (i < f->count && f->messages[i].uid / CHUNK == number)
			i++;
		note_chunk(r, number, from, i);
		number++;
	}
	mdb_cursor_close(cursor);
}

static int
compare_chunks(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Only what this session touched can differ. */
static void
note_touched(struct recording *r)
{
	struct folder_touched *t = &r->folder->touched;

	if (t->count)
		qsort(t->chunks, t->count, sizeof *t->chunks, compare_chunks);
	for (size_t i = 0; i < t->count && !knows_enough(r); i++)
		if (i == 0 || t->chunks[i] != t->chunks[i - 1])
			note_chunk(r, t->chunks[i], folder_position(r->folder, (uint64_t)t->chunks[i] * CHUNK),
				folder_position(r->folder, (uint64_t)(t->chunks[i] + 1) * CHUNK));
}

/* Old expunges are forgotten, and that they are. */
static void
prune_gone(struct recording *r)
{
	char        key[KEY];
	MDB_cursor *cursor;
	MDB_val     k, v;
	size_t      stem, count = 0;
	int         code;

	snprintf(key, sizeof key, "\1v/%s/", r->prefix);
	stem = strlen(key);
	if (mdb_cursor_open(r->txn, r->dbi, &cursor) != 0)
		return;
	for (int forget = 0; forget < 2; forget++) {
		size_t surplus = count > HISTORY_EXPUNGES ? count - HISTORY_EXPUNGES * 3 / 4 : 0;

		k = value_of(span_of(key));
		for (code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); code == 0
			&& k.mv_size > stem && memcmp(k.mv_data, key, stem) == 0;
			code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
			if (!forget) {
				count++;
				continue;
			}
			if (surplus == 0)
				break;
			surplus--;
			r->header.floor = larger(r->header.floor,
				strtoull((const char *)k.mv_data + stem, NULL, 16));
			mdb_cursor_del(cursor, 0);
		}
	}
	mdb_cursor_close(cursor);
}

static void
put_gone(struct recording *r)
{
	char                 key[KEY];
	autotext struct text value = {0};

	for (size_t i = 0; i < r->gone_count;) {
		size_t last = i;

		while (last + 1 < r->gone_count && r->gone[last + 1] == r->gone[last] + 1)
			last++;
		little_endian_add(r->gone[i], 4, &value);
		little_endian_add(r->gone[last], 4, &value);
		i = last + 1;
	}
	snprintf(key, sizeof key, "\1v/%s/%016llx ", r->prefix, (unsigned long long)r->fresh);
	put(r, key, text_span(&value));
	prune_gone(r);
}

/* Compares, and with `write` records.  False: the index failed. */
static bool
look(struct folder *f, bool write, struct recording *r)
{
	memset(r, 0, sizeof *r); /* too large for a literal on the stack */
	r->folder = f;
	r->write = write;
	if (index_transaction(f->index, write ? 0 : MDB_RDONLY, &r->txn) != 0)
		return false;
	r->dbi = f->index->dbi;
	index_prefix(f, r->prefix);
	start_header(r);
	if (r->known)
		note_touched(r);
	else
		note_all(r);
	if (!write || !r->differs) {
		mdb_txn_abort(r->txn);
		return true;
	}
	r->header.highest = r->fresh;
	if (r->gone_count)
		put_gone(r);
	keep_floor(r);
	put_header(r);
	free(take(r->gone));
	if (mdb_txn_commit(r->txn) != 0)
		return false;
	f->raised = false;
	return true;
}

/* Has anything been recorded since this snapshot was?  Cheap. */
static void
record(struct folder *f)
{
	autofree struct recording *r = mem_alloc(sizeof *r);

	if (!look(f, false, r) || (r->differs && !look(f, true, r))) {
		/* cannot be recorded now: what is told stays below what will be */
		f->scanned = false;
		f->touched.all = true;
		return;
	}
	f->touched.all = r->stale;
	f->touched.count = 0;
	if (r->stale)
		f->scanned = false; /* look again before more is claimed */
	else
		f->modseq = r->header.highest;
}

void
history_raise(struct folder *f)
{
	if (!f->record)
		return;
	f->raised = true;
	f->record(f);
}

int
history_open(struct maildir *m, struct index *x, const char *name, unsigned options,
	struct folder **out, struct fault *why)
{
	struct folder *f;

	if (folder_begin(m, name, options, &f, why) < 0)
		return -1;
	f->index = x;
	snapshot_load(f);
	if (folder_sync(f, why) < 0) {
		folder_close(f);
		return -1;
	}
	if (x) {
		f->record = record;
		f->keep = snapshot_save;
		record(f);
		if (f->touched.all)
			f->modseq = 0; /* the snapshot's: nobody was told yet */
	}
	for (int i = 0; x && f->modseq == 0 && i < LOOKS; i++)
		if (folder_sync(f, why) < 0) {
			folder_close(f);
			return -1;
		}
	*out = f;
	return 0;
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct history_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Cuts what is there now out of a range; adds what is left. */
static void
add_absent(const struct folder *f, struct history_range range, struct history_range **out, size_t *count)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->messages[middle].uid < range.first)
			low = middle + 1;
		else
			high = middle;
	}
	for (;; low++) {
		uint32_t there = low < f->count ? f->messages[low].uid : UINT32_MAX;
		uint32_t last = there <= range.last ? there - 1 : range.last;

		if (range.first <= last) {
			*out = mem_grow(*out, *count + 1, sizeof **out);
			(*out)[(*count)++] = (struct history_range){range.first, last};
		}
		if (there >= range.last)
			return;
		range.first = there + 1;
	}
}

static void
collect(struct recording *r, uint64_t since, struct history_range **out, size_t *count)
{
	char        key[KEY], from[KEY + 24];
	size_t      stem;
	MDB_cursor *cursor;
	MDB_val     k, v;
	int         code;

	snprintf(key, sizeof key, "\1v/%s/", r->prefix);
	stem = strlen(key);
	snprintf(from, sizeof from, "%s%016llx", key, (unsigned long long)since + 1);
	k = value_of(span_of(from));
	if (mdb_cursor_open(r->txn, r->dbi, &cursor) != 0)
		return;
	for (code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); code == 0 && k.mv_size > stem
		&& memcmp(k.mv_data, key, stem) == 0; code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		struct span value = span_at(v.mv_data, v.mv_size);

		while (value.len >= 8) {
			struct history_range range;

			range.first = (uint32_t)take_number(&value, 4);
			range.last = (uint32_t)take_number(&value, 4);
			if (range.first && range.first <= range.last && range.last < UINT32_MAX)
				add_absent(r->folder, range, out, count);
		}
	}
	mdb_cursor_close(cursor);
}

bool
history_vanished(struct folder *f, uint64_t since, struct history_range **out, size_t *count)
{
	autofree struct recording *r = mem_alloc(sizeof *r);
	bool                       known;

	*out = NULL;
	*count = 0;
	r->folder = f;
	if (!f->index || index_transaction(f->index, MDB_RDONLY, &r->txn) != 0)
		return false;
	r->dbi = f->index->dbi;
	index_prefix(f, r->prefix);
	known = get_header(r) && since >= r->header.floor;
	if (known)
		collect(r, since, out, count);
	mdb_txn_abort(r->txn);
	if (*count)
		qsort(*out, *count, sizeof **out, compare_ranges);
	return known;
}

bool
history_saved(struct folder *f, uint32_t uid, int64_t *seconds)
{
	autofree struct recording *r = mem_alloc(sizeof *r);
	struct message            *m = folder_find(f, uid);
	bool                       found = false;

	r->folder = f;
	if (f->index && index_transaction(f->index, MDB_RDONLY, &r->txn) == 0) {
		r->dbi = f->index->dbi;
		index_prefix(f, r->prefix);
		size_t n = get_chunk(r, uid / CHUNK, r->old);

		for (size_t i = 0; i < n && !found; i++)
			if (r->old[i].uid == uid && r->old[i].saved) {
				*seconds = r->old[i].saved;
				found = true;
			}
		mdb_txn_abort(r->txn);
	}
	return found || (m && is_current(r, m, seconds));
}
