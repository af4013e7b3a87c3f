/* SPDX-License-Identifier: ISC */
/*
 * index_order.c - in which order messages come, so that SORT need not look at what they are sorted by
 *
 * Key \1o/P/<name>, P the mailbox's prefix (index_private.h): the generation (8).  Key \1o/P/<name>/<uid >> 8>: of up to 256
 * messages, by UID, the UID (4), a hash of its base name (4), its rank (8); and a CRC of all that (4), since a wrong rank would
 * show in nothing but a wrong order, for good.  Who writes must have read what is there: ranks
 * that two sessions put into the same gap would be compared with each other without having been made for that.
 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/little_endian.h"
#include "store/index_private.h"

enum { CHUNK = FOLDER_CHUNK, KEY = INDEX_PREFIX + 32, GENERATION = 8 };

uint32_t
index_place_hash(struct span base)
{
	return (uint32_t)index_base_hash(base);
}

/* ---- pieces ---- */

static inline uint32_t
uid_at(struct span bytes, size_t i)
{
	return (uint32_t)little_endian_take(bytes.at + i * INDEX_PLACE, 4);
}

static uint64_t
sum_of(struct span places)
{
	return crc32_z(0, (const unsigned char *)places.at, places.len);
}

void
index_places_seal(struct text *places)
{
	little_endian_add(sum_of(text_span(places)), INDEX_PLACES_SUM, places);
}

bool
index_places_open(struct span bytes, uint32_t number, size_t *count)
{
	size_t   n = bytes.len / INDEX_PLACE;
	uint32_t before = 0;

	if (n > CHUNK || bytes.len % INDEX_PLACE != INDEX_PLACES_SUM
		|| little_endian_take(bytes.at + n * INDEX_PLACE, INDEX_PLACES_SUM) != sum_of(span_first(bytes, n * INDEX_PLACE)))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint32_t uid = uid_at(bytes, i);

		if (uid / CHUNK != number || (i && uid <= before))
			return false;
		before = uid;
	}
	*count = n;
	return true;
}

void
index_places_at(struct span bytes, size_t i, struct index_place *out)
{
	const char *at = bytes.at + i * INDEX_PLACE;

	*out = (struct index_place){uid_at(bytes, i), (uint32_t)little_endian_take(at + 4, 4), little_endian_take(at + 8, 8)};
}

static MDB_val
head_key(const char *prefix, const char *name, char key[KEY])
{
	return (MDB_val){(size_t)snprintf(key, KEY, "\1o/%s/%s", prefix, name), key};
}

static MDB_val
chunk_key(const char *prefix, const char *name, uint32_t number, char key[KEY])
{
	return (MDB_val){(size_t)snprintf(key, KEY, "\1o/%s/%s/%06x", prefix, name, number), key};
}

/* Its number; false: this key is not of that order. */
static bool
chunk_number(const MDB_val *k, MDB_val head, uint32_t *number)
{
	struct span rest = span_from(span_at(k->mv_data, k->mv_size), head.mv_size);
	uint64_t    n = 0;

	if (k->mv_size != head.mv_size + 7 || memcmp(k->mv_data, head.mv_data, head.mv_size) != 0 || rest.at[0] != '/')
		return false;
	for (size_t i = 1; i < rest.len; i++) {
		const char *digit = memchr("0123456789abcdef", rest.at[i], 16);

		if (!digit)
			return false;
		n = n << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	*number = (uint32_t)n;
	return true;
}

/* ---- reading ---- */

static uint64_t
generation_of(MDB_txn *txn, MDB_dbi dbi, MDB_val head)
{
	MDB_val v;

	return mdb_get(txn, dbi, &head, &v) == 0 && v.mv_size == GENERATION ? little_endian_take(v.mv_data, GENERATION) : 0;
}

bool
index_places_find(struct index_places_reading *x, MDB_txn *txn, MDB_dbi dbi, const char *prefix, const char *name, uint32_t uid,
	struct index_place *out)
{
	char    key[KEY];
	MDB_val k, v;

	if (x->name != name || x->number != uid / CHUNK) {
		*x = (struct index_places_reading){.name = name, .number = uid / CHUNK, .bytes = SPAN_NONE};
		k = chunk_key(prefix, name, x->number, key);
		if (mdb_get(txn, dbi, &k, &v) == 0 && index_places_open(span_at(v.mv_data, v.mv_size), x->number, &x->count))
			x->bytes = span_at(v.mv_data, v.mv_size);
	}
	if (x->next && uid_at(x->bytes, x->next - 1) >= uid)
		x->next = 0;
	while (x->next < x->count && uid_at(x->bytes, x->next) < uid)
		x->next++;
	if (x->next == x->count || uid_at(x->bytes, x->next) != uid)
		return false;
	index_places_at(x->bytes, x->next++, out);
	return true;
}

static void
add_places(struct span bytes, size_t count, struct index_order *out, size_t *room)
{
	if (out->count + count > *room) {
		*room = *room * 2 + CHUNK * 16;
		out->at = mem_grow(out->at, *room, sizeof *out->at);
	}
	for (size_t i = 0; i < count; i++)
		index_places_at(bytes, i, &out->at[out->count++]);
}

void
index_orders_read(MDB_txn *txn, MDB_dbi dbi, const char *prefix, const char *name, struct index_order *out)
{
	char        bytes[KEY];
	MDB_val     head = head_key(prefix, name, bytes), k = head, v;
	MDB_cursor *cursor;
	size_t      room = 0;

	*out = (struct index_order){.generation = generation_of(txn, dbi, head)};
	if (!out->generation || mdb_cursor_open(txn, dbi, &cursor) != 0)
		return;
	if (mdb_cursor_get(cursor, &k, &v, MDB_SET) == 0)
		for (uint32_t number; mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0 && chunk_number(&k, head, &number);) {
			struct span places = span_at(v.mv_data, v.mv_size);
			size_t      count;

			if (index_places_open(places, number, &count))
				add_places(places, count, out, &room);
		}
	mdb_cursor_close(cursor);
}

/* ---- writing ---- */

static int
forget(MDB_txn *txn, MDB_dbi dbi, MDB_val head)
{
	MDB_cursor *cursor;
	MDB_val     k = head, v;
	uint32_t    number;
	int         code = mdb_cursor_open(txn, dbi, &cursor);

	if (code != 0)
		return code;
	while ((code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE)) == 0) {
		bool is_head = k.mv_size == head.mv_size && memcmp(k.mv_data, head.mv_data, head.mv_size) == 0;

		if (!is_head && !chunk_number(&k, head, &number))
			break;
		if ((code = mdb_cursor_del(cursor, 0)) != 0)
			break;
		k = head;
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? 0 : code;
}

static void
add_place(const struct index_place *p, struct text *out)
{
	little_endian_add(p->uid, 4, out);
	little_endian_add(p->hash, 4, out);
	little_endian_add(p->rank, 8, out);
}

/* Those of one piece into what is there. */
static int
put_chunk(MDB_txn *txn, MDB_dbi dbi, MDB_val k, uint32_t number, const struct index_place *places, size_t count)
{
	autotext struct text bytes = {0};
	struct index_place   there;
	struct span          old = SPAN_NONE;
	size_t               old_count = 0, at = 0;
	MDB_val              v;

	if (mdb_get(txn, dbi, &k, &v) == 0 && index_places_open(span_at(v.mv_data, v.mv_size), number, &old_count))
		old = span_at(v.mv_data, v.mv_size);
	for (size_t i = 0; i < count; i++) {
		for (; at < old_count && (index_places_at(old, at, &there), there.uid <= places[i].uid); at++)
			if (there.uid < places[i].uid)
				add_place(&there, &bytes);
		add_place(&places[i], &bytes);
	}
	text_add(&bytes, span_from(span_first(old, old_count * INDEX_PLACE), at * INDEX_PLACE));
	index_places_seal(&bytes);
	v = (MDB_val){bytes.len, bytes.at};
	return mdb_put(txn, dbi, &k, &v, 0);
}

/* Later than what was, and than what a removed file had. */
static int
put_generation(MDB_txn *txn, MDB_dbi dbi, MDB_val head, uint64_t before)
{
	char     bytes[GENERATION];
	uint64_t now = (uint64_t)clock_wall();
	MDB_val  v = {GENERATION, bytes};

	little_endian_put(bytes, now > before ? now : before + 1, GENERATION);
	return mdb_put(txn, dbi, &head, &v, 0);
}

static int
write_change(const struct index_order_change *c, MDB_txn *txn, MDB_dbi dbi, const char *prefix)
{
	char    bytes[KEY], chunk[KEY];
	MDB_val head = head_key(prefix, c->name, bytes);
	int     code;

	if (generation_of(txn, dbi, head) != c->generation)
		return 0;
	code = c->whole ? forget(txn, dbi, head) : 0;
	for (size_t i = 0, from = 0; code == 0 && i < c->count; from = i) {
		uint32_t number = c->at[from].uid / CHUNK;

		while (i < c->count && c->at[i].uid / CHUNK == number)
			i++;
		code = put_chunk(txn, dbi, chunk_key(prefix, c->name, number, chunk), number, c->at + from, i - from);
	}
	return code ? code : put_generation(txn, dbi, head, c->generation);
}

int
index_orders_write(const struct index_orders *all, MDB_txn *txn, MDB_dbi dbi, const char *prefix)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < all->count; i++)
		code = write_change(&all->at[i], txn, dbi, prefix);
	return code;
}

void
index_orders_free(struct index_orders *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->at[i].name);
		free(all->at[i].at);
	}
	free(all->at);
	*all = (struct index_orders){0};
}
