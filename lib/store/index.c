/* SPDX-License-Identifier: ISC */
/*
 * index.c - a cache of what was worked out of messages, one LMDB file per user
 *
 * Keys begin with \1 and a letter: E, B, S, T (index_parts.c), R (index_rows.c), o (index_order.c).  What older builds wrote below P/,
 * \1e/P/, \1b/P/, \1s/P/, \1f/P/ and \1c/P/, P the mailbox's prefix (index_private.h), is removed when something is written.
 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "store/index_private.h"

enum { PENDING_MOST = 1 << 20, ROWS_MOST = 1 << 16, RECORD_MOST = 1 << 19, OLD_AT_ONCE = 5000 };

/* In the batch's bytes. */
struct pending_part { uint32_t uid; uint64_t hash; size_t at, first, end; };

struct index_batch {
	struct index   *index;
	MDB_txn        *txn;
	char            prefix[INDEX_PREFIX];
	struct index_parts_reading readings[INDEX_PARTS];
	struct index_reading reading;
	struct pending_parts { struct pending_part *at; size_t count, room; } parts[INDEX_PARTS];
	struct index_row *rows;
	size_t          count, room;     /* of rows */
	struct text     bytes;       /* of pending */
	struct index_places_reading places;
	struct index_orders orders;
	bool            full;        /* it cannot be written any more */
};

struct index *
index_open(const char *root, const char *directory)
{
	struct index *x;

	if (directory && strcmp(directory, "MEMORY") == 0)
		return NULL;
	if (directory && file_make_directories(directory, 0700, NULL) < 0)
		log_warning("cannot make %s: no index", directory);
	x = mem_alloc(sizeof *x);
	x->directory = mem_string(directory ? directory : root);
	x->apart = directory != NULL;
	if (index_file_open(x) != 0) {
		index_close(x);
		return NULL;
	}
	return x;
}

void
index_close(struct index *x)
{
	if (!x)
		return;
	index_file_close(x);
	free(x->directory);
	free(x);
}

int
index_transaction(struct index *x, unsigned flags, MDB_txn **txn)
{
	int code = index_file_refresh(x) ? mdb_txn_begin(x->env, NULL, flags, txn) : MDB_INVALID;

	if (code == 0 && !x->opened) {
		code = mdb_dbi_open(*txn, NULL, 0, &x->dbi);
		if (code == 0)
			x->opened = true;
		else
			mdb_txn_abort(*txn);
	}
	return code;
}

int
index_judge(struct index *x, int code)
{
	if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_BAD_TXN)
		x->damaged = true;
	return code;
}

int
index_commit(struct index *x, MDB_txn *txn)
{
	return index_judge(x, mdb_txn_commit(txn));
}

void
index_prefix_of(const struct maildir *m, const char *name, const struct uidlist *l, char out[INDEX_PREFIX])
{
	const char *origin = maildir_origin(m); /* its owner could give it the GUID of one of ours */

	snprintf(out, INDEX_PREFIX, "%s%s%s/%u", origin, *origin ? "-" : "", l->guid[0] ? l->guid : name, l->validity);
}

void
index_prefix(const struct folder *f, char out[INDEX_PREFIX])
{
	index_prefix_of(f->maildir, f->name, &f->list, out);
}

struct index_batch *
index_begin(struct index *x, const struct folder *f)
{
	struct index_batch *b;
	MDB_txn            *txn;

	if (!x || index_transaction(x, MDB_RDONLY, &txn) != 0)
		return NULL;
	b = mem_alloc(sizeof *b);
	b->index = x;
	b->txn = txn;
	index_prefix(f, b->prefix);
	return b;
}

static void flush_pending(struct index_batch *);

/* What a part is made of. */
static void
pieces_of(struct index_record *r, enum index_part part, struct span *pieces[2])
{
	pieces[0] = part == INDEX_ENVELOPE ? &r->envelope : part == INDEX_STRUCTURE ? &r->body : part == INDEX_FIELDS ? &r->fields : &r->facts;
	pieces[1] = part == INDEX_STRUCTURE ? &r->structure : NULL;
}

bool
index_get(struct index_batch *b, uint32_t uid, uint64_t hash, enum index_part part, struct index_record *out)
{
	struct index_kept k;
	struct span      *pieces[2];

	if (!index_parts_find(&b->readings[part], b->txn, b->index->dbi, b->prefix, part, uid, hash, &k))
		return false;
	pieces_of(out, part, pieces);
	*pieces[0] = span_first(k.bytes, k.first);
	if (pieces[1])
		*pieces[1] = span_from(k.bytes, k.first);
	return true;
}

bool
index_row(struct index_batch *b, uint32_t uid, uint64_t hash, struct index_numbers *out)
{
	return index_rows_find(&b->reading, b->txn, b->index->dbi, b->prefix, uid, hash, out);
}

static void
put_part(struct index_batch *b, enum index_part part, uint32_t uid, uint64_t hash, const struct index_record *r)
{
	struct pending_parts *all = &b->parts[part];
	struct pending_part   p = {uid, hash, b->bytes.len, 0, 0};
	struct index_record   copy = *r;
	struct span          *pieces[2];

	pieces_of(&copy, part, pieces);
	text_add(&b->bytes, *pieces[0]);
	p.first = b->bytes.len - p.at;
	if (pieces[1])
		text_add(&b->bytes, *pieces[1]);
	p.end = b->bytes.len;
	if (all->count == all->room) {
		all->room = all->room * 2 + 16;
		all->at = mem_grow(all->at, all->room, sizeof *all->at);
	}
	all->at[all->count++] = p;
}

void
index_put(struct index_batch *b, uint32_t uid, uint64_t hash, unsigned parts, const struct index_record *r)
{
	if (b->full || r->envelope.len + r->body.len + r->structure.len + r->fields.len + r->facts.len > RECORD_MOST)
		return; /* a cache need not learn everything */
	for (enum index_part part = 0; part < INDEX_PARTS; part++)
		if (parts & 1u << part)
			put_part(b, part, uid, hash, r);
	if (b->count == b->room) {
		b->room = b->room * 2 + 16;
		b->rows = mem_grow(b->rows, b->room, sizeof *b->rows);
	}
	b->rows[b->count++] = (struct index_row){uid, hash, r->numbers};
	if (b->bytes.len > PENDING_MOST || b->count == ROWS_MOST)
		flush_pending(b);
}

bool
index_place(struct index_batch *b, const char *name, uint32_t uid, struct span base, uint64_t *rank)
{
	struct index_place p;

	if (!index_places_find(&b->places, b->txn, b->index->dbi, b->prefix, name, uid, &p) || p.hash != index_place_hash(base))
		return false;
	*rank = p.rank;
	return true;
}

void
index_order_get(struct index_batch *b, const char *name, struct index_order *out)
{
	index_orders_read(b->txn, b->index->dbi, b->prefix, name, out);
}

void
index_order_put(struct index_batch *b, const char *name, uint64_t generation, bool whole, const struct index_place *places, size_t count)
{
	struct index_orders       *all = &b->orders;
	struct index_order_change *c;

	all->at = mem_grow(all->at, all->count + 1, sizeof *all->at);
	c = &all->at[all->count++];
	*c = (struct index_order_change){mem_string(name), generation, whole, mem_array(count + 1, sizeof *places), count};
	if (count)
		memcpy(c->at, places, count * sizeof *places);
}

static int
put_pending_parts(const struct index_batch *b, MDB_txn *txn)
{
	int code = 0;

	for (enum index_part part = 0; code == 0 && part < INDEX_PARTS; part++) {
		const struct pending_parts *all = &b->parts[part];
		autofree struct index_kept *kept = mem_array(all->count + 1, sizeof *kept);

		for (size_t i = 0; i < all->count; i++) {
			const struct pending_part *p = &all->at[i];

			kept[i] = (struct index_kept){p->uid, p->hash, p->first, span_cut(text_span(&b->bytes), p->at, p->end)};
		}
		code = index_parts_put(txn, b->index->dbi, b->prefix, part, kept, all->count);
	}
	return code;
}

/* Some of them: the next writing removes more. */
static int
remove_below(const char *front, MDB_cursor *cursor, int *room)
{
	size_t  len = strlen(front);
	MDB_val k, v;
	int     code;

	for (; *room > 0; --*room) {
		k = (MDB_val){len, (void *)front};
		code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
		if (code == MDB_NOTFOUND || (code == 0 && (k.mv_size < len || memcmp(k.mv_data, front, len) != 0)))
			return 0;
		if (code != 0 || (code = mdb_cursor_del(cursor, 0)) != 0)
			return code;
	}
	return 0;
}

static int
remove_old(const struct index_batch *b, MDB_txn *txn)
{
	static const char *const fronts[] = {"", "\1e/", "\1b/", "\1s/", "\1f/", "\1c/"};
	MDB_cursor              *cursor;
	int                      room = OLD_AT_ONCE, code = mdb_cursor_open(txn, b->index->dbi, &cursor);

	if (code != 0)
		return code;
	for (size_t i = 0; code == 0 && i < COUNT(fronts); i++) {
		autofree char *front = mem_format("%s%s/", fronts[i], b->prefix);

		code = remove_below(front, cursor, &room);
	}
	mdb_cursor_close(cursor);
	return code;
}

static int
write_pending(struct index_batch *b)
{
	MDB_txn *txn;
	int      code = index_transaction(b->index, 0, &txn);

	if (code != 0)
		return code;
	code = put_pending_parts(b, txn);
	if (code == 0)
		code = remove_old(b, txn);
	if (code == 0)
		code = index_rows_put(txn, b->index->dbi, b->prefix, b->rows, b->count);
	if (code == 0)
		code = index_orders_write(&b->orders, txn, b->index->dbi, b->prefix);
	if (code != 0) {
		mdb_txn_abort(txn);
		return index_judge(b->index, code);
	}
	return index_commit(b->index, txn);
}

/* Full of what nobody needs any more: begin anew. */
static void
empty_index(struct index *x)
{
	MDB_txn *txn;

	if (index_transaction(x, 0, &txn) != 0)
		return;
	if (index_judge(x, mdb_drop(txn, x->dbi, 0)) == 0)
		index_commit(x, txn);
	else
		mdb_txn_abort(txn);
}

/* While the batch reads its old snapshot. */
static void
flush_pending(struct index_batch *b)
{
	if ((b->count || b->orders.count) && !b->full)
		b->full = write_pending(b) == MDB_MAP_FULL;
	b->count = 0;
	for (enum index_part part = 0; part < INDEX_PARTS; part++)
		b->parts[part].count = 0;
	text_clear(&b->bytes);
	index_orders_free(&b->orders);
}

void
index_end(struct index_batch *b)
{
	if (!b)
		return;
	flush_pending(b);
	for (enum index_part part = 0; part < INDEX_PARTS; part++)
		free(b->parts[part].at);
	mdb_txn_abort(b->txn);
	if (b->full)
		empty_index(b->index);
	free(b->rows);
	text_free(&b->bytes);
	free(b);
}
