/* SPDX-License-Identifier: ISC */
/*
 * index_rows.c - numbers that SORT, THREAD and searches for dates ask of every message of a mailbox
 *
 * Key \1R/P/<uid >> 8>, P the mailbox's prefix (index_private.h), of up to 256 messages: of each, by UID, the UID (4), a hash of its
 * base name (8), what is known (1), date (8), size (8), in which form what comes of Date is (1), that (8) and its day (4); and a sum of
 * all that (8). So a look at all messages reads a few pages from one end to the other, where their records are spread over many.
 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/little_endian.h"
#include "base/sum.h"
#include "store/index_private.h"

enum { CHUNK = FOLDER_CHUNK, ENTRY = 42, SUM = 8, KEY = INDEX_PREFIX + 16, HAS_DATE = 1, HAS_SIZE = 2, HAS_SENT = 4 };

static inline uint32_t
uid_at(const struct index_rows *r, size_t i)
{
	return (uint32_t)little_endian_take(r->entries + i * ENTRY, 4);
}

/* Kept in a file: without a seed.  It guards against a name that an older UID list gave, not against malice. */
uint64_t
index_base_hash(struct span base)
{
	uint64_t h = 0xcbf29ce484222325ull ^ base.len;
	size_t   i = 0;

	for (; i + 8 <= base.len; i += 8)
		h = sum_mix(h, little_endian_take(base.at + i, 8));
	return i < base.len ? sum_mix(h, little_endian_take(base.at + i, (int)(base.len - i))) : h;
}

/* ---- pieces ---- */

bool
index_rows_open(struct span bytes, struct index_rows *out)
{
	struct index_rows r = {bytes.at, bytes.len / ENTRY};

	if (r.count > CHUNK || bytes.len != r.count * ENTRY + SUM
		|| little_endian_take(bytes.at + r.count * ENTRY, SUM) != sum_bytes(span_first(bytes, r.count * ENTRY)))
		return false;
	for (size_t i = 1; i < r.count; i++)
		if (uid_at(&r, i) <= uid_at(&r, i - 1))
			return false;
	*out = r;
	return true;
}

void
index_rows_at(const struct index_rows *r, size_t i, struct index_row *out)
{
	const char *e = r->entries + i * ENTRY;

	*out = (struct index_row){(uint32_t)little_endian_take(e, 4), little_endian_take(e + 4, 8),
		{.has_date = e[12] & HAS_DATE, .has_full_size = e[12] & HAS_SIZE, .has_sent = e[12] & HAS_SENT,
		.date = (int64_t)little_endian_take(e + 13, 8), .full_size = little_endian_take(e + 21, 8), .sent_form = e[29],
		.sent = (int64_t)little_endian_take(e + 30, 8), .sent_day = (int32_t)little_endian_take(e + 38, 4)}};
}

void
index_rows_make(const struct index_row *rows, size_t count, struct text *out)
{
	size_t start = out->len;
	char   e[ENTRY];

	for (size_t i = 0; i < count; i++) {
		const struct index_numbers *n = &rows[i].numbers;

		little_endian_put(e, rows[i].uid, 4);
		little_endian_put(e + 4, rows[i].hash, 8);
		e[12] = (char)((n->has_date ? HAS_DATE : 0) | (n->has_full_size ? HAS_SIZE : 0) | (n->has_sent ? HAS_SENT : 0));
		little_endian_put(e + 13, (uint64_t)n->date, 8);
		little_endian_put(e + 21, n->full_size, 8);
		e[29] = n->sent_form;
		little_endian_put(e + 30, (uint64_t)n->sent, 8);
		little_endian_put(e + 38, (uint32_t)n->sent_day, 4);
		text_add(out, span_at(e, ENTRY));
	}
	little_endian_add(sum_bytes(span_from(text_span(out), start)), SUM, out);
}

/* ---- reading ---- */

static MDB_val
rows_key(const char *prefix, uint32_t number, char key[KEY])
{
	return (MDB_val){(size_t)snprintf(key, KEY, "\1R/%s/%06x", prefix, number), key};
}

/* Mostly they are asked for in order. */
bool
index_rows_find(struct index_reading *x, MDB_txn *txn, MDB_dbi dbi, const char *prefix, uint32_t uid, uint64_t hash,
	struct index_numbers *out)
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
			x->rows = (struct index_rows){0};
	}
	if (x->next && uid_at(&x->rows, x->next - 1) >= uid)
		x->next = 0;
	while (x->next < x->rows.count && uid_at(&x->rows, x->next) < uid)
		x->next++;
	if (x->next == x->rows.count)
		return false;
	index_rows_at(&x->rows, x->next, &r);
	if (r.uid != uid || r.hash != hash)
		return false;
	x->next++;
	*out = r.numbers;
	return true;
}

/* ---- writing ---- */

static int
compare_rows(const void *a, const void *b)
{
	const struct index_row *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static bool
is_ascending(const struct index_row *rows, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (rows[i].uid <= rows[i - 1].uid)
			return false;
	return true;
}

/* Those of one piece, by UID, into what is there; what is there of the same UID is replaced. */
static int
put_rows(MDB_txn *txn, MDB_dbi dbi, const char *prefix, const struct index_row *rows, size_t count)
{
	autofree struct index_row *all = mem_array(CHUNK * 2, sizeof *all);
	autotext struct text       bytes = {0};
	struct index_rows          old = {0};
	struct index_row           there;
	char                       key[KEY];
	MDB_val                    k = rows_key(prefix, rows[0].uid / CHUNK, key), v;
	struct span                before = SPAN_NONE;
	size_t                     n = 0, at = 0;

	if (mdb_get(txn, dbi, &k, &v) == 0) {
		before = span_at(v.mv_data, v.mv_size);
		if (!index_rows_open(before, &old))
			old = (struct index_rows){0};
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

	if (!is_ascending(rows, count))
		qsort(rows, count, sizeof *rows, compare_rows);
	for (size_t i = 0, from = 0; code == 0 && i < count; from = i) {
		while (i < count && rows[i].uid / CHUNK == rows[from].uid / CHUNK)
			i++;
		code = put_rows(txn, dbi, prefix, rows + from, i - from);
	}
	return code;
}
