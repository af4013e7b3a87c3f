/* SPDX-License-Identifier: ISC */
/*
 * history_expunged.c - UIDs that are gone, and since which change (RFC 7162, 3.2.10)
 *
 * Its keys are told in history_records.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/history_private.h"

/* Old expunges are forgotten, and that they are. */
static void
prune_gone(struct recording *r)
{
	char        key[HISTORY_KEY];
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

void
history_put_gone(struct recording *r)
{
	char                 key[HISTORY_KEY];
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
	history_put(r, key, text_span(&value));
	prune_gone(r);
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
	char        key[HISTORY_KEY], from[HISTORY_KEY + 24];
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
	known = history_get_header(r) && since >= r->header.floor;
	if (known)
		collect(r, since, out, count);
	mdb_txn_abort(r->txn);
	if (*count)
		qsort(*out, *count, sizeof **out, compare_ranges);
	return known;
}
