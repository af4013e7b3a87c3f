/* SPDX-License-Identifier: ISC */
/*
 * index.c - a cache of what was worked out of messages, one LMDB file per user
 *
 * A record is text so that a stale or foreign one cannot be misread as a
 * struct: "4 date size len len len len len" LF, then base, envelope, body,
 * structure, fields.  "-" stands for what is not known.
 */
#include "store/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/index_private.h"

enum { PENDING_MOST = 4 << 20, RECORD_MOST = 1 << 20, READERS = 256, KEY_MOST = INDEX_PREFIX + 9 };

/* Address space, not memory: a million messages are known in 3 GB. */
static const size_t MAP_SIZE = sizeof(size_t) > 4 ? (size_t)1 << 36 : (size_t)1 << 30;

struct pending {
	size_t           start, value, facts, end;   /* in the batch's bytes: key, value, facts */
	struct index_row row;                        /* but for its facts */
};

struct index_batch {
	struct index   *index;
	MDB_txn        *txn;
	char            prefix[INDEX_PREFIX];
	MDB_cursor     *cursor;      /* of txn: messages are asked for in order */
	struct index_reading reading;
	struct pending *pending;
	size_t          count, room;
	struct text     bytes;       /* of pending */
	struct index_places_reading places;
	struct index_orders orders;
	bool            full;        /* it cannot be written any more */
};

/* A file that ends before its last page would be a SIGBUS at the first look. */
static bool
is_whole(MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat    pages;
	struct stat st;
	int         fd;

	return mdb_env_info(env, &info) == 0 && mdb_env_stat(env, &pages) == 0
		&& mdb_env_get_fd(env, &fd) == 0 && fstat(fd, &st) == 0
		&& (uint64_t)st.st_size >= (uint64_t)(info.me_last_pgno + 1) * pages.ms_psize;
}

static int
open_environment(struct index *x, const char *path)
{
	int code = mdb_env_create(&x->env);

	if (code != 0) {
		x->env = NULL;
		return code;
	}
	mdb_env_set_mapsize(x->env, MAP_SIZE);
	mdb_env_set_maxreaders(x->env, READERS);
	code = mdb_env_open(x->env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOMETASYNC, 0600);
	if (code == 0 && !is_whole(x->env))
		code = MDB_CORRUPTED;
	if (code != 0) {
		mdb_env_close(x->env);
		x->env = NULL;
	}
	return code;
}

struct index *
index_open(const char *root, const char *directory)
{
	struct index  *x;
	autofree char *path = NULL, *lock = NULL;
	int            code;

	if (directory && strcmp(directory, "MEMORY") == 0)
		return NULL;
	if (directory && file_make_directories(directory, 0700, NULL) < 0)
		log_warning("cannot make %s: no index", directory);
	path = mem_format("%s/postern.index", directory ? directory : root);
	lock = mem_format("%s-lock", path);
	x = mem_alloc(sizeof *x);
	x->directory = mem_string(directory ? directory : root);
	x->apart = directory != NULL;
	code = open_environment(x, path);
	if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_VERSION_MISMATCH) {
		log_warning("index %s: %s: made anew", path, mdb_strerror(code));
		unlink(path);
		unlink(lock);
		code = open_environment(x, path);
	}
	if (code != 0) {
		log_warning("index %s: %s: going on without", path, mdb_strerror(code));
		index_close(x);
		return NULL;
	}
	mdb_reader_check(x->env, &code); /* slots of killed sessions */
	return x;
}

void
index_close(struct index *x)
{
	if (!x)
		return;
	if (x->env)
		mdb_env_close(x->env);
	free(x->directory);
	free(x);
}

int
index_transaction(struct index *x, unsigned flags, MDB_txn **txn)
{
	int code = mdb_txn_begin(x->env, NULL, flags, txn);

	if (code == 0 && !x->opened) {
		code = mdb_dbi_open(*txn, NULL, 0, &x->dbi);
		if (code == 0)
			x->opened = true;
		else
			mdb_txn_abort(*txn);
	}
	return code;
}

void
index_prefix(const struct folder *f, char out[INDEX_PREFIX])
{
	const char *origin = maildir_origin(f->maildir); /* its owner could give it the GUID of one of ours */

	snprintf(out, INDEX_PREFIX, "%s%s%s/%u", origin, *origin ? "-" : "", f->list.guid[0] ? f->list.guid : f->name,
		f->list.validity);
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
	if (mdb_cursor_open(txn, x->dbi, &b->cursor) != 0) {
		mdb_txn_abort(txn);
		free(b);
		return NULL;
	}
	index_prefix(f, b->prefix);
	return b;
}

static void flush_pending(struct index_batch *);

/* Made for each message that is asked for: by hand. */
static struct span
make_key(const struct index_batch *b, uint32_t uid, char out[KEY_MOST])
{
	size_t len = strlen(b->prefix);

	memcpy(out, b->prefix, len);
	out[len++] = '/';
	for (int shift = 28; shift >= 0; shift -= 4)
		out[len++] = "0123456789abcdef"[uid >> shift & 15];
	return span_at(out, len);
}

void
index_encode(struct span base, const struct index_record *r, struct text *out)
{
	text_add_string(out, "4 ");
	if (r->has_date)
		text_add_format(out, "%lld ", (long long)r->date);
	else
		text_add_string(out, "- ");
	if (r->has_full_size)
		text_add_format(out, "%llu", (unsigned long long)r->full_size);
	else
		text_add_string(out, "-");
	text_add_format(out, " %zu %zu %zu %zu %zu\n", base.len, r->envelope.len, r->body.len,
		r->structure.len, r->fields.len);
	text_add(out, base);
	text_add(out, r->envelope);
	text_add(out, r->body);
	text_add(out, r->structure);
	text_add(out, r->fields);
}

static bool
take_length(struct span *line, uint64_t *n)
{
	struct span word;

	span_split(line, ' ', &word);
	return span_number(word, n) && *n < RECORD_MOST;
}

static bool
take_optional(struct span *line, bool *known, uint64_t *n)
{
	struct span word;

	span_split(line, ' ', &word);
	*known = !(word.len == 1 && word.at[0] == '-');
	return !*known || span_number(word, n);
}

static struct span
take_front(struct span *bytes, size_t len)
{
	struct span front = span_first(*bytes, len);

	*bytes = span_from(*bytes, len);
	return front;
}

bool
index_decode(struct span bytes, struct span base, struct index_record *out)
{
	struct index_record r = {0};
	struct span         line, word;
	uint64_t            date = 0, size = 0, len[5], sum = 0;

	if (!span_split(&bytes, '\n', &line) || !span_split(&line, ' ', &word) || !span_is(word, "4")
		|| !take_optional(&line, &r.has_date, &date)
		|| !take_optional(&line, &r.has_full_size, &size))
		return false;
	for (size_t i = 0; i < COUNT(len); i++) {
		if (!take_length(&line, &len[i]))
			return false;
		sum += len[i];
	}
	if (bytes.len != sum || !span_equal(span_first(bytes, len[0]), base))
		return false;
	r.date = (int64_t)date;
	r.full_size = size;
	bytes = span_from(bytes, len[0]);
	r.envelope = take_front(&bytes, len[1]);
	r.body = take_front(&bytes, len[2]);
	r.structure = take_front(&bytes, len[3]);
	r.fields = bytes;
	*out = r;
	return true;
}

bool
index_get(struct index_batch *b, uint32_t uid, struct span base, struct index_record *out)
{
	char        bytes[KEY_MOST];
	struct span key;
	MDB_val     k, v;

	key = make_key(b, uid, bytes);
	k = (MDB_val){key.len, (void *)bytes};
	if (mdb_cursor_get(b->cursor, &k, &v, MDB_SET_KEY) != 0)
		return false;
	return index_decode(span_at(v.mv_data, v.mv_size), base, out);
}

bool
index_row(struct index_batch *b, uint32_t uid, struct span base, struct index_row *out)
{
	return index_rows_find(&b->reading, b->txn, b->index->dbi, b->prefix, uid, index_base_hash(base), out);
}

void
index_put(struct index_batch *b, uint32_t uid, struct span base, const struct index_record *r)
{
	struct text   *bytes = &b->bytes;
	struct pending p = {.start = bytes->len};
	char           key[KEY_MOST];

	if (b->full || r->envelope.len + r->body.len + r->structure.len + r->fields.len + r->facts.len > RECORD_MOST / 2)
		return; /* a cache need not learn everything */
	text_add(bytes, make_key(b, uid, key));
	p.value = bytes->len;
	index_encode(base, r, bytes);
	p.facts = bytes->len;
	text_add(bytes, r->facts);
	p.end = bytes->len;
	p.row = (struct index_row){uid, index_base_hash(base), r->has_date, r->has_full_size, r->date, r->full_size, SPAN_NONE};

	if (b->count == b->room) {
		b->room = b->room * 2 + 16;
		b->pending = mem_grow(b->pending, b->room, sizeof *b->pending);
	}
	b->pending[b->count++] = p;
	if (bytes->len > PENDING_MOST)
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
put_pending_rows(struct index_batch *b, MDB_txn *txn)
{
	autofree struct index_row *rows = mem_array(b->count, sizeof *rows);

	for (size_t i = 0; i < b->count; i++) {
		rows[i] = b->pending[i].row;
		rows[i].facts = span_cut(text_span(&b->bytes), b->pending[i].facts, b->pending[i].end);
	}
	return index_rows_put(txn, b->index->dbi, b->prefix, rows, b->count);
}

static int
write_pending(struct index_batch *b)
{
	MDB_txn    *txn;
	MDB_cursor *cursor = NULL;
	int         code = index_transaction(b->index, 0, &txn);

	if (code != 0)
		return code;
	code = mdb_cursor_open(txn, b->index->dbi, &cursor);
	for (size_t i = 0; code == 0 && i < b->count; i++) {
		const struct pending *p = &b->pending[i];
		MDB_val               k = {p->value - p->start, b->bytes.at + p->start};
		MDB_val               v = {p->facts - p->value, b->bytes.at + p->value};

		code = mdb_cursor_put(cursor, &k, &v, 0);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	if (code == 0)
		code = put_pending_rows(b, txn);
	if (code == 0)
		code = index_orders_write(&b->orders, txn, b->index->dbi, b->prefix);
	if (code != 0) {
		mdb_txn_abort(txn);
		return code;
	}
	return mdb_txn_commit(txn);
}

/* Full of what nobody needs any more: begin anew. */
static void
empty_index(struct index *x)
{
	MDB_txn *txn;

	if (index_transaction(x, 0, &txn) != 0)
		return;
	if (mdb_drop(txn, x->dbi, 0) == 0)
		mdb_txn_commit(txn);
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
	text_clear(&b->bytes);
	index_orders_free(&b->orders);
}

void
index_end(struct index_batch *b)
{
	if (!b)
		return;
	flush_pending(b);
	mdb_cursor_close(b->cursor);
	mdb_txn_abort(b->txn);
	if (b->full)
		empty_index(b->index);
	free(b->pending);
	text_free(&b->bytes);
	free(b);
}
