/* SPDX-License-Identifier: ISC */
/*
 * index_file.c - the file of the index, which others may remove, cut short or write over while it is open
 *
 * LMDB maps it and expects it to be its own.  So before each transaction it is looked at: is it still the one of its name's directory, as
 * long as it says, and not older than it was?  What happens to it in the middle of one reads as zeros (mapping.h), in which sums
 * fail and LMDB finds no page.  What was found bad is removed, first the locks: who has the old ones sees that his file has no name
 * any more, and opens the new one with the new locks.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/index_private.h"

enum { READERS = 256, RETIRED_MOST = 8, PAGE_FLAGS_AT = 10, PAGE_LEAF = 2 };

/* Address space, not memory: a million messages are known in 3 GB. */
static const size_t MAP_SIZE = sizeof(size_t) > 4 ? (size_t)1 << 36 : (size_t)1 << 30;

static char *
data_path(const struct index *x)
{
	return mem_format("%s/" INDEX_FILE, x->directory);
}

static char *
lock_path(const struct index *x)
{
	return mem_format("%s/" INDEX_FILE "-lock", x->directory);
}

/* ---- is it good? ---- */

/* What is read first is guarded only when the map is known (guard_map). */
static bool
is_whole(struct index *x, const struct stat *st)
{
	MDB_envinfo info;
	MDB_stat    pages;

	if (st->st_size < 2 * (off_t)sysconf(_SC_PAGESIZE) || mdb_env_info(x->env, &info) != 0 || mdb_env_stat(x->env, &pages) != 0
		|| (uint64_t)st->st_size < (uint64_t)(info.me_last_pgno + 1) * pages.ms_psize || info.me_last_txnid < x->newest)
		return false;
	x->newest = info.me_last_txnid;
	return true;
}

static bool
has_its_locks(const struct index *x)
{
	autofree char *lock = lock_path(x);
	struct stat    st;

	return stat(lock, &st) == 0 && st.st_dev == x->lock_device && st.st_ino == x->lock_inode;
}

/* Under its name still, and not replaced by another session. */
static bool
is_there(const struct index *x, const struct stat *open)
{
	autofree char *path = data_path(x);
	struct stat    st;

	return open->st_nlink && has_its_locks(x) && stat(path, &st) == 0 && st.st_dev == open->st_dev && st.st_ino == open->st_ino;
}

static void
remove_files(const struct index *x)
{
	autofree char *path = data_path(x), *lock = lock_path(x);

	unlink(lock);
	unlink(path);
}

/* An assertion of LMDB that does not hold: what it read is not what it wrote.  It ends the process behind this. */
static void
on_damage(MDB_env *env, const char *what)
{
	const struct index *x = mdb_env_get_userctx(env);
	struct stat         st;
	int                 fd;

	if (mdb_env_get_fd(env, &fd) == 0 && fstat(fd, &st) == 0 && is_there(x, &st))
		remove_files(x);
	log_error("index %s/" INDEX_FILE ": %s: somebody wrote to it; removed", x->directory, what);
}

/* Its number is believed only if the file has the same there: what a disk made of it must not say where our memory is. */
static bool
is_page(const struct index *x, const char *page, size_t number, size_t bytes)
{
	autofree char *same = mem_alloc(bytes);
	int            fd;

	return mdb_env_get_fd(x->env, &fd) == 0 && file_read_at(fd, same, bytes, (off_t)(number * bytes), NULL) == 0 && memcmp(same, page, bytes) == 0;
}

/*
 * LMDB does not say where its map is; but a key lies in a page of it, and a page begins with its number (MDB_page of the
 * file's format).  While nothing is recorded there is nothing to be read either.
 */
static void
guard_map(struct index *x)
{
	MDB_envinfo info;
	MDB_stat    pages;
	MDB_txn    *txn;
	MDB_cursor *cursor;
	MDB_dbi     dbi;
	MDB_val     k, v;

	if (mdb_env_info(x->env, &info) != 0 || mdb_env_stat(x->env, &pages) != 0 || pages.ms_psize != (size_t)sysconf(_SC_PAGESIZE)
		|| mdb_txn_begin(x->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	if (mdb_dbi_open(txn, NULL, 0, &dbi) == 0 && mdb_cursor_open(txn, dbi, &cursor) == 0) {
		if (mdb_cursor_get(cursor, &k, &v, MDB_FIRST) == 0 && k.mv_size) {
			const char *page = (const char *)((uintptr_t)k.mv_data & ~(uintptr_t)(pages.ms_psize - 1));
			size_t      number;
			uint16_t    flags;

			memcpy(&number, page, sizeof number);
			memcpy(&flags, page + PAGE_FLAGS_AT, sizeof flags);
			if (number <= info.me_last_pgno && flags & PAGE_LEAF && is_page(x, page, number, pages.ms_psize))
				mapping_guard(&x->map, (void *)(page - number * pages.ms_psize), info.me_mapsize);
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
}

/* ---- opening ---- */

static int
open_environment(struct index *x)
{
	autofree char *path = data_path(x), *lock = lock_path(x);
	struct stat    st;
	int            fd, code = mdb_env_create(&x->env);

	if (code != 0) {
		x->env = NULL;
		return code;
	}
	mdb_env_set_mapsize(x->env, MAP_SIZE);
	mdb_env_set_maxreaders(x->env, READERS);
	mdb_env_set_userctx(x->env, x);
	mdb_env_set_assert(x->env, on_damage);
	x->newest = 0;
	x->damaged = false;
	x->opened = false;
	code = mdb_env_open(x->env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOMETASYNC, 0600);
	if (code == 0 && (mdb_env_get_fd(x->env, &fd) != 0 || fstat(fd, &st) < 0 || !is_whole(x, &st)))
		code = MDB_CORRUPTED;
	if (code != 0) {
		mdb_env_close(x->env);
		x->env = NULL;
		return code;
	}
	if (stat(lock, &st) == 0) {
		x->lock_device = st.st_dev;
		x->lock_inode = st.st_ino;
	}
	return 0;
}

int
index_file_open(struct index *x)
{
	int code = open_environment(x), dead;

	if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_VERSION_MISMATCH) {
		log_warning("index %s/" INDEX_FILE ": %s: made anew", x->directory, mdb_strerror(code));
		remove_files(x);
		code = open_environment(x);
	}
	if (code != 0)
		log_warning("index %s/" INDEX_FILE ": %s: going on without", x->directory, mdb_strerror(code));
	else
		mdb_reader_check(x->env, &dead); /* slots of killed sessions */
	return code;
}

void
index_file_close(struct index *x)
{
	for (struct index_retired *r = x->retired, *next; r; r = next) {
		next = r->next;
		mapping_unguard(&r->map);
		mdb_env_close(r->env);
		free(r);
	}
	mapping_unguard(&x->map);
	if (x->env)
		mdb_env_close(x->env);
}

/* Batches may read it still. */
static void
retire(struct index *x)
{
	struct index_retired *r = mem_alloc(sizeof *r);

	*r = (struct index_retired){.env = take(x->env), .next = x->retired};
	if (x->map.at)
		mapping_guard(&r->map, x->map.at, x->map.bytes);
	mapping_unguard(&x->map);
	x->retired = r;
}

static bool
open_again(struct index *x, const struct stat *open)
{
	autofree char *path = data_path(x);
	size_t         retired = 0;

	for (const struct index_retired *r = x->retired; r; r = r->next)
		retired++;
	log_warning("index %s: damaged, removed or written over%s", path, retired < RETIRED_MOST ? "" : ": going on without");
	if (is_there(x, open))
		remove_files(x);
	retire(x);
	x->useless = retired >= RETIRED_MOST || index_file_open(x) != 0;
	return !x->useless;
}

bool
index_file_refresh(struct index *x)
{
	struct stat st = {0};
	int         fd;

	if (x->useless)
		return false;
	if (mdb_env_get_fd(x->env, &fd) == 0 && fstat(fd, &st) == 0 && st.st_nlink && !x->map.lost && !x->damaged && has_its_locks(x) && is_whole(x, &st)) {
		if (!x->map.at)
			guard_map(x);
		return true;
	}
	return open_again(x, &st);
}
