/* SPDX-License-Identifier: ISC */
/*
 * built_file.c - one immutable LMDB file: written once, read without locks
 *
 * A reader of another user cannot open a table that has a lock file (FACTS.md 7),
 * and needs none: the file never changes after its rename.
 */
#include "table/built_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define STAMP_KEY "\0stamp"
static const struct span stamp_key = {STAMP_KEY, sizeof STAMP_KEY - 1};

struct built_file {
	char    *path, *partial;     /* partial: through `directory` where the system can */
	int      directory;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi  dbi;
};

struct built_reader {
	MDB_env *env;
	MDB_dbi  dbi;
};

static int
lmdb_fault(struct fault *why, int error, const char *what, const char *path)
{
	return fault_set(why, FAULT_SYSTEM, "%s %s: %s", what, path, mdb_strerror(error));
}

static MDB_val
val_of(struct span s)
{
	return (MDB_val){s.len, (void *)(uintptr_t)s.at};
}

static void
free_file(struct built_file *f)
{
	if (f->txn)
		mdb_txn_abort(f->txn);
	if (f->env)
		mdb_env_close(f->env);
	if (f->partial)
		unlink(f->partial);
	if (f->directory >= 0)
		close(f->directory);
	free(f->partial);
	free(f->path);
	free(f);
}

void
built_file_abandon(struct built_file *f)
{
	free_file(f);
}

/*
 * Opens the directory of built tables, and makes it when it is missing.  What is above it may
 * belong to another user (data_directory is mail_owner's after Postfix): so it
 * must be ours, no link, and is used by its descriptor from here on.
 */
static int
open_parent(const char *path, struct fault *why)
{
	autofree char *parent = mem_string(path);
	struct stat    s;
	autoclose int  fd = -1;

	*strrchr(parent, '/') = '\0';
	if (access(parent, F_OK) < 0 && file_make_directories(parent, 0755, why) < 0)
		return -1;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s) < 0)
		return fault_errno(why, "open %s", parent);
	if (s.st_uid != geteuid() || s.st_mode & 022) {
		errno = EACCES;
		return fault_errno(why, "%s is not ours alone", parent);
	}
	return take_fd(fd);
}

/* A path that leads through the descriptor, where there is such a thing. */
static char *
partial_path(int directory, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char       *through = mem_format("/proc/self/fd/%d/%s.tmp%ld", directory, name,
	                                 (long)getpid());
	struct stat s, own;

	*strrchr(through, '/') = '\0';
	if (stat(through, &s) == 0 && fstat(directory, &own) == 0 && s.st_ino == own.st_ino &&
	    s.st_dev == own.st_dev) {
		through[strlen(through)] = '/';
		return through;
	}
	free(through);
	return mem_format("%s.tmp%ld", path, (long)getpid());
}

struct built_file *
built_file_create(const char *path, size_t expected, struct fault *why)
{
	struct built_file *f;
	int                error, directory;

	directory = open_parent(path, why);
	if (directory < 0)
		return NULL;
	f = mem_alloc(sizeof *f);
	f->directory = directory;
	f->path = mem_string(path);
	f->partial = partial_path(directory, path);
	unlink(f->partial);
	error = mdb_env_create(&f->env);
	/* small pairs in half-full pages: eight times the text is plenty, and sparse */
	if (!error)
		error = mdb_env_set_mapsize(f->env, ((expected * 8 + (4 << 20)) | 0xfffff) + 1);
	if (!error)
		error = mdb_env_open(f->env, f->partial, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC,
		                     0600);
	if (!error)
		error = mdb_txn_begin(f->env, NULL, 0, &f->txn);
	if (!error)
		error = mdb_dbi_open(f->txn, NULL, 0, &f->dbi);
	if (!error)
		return f;
	lmdb_fault(why, error, "create", f->partial);
	free_file(f);
	return NULL;
}

int
built_file_put(struct built_file *f, struct span key, struct span value, bool replace,
               struct fault *why)
{
	MDB_val k = val_of(key), v = val_of(value);
	int     error = mdb_put(f->txn, f->dbi, &k, &v, MDB_NOOVERWRITE);

	if (error == MDB_KEYEXIST) {
		v = val_of(value);
		if (replace && (error = mdb_put(f->txn, f->dbi, &k, &v, 0)) != 0)
			return lmdb_fault(why, error, "write", f->partial);
		return 1;
	}
	return error ? lmdb_fault(why, error, "write", f->partial) : 0;
}

bool
built_file_remove(struct built_file *f, struct span key)
{
	MDB_val k = val_of(key);

	return mdb_del(f->txn, f->dbi, &k, NULL) == 0;
}

static int
sync_and_rename(struct built_file *f, mode_t mode, struct fault *why)
{
	autoclose int fd = open(f->partial, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fchmod(fd, mode) < 0)
		return fault_errno(why, "%s", f->partial);
	if (file_sync(fd, why) < 0)
		return fault_prefix(why, "%s", f->partial);
	if (renameat(f->directory, strrchr(f->partial, '/') + 1, f->directory,
	             strrchr(f->path, '/') + 1) < 0)
		return fault_errno(why, "rename %s", f->partial);
	return file_sync(f->directory, why);
}

int
built_file_publish(struct built_file *f, const char *stamp, mode_t mode, struct fault *why)
{
	MDB_val k = val_of(stamp_key), v = val_of(span_of(stamp));
	int     error = mdb_put(f->txn, f->dbi, &k, &v, 0), done;

	if (!error)
		error = mdb_txn_commit(take(f->txn));
	if (error) {
		lmdb_fault(why, error, "write", f->partial);
		free_file(f);
		return -1;
	}
	mdb_env_close(take(f->env));
	done = sync_and_rename(f, mode, why);
	free_file(f);
	return done;
}

struct built_reader *
built_reader_open(const char *path, struct fault *why)
{
	struct built_reader *r = mem_alloc(sizeof *r);
	MDB_txn             *txn = NULL;
	int                  error = mdb_env_create(&r->env);

	if (!error)
		error = mdb_env_open(r->env, path,
		                     MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0);
	if (!error)
		error = mdb_txn_begin(r->env, NULL, MDB_RDONLY, &txn);
	if (!error)
		error = mdb_dbi_open(txn, NULL, 0, &r->dbi);
	if (!error)
		error = mdb_txn_commit(take(txn));     /* keeps the handle open */
	if (!error)
		return r;
	lmdb_fault(why, error, "open", path);
	if (txn)
		mdb_txn_abort(txn);
	built_reader_close(r);
	return NULL;
}

int
built_reader_find(struct built_reader *r, struct span key, struct text *value, struct fault *why)
{
	MDB_val  k = val_of(key), v;
	MDB_txn *txn;
	int      error;

	if (key.len == 0 || key.len > TABLE_BUILT_KEY_MAX)
		return 1;
	error = mdb_txn_begin(r->env, NULL, MDB_RDONLY, &txn);
	if (error)
		return fault_set(why, FAULT_SYSTEM, "%s", mdb_strerror(error));
	error = mdb_get(txn, r->dbi, &k, &v);
	if (error == 0)
		text_add(value, span_at(v.mv_data, v.mv_size));
	mdb_txn_abort(txn);
	if (error && error != MDB_NOTFOUND)
		return fault_set(why, FAULT_SYSTEM, "%s", mdb_strerror(error));
	return error ? 1 : 0;
}

void
built_reader_close(struct built_reader *r)
{
	if (r->env)
		mdb_env_close(r->env);
	free(r);
}

int
built_file_stamp(const char *path, struct text *stamp)
{
	struct built_reader *r = built_reader_open(path, NULL);
	int                  got;

	if (!r)
		return -1;
	got = built_reader_find(r, stamp_key, stamp, NULL);
	built_reader_close(r);
	return got == 0 ? 0 : -1;
}

int
built_file_walk(const char *path, void (*each)(void *, struct span, struct span), void *context,
                struct fault *why)
{
	struct built_reader *r = built_reader_open(path, why);
	MDB_txn             *txn = NULL;
	MDB_cursor          *cursor = NULL;
	MDB_val              k, v;
	int                  error;

	if (!r)
		return -1;
	error = mdb_txn_begin(r->env, NULL, MDB_RDONLY, &txn);
	if (!error)
		error = mdb_cursor_open(txn, r->dbi, &cursor);
	while (!error && (error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
		if (!span_equal(span_at(k.mv_data, k.mv_size), stamp_key))
			each(context, span_at(k.mv_data, k.mv_size), span_at(v.mv_data, v.mv_size));
	if (cursor)
		mdb_cursor_close(cursor);
	if (txn)
		mdb_txn_abort(txn);
	built_reader_close(r);
	return error == MDB_NOTFOUND ? 0 : lmdb_fault(why, error, "read", path);
}
