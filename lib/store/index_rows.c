/* SPDX-License-Identifier: ISC */
/*
 * index_rows.c - what SORT, THREAD and searches for dates ask of every message of a mailbox
 *
 * Key \1f/P/<uid >> 8>, P the mailbox's prefix (index_private.h), of up to 256 messages: how many (2); of each, by UID, the
 * UID (4), a hash of its base name (8), what is known (1), date (8), size (8), and where its facts end (4); then all facts.
 * So a look at all messages reads a few pages from one end to the other, where their records are spread over many.
 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/index_private.h"
#include "store/little_endian.h"

enum { CHUNK = FOLDER_CHUNK, COUNT_BYTES = 2, ENTRY = 33, KEY = INDEX_PREFIX + 16, HAS_DATE = 1, HAS_SIZE = 2 };

static inline uint64_t
mix(uint64_t h, uint64_t n)
{
	h = (h ^ n) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* Kept in a file: without a seed.  It guards against a name that an older UID list gave, not against malice. */
uint64_t
index_base_hash(struct span base)
{
	uint64_t h = 0xcbf29ce484222325ull ^ base.len;
	size_t   i = 0;

	for (; i + 8 <= base.len; i += 8)
		h = mix(h, little_endian_take(base.at + i, 8));
	return i < base.len ? mix(h, little_endian_take(base.at + i, (int)(base.len - i))) : h;
}

/* ---- pieces ---- */

bool
index_rows_open(struct span bytes, struct index_rows *out)
{
	struct index_rows r = {.count = bytes.len < COUNT_BYTES ? SIZE_MAX : (size_t)little_endian_take(bytes.at, COUNT_BYTES)};
	size_t            end = 0;

	if (r.count > CHUNK || bytes.len < COUNT_BYTES + r.count * ENTRY)
		return false;
	r.entries = bytes.at + COUNT_BYTES;
	r.facts = span_from(bytes, COUNT_BYTES + r.count * ENTRY);
	for (size_t i = 0; i < r.count; i++) {
		const char *e = r.entries + i * ENTRY;
		size_t      until = (size_t)little_endian_take(e + 29, 4);

		if (until < end || (i && little_endian_take(e, 4) <= little_endian_take(e - ENTRY, 4)))
			return false;
		end = until;
	}
	*out = r;
	return end == r.facts.len;
}

void
index_rows_at(const struct index_rows *r, size_t i, struct index_row *out)
{
	const char *e = r->entries + i * ENTRY;
	size_t      start = i ? (size_t)little_endian_take(e - ENTRY + 29, 4) : 0;

	*out = (struct index_row){.uid = (uint32_t)little_endian_take(e, 4), .hash = little_endian_take(e + 4, 8),
		.has_date = e[12] & HAS_DATE, .has_full_size = e[12] & HAS_SIZE, .date = (int64_t)little_endian_take(e + 13, 8),
		.full_size = little_endian_take(e + 21, 8), .facts = span_cut(r->facts, start, (size_t)little_endian_take(e + 29, 4))};
}

void
index_rows_make(const struct index_row *rows, size_t count, struct text *out)
{
	size_t end = 0;

	little_endian_add(count, COUNT_BYTES, out);
	for (size_t i = 0; i < count; i++) {
		const struct index_row *r = &rows[i];

		little_endian_add(r->uid, 4, out);
		little_endian_add(r->hash, 8, out);
		little_endian_add((r->has_date ? HAS_DATE : 0u) | (r->has_full_size ? HAS_SIZE : 0u), 1, out);
		little_endian_add((uint64_t)r->date, 8, out);
		little_endian_add(r->full_size, 8, out);
		little_endian_add(end += r->facts.len, 4, out);
	}
	for (size_t i = 0; i < count; i++)
		text_add(out, rows[i].facts);
}

/* ---- reading ---- */

static MDB_val
rows_key(const char *prefix, uint32_t number, char key[KEY])
{
	return (MDB_val){(size_t)snprintf(key, KEY, "\1f/%s/%06x", prefix, number), key};
}

/* Mostly they are asked for in order. */
bool
index_rows_find(struct index_reading *x, MDB_txn *txn, MDB_dbi dbi, const char *prefix, uint32_t uid, uint64_t hash,
	struct index_row *out)
{
	struct index_row r;
	char             key[KEY];
	MDB_val          k, v;

	if (!x->loaded || x->number != uid / CHUNK) {
		x->loaded = true;
		x->number = uid / CHUNK;
		x->next = 0;
		k = rows_key(prefix, x->number, key);
		if (mdb_get(txn, dbi, &k, &v) != 0 || !index_rows_open(span_at(v.mv_data, v.mv_size), &x->rows))
			x->rows = (struct index_rows){.facts = SPAN_NONE};
	}
	if (x->next && little_endian_take(x->rows.entries + (x->next - 1) * ENTRY, 4) >= uid)
		x->next = 0;
	while (x->next < x->rows.count && little_endian_take(x->rows.entries + x->next * ENTRY, 4) < uid)
		x->next++;
	if (x->next == x->rows.count)
		return false;
	index_rows_at(&x->rows, x->next, &r);
	if (r.uid != uid || r.hash != hash)
		return false;
	x->next++;
	*out = r;
	return true;
}

/* ---- writing ---- */

static int
compare_rows(const void *a, const void *b)
{
	const struct index_row *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Those of one piece, by UID, into what is there; what is there of the same UID is replaced. */
static int
put_rows(MDB_txn *txn, MDB_dbi dbi, const char *prefix, const struct index_row *rows, size_t count)
{
	autofree struct index_row *all = mem_array(CHUNK * 2, sizeof *all);
	autotext struct text       bytes = {0};
	struct index_rows          old = {.facts = SPAN_NONE};
	struct index_row           there;
	char                       key[KEY];
	MDB_val                    k = rows_key(prefix, rows[0].uid / CHUNK, key), v;
	struct span                before = SPAN_NONE;
	size_t                     n = 0, at = 0;

	if (mdb_get(txn, dbi, &k, &v) == 0) {
		before = span_at(v.mv_data, v.mv_size);
		if (!index_rows_open(before, &old))
			old = (struct index_rows){.facts = SPAN_NONE};
	}
	for (size_t i = 0; i < count; i++) {
		for (; at < old.count && (index_rows_at(&old, at, &there), there.uid <= rows[i].uid); at++)
			if (there.uid < rows[i].uid)
				all[n++] = there;
		if (i + 1 == count || rows[i + 1].uid != rows[i].uid)
			all[n++] = rows[i];
	}
	for (; at < old.count; at++)
		index_rows_at(&old, at, &all[n++]);
	index_rows_make(all, n, &bytes);
	if (span_equal(text_span(&bytes), before))
		return 0;
	v = (MDB_val){bytes.len, bytes.at};
	return mdb_put(txn, dbi, &k, &v, 0);
}

int
index_rows_put(MDB_txn *txn, MDB_dbi dbi, const char *prefix, struct index_row *rows, size_t count)
{
	int code = 0;

	if (count)
		qsort(rows, count, sizeof *rows, compare_rows);
	for (size_t i = 0, from = 0; code == 0 && i < count; from = i) {
		while (i < count && rows[i].uid / CHUNK == rows[from].uid / CHUNK)
			i++;
		code = put_rows(txn, dbi, prefix, rows + from, i - from);
	}
	return code;
}
