/* SPDX-License-Identifier: ISC */
/*
 * index_parts.c - envelopes, structures, fields, facts: a part of a few neighbours together
 *
 * Key \1E/P/<number>, \1B/..., \1S/..., \1T/...; P the mailbox's prefix (index_private.h), the number a message's UID by how many
 * messages have a record together: how many there are (2); of each, by UID, the UID (4), a hash of its base name (8), how long
 * its first piece is (4), where its bytes end (4), and a sum of all that and of them (4); then their bytes. A message whose
 * sum is another is not there.
 *
 * A record each would be found by a comparison of long keys for each, and most would have pages of their own, half empty.
 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/little_endian.h"
#include "base/sum.h"
#include "store/index_private.h"

enum { COUNT_BYTES = 2, ENTRY = 24, MOST = 64, KEY = INDEX_PREFIX + 16 };

/* Of facts there is little, and they are asked of all messages. */
static const struct { char letter; uint32_t messages; } kinds[INDEX_PARTS] = {
	[INDEX_ENVELOPE] = {'E', 16}, [INDEX_STRUCTURE] = {'B', 16}, [INDEX_FIELDS] = {'S', 16}, [INDEX_FACTS] = {'T', MOST}};

static uint32_t
sum_of(const struct index_kept *k)
{
	return (uint32_t)sum_mix(sum_mix(sum_mix(sum_bytes(k->bytes), k->uid), k->hash), k->first);
}

/* ---- records ---- */

bool
index_parts_open(struct span bytes, struct index_parts *out)
{
	size_t count = bytes.len < COUNT_BYTES ? SIZE_MAX : (size_t)little_endian_take(bytes.at, COUNT_BYTES);

	if (count > MOST || bytes.len < COUNT_BYTES + count * ENTRY)
		return false;
	*out = (struct index_parts){bytes.at + COUNT_BYTES, count, span_from(bytes, COUNT_BYTES + count * ENTRY)};
	return true;
}

static uint32_t
uid_at(const struct index_parts *p, size_t i)
{
	return (uint32_t)little_endian_take(p->entries + i * ENTRY, 4);
}

bool
index_parts_at(const struct index_parts *p, size_t i, struct index_kept *out)
{
	const char       *e = p->entries + i * ENTRY;
	size_t            start = i ? (size_t)little_endian_take(e - ENTRY + 16, 4) : 0, end = (size_t)little_endian_take(e + 16, 4);
	struct index_kept k = {uid_at(p, i), little_endian_take(e + 4, 8), (size_t)little_endian_take(e + 12, 4), SPAN_NONE};

	if (start > end || end > p->bytes.len || k.first > end - start)
		return false;
	k.bytes = span_cut(p->bytes, start, end);
	if (little_endian_take(e + 20, 4) != sum_of(&k))
		return false;
	*out = k;
	return true;
}

void
index_parts_make(const struct index_kept *kept, size_t count, struct text *out)
{
	size_t end = 0;
	char   e[ENTRY];

	little_endian_add(count, COUNT_BYTES, out);
	for (size_t i = 0; i < count; i++) {
		little_endian_put(e, kept[i].uid, 4);
		little_endian_put(e + 4, kept[i].hash, 8);
		little_endian_put(e + 12, kept[i].first, 4);
		little_endian_put(e + 16, end += kept[i].bytes.len, 4);
		little_endian_put(e + 20, sum_of(&kept[i]), 4);
		text_add(out, span_at(e, ENTRY));
	}
	for (size_t i = 0; i < count; i++)
		text_add(out, kept[i].bytes);
}

/* ---- reading ---- */

static MDB_val
parts_key(const char *prefix, enum index_part part, uint32_t uid, char key[KEY])
{
	return (MDB_val){(size_t)snprintf(key, KEY, "\1%c/%s/%08x", kinds[part].letter, prefix, uid / kinds[part].messages), key};
}

/* Mostly they are asked for in order. */
bool
index_parts_find(struct index_parts_reading *x, MDB_txn *txn, MDB_dbi dbi, const char *prefix, enum index_part part, uint32_t uid,
	uint64_t hash, struct index_kept *out)
{
	struct index_kept k;
	char              key[KEY];
	MDB_val           kv, v;

	if (!x->loaded || x->number != uid / kinds[part].messages) {
		*x = (struct index_parts_reading){.loaded = true, .number = uid / kinds[part].messages};
		kv = parts_key(prefix, part, uid, key);
		if (mdb_get(txn, dbi, &kv, &v) != 0 || !index_parts_open(span_at(v.mv_data, v.mv_size), &x->parts))
			x->parts = (struct index_parts){0};
	}
	if (x->next && uid_at(&x->parts, x->next - 1) >= uid)
		x->next = 0;
	while (x->next < x->parts.count && uid_at(&x->parts, x->next) < uid)
		x->next++;
	if (x->next == x->parts.count || !index_parts_at(&x->parts, x->next, &k) || k.uid != uid || k.hash != hash)
		return false;
	x->next++;
	*out = k;
	return true;
}

/* ---- writing ---- */

/* Of one message the later one comes later. */
static int
compare_kept(const void *a, const void *b)
{
	const struct index_kept *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->bytes.at < y->bytes.at ? -1 : x->bytes.at > y->bytes.at;
}

static bool
is_ascending(const struct index_kept *kept, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (kept[i].uid <= kept[i - 1].uid)
			return false;
	return true;
}

/* What is there, as far as it is sound, with those instead of what is there of the same messages: the number of all. */
static size_t
merge(const struct index_parts *old, const struct index_kept *kept, size_t count, uint32_t messages, struct index_kept all[2 * MOST])
{
	struct index_kept there;
	uint32_t          before = 0;
	size_t            n = 0, at = 0;

	for (size_t i = 0; i <= count; i++) {
		for (; at < old->count && (i == count || uid_at(old, at) <= kept[i].uid); at++)
			if (index_parts_at(old, at, &there) && (i == count || there.uid < kept[i].uid) && there.uid > before
				&& there.uid / messages == kept[0].uid / messages) {
				before = there.uid;
				all[n++] = there;
			}
		if (i < count)
			before = (all[n++] = kept[i]).uid;
	}
	return n;
}

/* Those of one record, by UID. */
static int
put_parts(MDB_txn *txn, MDB_dbi dbi, const char *prefix, enum index_part part, const struct index_kept *kept, size_t count,
	struct text *room)
{
	struct index_kept  all[2 * MOST];
	struct index_parts old = {0};
	char               key[KEY];
	MDB_val            k = parts_key(prefix, part, kept[0].uid, key), v;
	struct span        before = SPAN_NONE;

	if (mdb_get(txn, dbi, &k, &v) == 0) {
		before = span_at(v.mv_data, v.mv_size);
		if (!index_parts_open(before, &old))
			old = (struct index_parts){0};
	}
	text_clear(room);
	index_parts_make(all, merge(&old, kept, count, kinds[part].messages, all), room);
	if (span_equal(text_span(room), before))
		return 0;
	v = (MDB_val){room->len, room->at};
	return mdb_put(txn, dbi, &k, &v, 0);
}

int
index_parts_put(MDB_txn *txn, MDB_dbi dbi, const char *prefix, enum index_part part, struct index_kept *kept, size_t count)
{
	autotext struct text room = {0};
	size_t               n = 0;
	int                  code = 0;

	if (!is_ascending(kept, count))
		qsort(kept, count, sizeof *kept, compare_kept);
	for (size_t i = 0; i < count; i++)
		if (i + 1 == count || kept[i + 1].uid != kept[i].uid)
			kept[n++] = kept[i];
	for (size_t i = 0, from = 0; code == 0 && i < n; from = i) {
		while (i < n && kept[i].uid / kinds[part].messages == kept[from].uid / kinds[part].messages)
			i++;
		code = put_parts(txn, dbi, prefix, part, kept + from, i - from, &room);
	}
	return code;
}
