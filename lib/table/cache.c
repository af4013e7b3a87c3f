/* SPDX-License-Identifier: ISC */
/*
 * cache.c - an LMDB file that is written by one process, without flushes
 *
 * The directory belongs to root (or the caller) and is entered by descriptor, so
 * that whoever owns data_directory cannot lead root elsewhere.
 */
#include "table/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strmap.h"
#include "config/site.h"

/* A map that is really full cannot even be emptied: that needs new pages, too. So it is when data fill half of it. */
enum { MAP_SIZE = 256 << 20, DATA_MAX = MAP_SIZE / 2, MEMORY_MAX = 1 << 20, PORTION = 200 };

struct cache {
	struct monitor lock;
	char          *name;
	MDB_env       *env;                    /* NULL: in memory */
	MDB_dbi        dbi;
	struct strmap *memory;                 /* key -> struct text */
};

static MDB_val
val_of(struct span s)
{
	return (MDB_val){s.len, (void *)(uintptr_t)s.at};
}

static int
lmdb_fault(const struct cache *c, int error, struct fault *why)
{
	return fault_set(why, FAULT_SYSTEM, "cache %s: %s", c->name, mdb_strerror(error));
}

/* ---- opening ---- */

static int
open_directory(struct fault *why)
{
	autofree char *path = mem_format("%s/caches", site.data_directory);
	autoclose int  fd = -1;
	struct stat    s;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fault_errno(why, "create %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s) < 0)
		return fault_errno(why, "open %s", path);
	if (s.st_uid != geteuid() || (s.st_mode & 022))
		return fault_set(why, FAULT_DENIED, "%s: not ours, or others may write to it", path);
	return take_fd(fd);
}

static bool
is_full(struct cache *c, MDB_txn *txn)
{
	MDB_stat s;

	return mdb_stat(txn, c->dbi, &s) == 0 &&
	       (s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages) * s.ms_psize > DATA_MAX;
}

static int
open_env(struct cache *c, const char *file)
{
	MDB_txn *txn = NULL;
	int      error = mdb_env_create(&c->env);

	if (!error)
		error = mdb_env_set_mapsize(c->env, MAP_SIZE);
	if (!error)
		error = mdb_env_open(c->env, file, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NOSYNC | MDB_NOMETASYNC, 0600);
	if (!error)
		error = mdb_txn_begin(c->env, NULL, 0, &txn);
	if (!error)
		error = mdb_dbi_open(txn, NULL, 0, &c->dbi);
	if (!error && is_full(c, txn))
		error = MDB_MAP_FULL;
	if (txn && error)
		mdb_txn_abort(txn);
	else if (txn)
		error = mdb_txn_commit(txn);
	if (error && c->env)
		mdb_env_close(take(c->env));
	return error;
}

/* A file that cannot be read is only a cache: it begins anew. */
static int
open_file(struct cache *c, struct fault *why)
{
	autofree char *file = mem_format("%s.lmdb", c->name);
	autoclose int  directory = open_directory(why), here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat    s;
	int            error;

	if (directory < 0)
		return -1;
	if (here < 0 || fchdir(directory) < 0)
		return fault_errno(why, "caches");
	if (lstat(file, &s) == 0 && !S_ISREG(s.st_mode))
		unlink(file);
	error = open_env(c, file);
	if (error) {
		log_warning("cache %s: %s: starting with an empty one", c->name, mdb_strerror(error));
		unlink(file);
		error = open_env(c, file);
	}
	if (fchdir(here) < 0)
		return fault_errno(why, "fchdir");
	return error ? lmdb_fault(c, error, why) : 0;
}

struct cache *
cache_open(const char *spec, struct fault *why)
{
	struct span   rest = span_of(spec), type;
	struct cache *c;

	if (span_starts(rest, "proxy:"))
		rest = span_from(rest, 6);
	if (rest.len && !span_split(&rest, ':', &type)) {
		rest = type;
		type = SPAN("btree");
	}
	if (span_of(spec).len && !span_is(type, "btree") && !span_is(type, "hash") && !span_is(type, "lmdb") &&
	    !span_is(type, "internal")) {
		fault_set(why, FAULT_INPUT, "%s: a cache is btree:, hash:, lmdb: or internal:", spec);
		return NULL;
	}
	c = mem_alloc(sizeof *c);
	monitor_init(&c->lock);
	c->name = mem_span(span_from(rest, (size_t)(span_find_last(rest, '/') + 1)));
	if (!c->name[0] || span_is(type, "internal"))
		c->memory = strmap_new();
	else if (open_file(c, why) < 0) {
		cache_close(c);
		return NULL;
	}
	return c;
}

static void
free_text(void *text)
{
	text_free(text);
	free(text);
}

void
cache_close(struct cache *c)
{
	if (!c)
		return;
	if (c->env)
		mdb_env_close(c->env);
	if (c->memory)
		strmap_free(c->memory, free_text);
	free(c->name);
	free(c);
}

/* ---- use: in the monitor ---- */

static int
find_in_file(struct cache *c, struct span key, struct text *value, struct fault *why)
{
	MDB_val  k = val_of(key), v;
	MDB_txn *txn;
	int      error = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);

	if (error)
		return lmdb_fault(c, error, why);
	error = mdb_get(txn, c->dbi, &k, &v);
	if (!error)
		text_set(value, span_at(v.mv_data, v.mv_size));
	mdb_txn_abort(txn);
	return error == MDB_NOTFOUND ? 1 : error ? lmdb_fault(c, error, why) : 0;
}

/* Gone in a transaction of its own, whose pages the next one uses. */
static int
empty_if_full(struct cache *c, MDB_txn **txn)
{
	int error;

	if (!is_full(c, *txn))
		return 0;
	log_warning("cache %s is full: starting with an empty one", c->name);
	if ((error = mdb_drop(*txn, c->dbi, 0)))
		return error;
	error = mdb_txn_commit(take(*txn));
	return error ? error : mdb_txn_begin(c->env, NULL, 0, txn);
}

/* value NULL: removes. When the map is full all of it goes. */
static int
change_file(struct cache *c, const struct span *keys, size_t count, const struct span *value, struct fault *why)
{
	MDB_txn *txn = NULL;
	int      error = mdb_txn_begin(c->env, NULL, 0, &txn);

	if (!error && value)
		error = empty_if_full(c, &txn);
	for (size_t i = 0; !error && i < count; i++) {
		MDB_val k = val_of(keys[i]), v = value ? val_of(*value) : (MDB_val){0, NULL};

		error = value ? mdb_put(txn, c->dbi, &k, &v, 0) : mdb_del(txn, c->dbi, &k, NULL);
		if (error == MDB_NOTFOUND)
			error = 0;
	}
	if (error == 0)
		error = mdb_txn_commit(txn);
	else if (txn)
		mdb_txn_abort(txn);
	return error ? lmdb_fault(c, error, why) : 0;
}

int
cache_find(struct cache *c, struct span key, struct text *value, struct fault *why)
{
	struct text *kept;
	int          got = 1;

	if (key.len == 0 || key.len > CACHE_KEY_MAX)
		return 1;
	monitor_enter(&c->lock);
	if (c->env)
		got = find_in_file(c, key, value, why);
	else if ((kept = strmap_get(c->memory, key)) != NULL) {
		text_set(value, text_span(kept));
		got = 0;
	}
	monitor_leave(&c->lock);
	return got;
}

int
cache_put(struct cache *c, struct span key, struct span value, struct fault *why)
{
	int done = 0;

	if (key.len == 0 || key.len > CACHE_KEY_MAX || value.len > CACHE_VALUE_MAX)
		return 0;
	monitor_enter(&c->lock);
	if (c->env) {
		done = change_file(c, &key, 1, &value, why);
	} else {
		struct text *copy = mem_alloc(sizeof *copy), *before;

		text_set(copy, value);
		if (strmap_count(c->memory) >= MEMORY_MAX) {
			log_warning("cache in memory is full: starting with an empty one");
			strmap_free(c->memory, free_text);
			c->memory = strmap_new();
		}
		before = strmap_put(c->memory, key, copy);
		if (before)
			free_text(before);
	}
	monitor_leave(&c->lock);
	return done;
}

int
cache_remove(struct cache *c, struct span key, struct fault *why)
{
	int done = 0;

	if (key.len == 0 || key.len > CACHE_KEY_MAX)
		return 0;
	monitor_enter(&c->lock);
	if (c->env) {
		done = change_file(c, &key, 1, NULL, why);
	} else {
		struct text *before = strmap_remove(c->memory, key);

		if (before)
			free_text(before);
	}
	monitor_leave(&c->lock);
	return done;
}

/* ---- cleaning ---- */

struct sweep {
	bool      (*stale)(void *, struct span, struct span);
	void       *context;
	struct text at;                        /* where the next portion begins; empty: at the front */
	struct text keys[PORTION];
	size_t      n, seen;
	bool        end;
};

static int
look(struct cache *c, struct sweep *w, struct fault *why)
{
	MDB_val     k = val_of(text_span(&w->at)), v;
	MDB_txn    *txn;
	MDB_cursor *cursor = NULL;
	int         error = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);

	if (error)
		return lmdb_fault(c, error, why);
	error = mdb_cursor_open(txn, c->dbi, &cursor);
	if (!error)
		error = mdb_cursor_get(cursor, &k, &v, w->at.len ? MDB_SET_RANGE : MDB_FIRST);
	for (size_t steps = 0; !error && steps < PORTION; steps++) {
		struct span key = span_at(k.mv_data, k.mv_size);

		w->seen++;
		if (w->stale(w->context, key, span_at(v.mv_data, v.mv_size)))
			text_set(&w->keys[w->n++], key);
		error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	if (!error)
		text_set(&w->at, span_at(k.mv_data, k.mv_size));
	w->end = error == MDB_NOTFOUND;
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return error && !w->end ? lmdb_fault(c, error, why) : 0;
}

static int
sweep_portion(struct cache *c, struct sweep *w, size_t *removed, struct fault *why)
{
	struct span keys[PORTION];

	w->n = 0;
	if (look(c, w, why) < 0)
		return -1;
	for (size_t i = 0; i < w->n; i++)
		keys[i] = text_span(&w->keys[i]);
	*removed += w->n;
	return w->n ? change_file(c, keys, w->n, NULL, why) : 0;
}

static void
sweep_memory(struct cache *c, struct sweep *w, size_t *removed)
{
	size_t      at = 0;
	struct span key;
	void       *value;

	while (strmap_next(c->memory, &at, &key, &value)) {
		w->seen++;
		if (!w->stale(w->context, key, text_span(value)))
			continue;
		strmap_remove(c->memory, key);
		free_text(value);
		++*removed;
	}
	w->end = true;
}

int
cache_sweep(struct cache *c, bool (*stale)(void *, struct span, struct span), void *context, size_t *kept,
            size_t *removed, struct fault *why)
{
	struct sweep *w = mem_alloc(sizeof *w);
	size_t        gone = 0;
	int           done = 0;

	w->stale = stale;
	w->context = context;
	while (done == 0 && !w->end) {
		monitor_enter(&c->lock);
		if (c->env)
			done = sweep_portion(c, w, &gone, why);
		else
			sweep_memory(c, w, &gone);
		monitor_leave(&c->lock);
	}
	*kept = w->seen - gone;
	*removed = gone;
	text_free(&w->at);
	for (size_t i = 0; i < PORTION; i++)
		text_free(&w->keys[i]);
	free(w);
	return done;
}
