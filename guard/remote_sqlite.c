/* SPDX-License-Identifier: ISC */
/*
 * remote_sqlite.c - sqlite: tables (sqlite_table(5))
 *
 * A file is opened for reading alone. One with a write-ahead log needs its -shm file beside it,
 * as the program that writes leaves it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/log.h"
#include "guard/remote.h"
#include "service/service.h"

enum { BUSY_MS = 5000 };

/* The library asks to write a log even where it is told to read, and takes no for an answer; the sandbox
 * would end the process. */
static int
open_to_read(const char *path, int flags, int mode)
{
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) {
		errno = EACCES;
		return -1;
	}
	return open(path, flags | O_CLOEXEC, mode);
}

static int
forbid_writing(struct fault *why)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	if (vfs && vfs->iVersion >= 3 && vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_to_read) == SQLITE_OK)
		return 0;
	return fault_set(why, FAULT_SYSTEM, "SQLite cannot be kept from writing");
}

static int
prepare(struct remote *r, struct fault *why)
{
	struct span path = span_of(remote_string(r->config, "dbpath", ""));

	if (path.len == 0)
		return fault_set(why, FAULT_INPUT, "dbpath is missing");
	if (remote_sql_query(r, why) < 0 || remote_add_host(r, path, SPAN_NONE, true, why) < 0)
		return -1;
	if (path.at[0] == '/') {       /* the journals lie beside it */
		autofree char *directory = mem_span(span_first(path, (size_t)span_find_last(path, '/') + 1));

		service_may_read(directory);
	}
	sqlite3_initialize();
	return forbid_writing(why);
}

/* Not every byte of a path may stand in a URI. */
static void
add_path(struct text *out, const char *path)
{
	for (; *path; path++)
		if (strchr("%?# ", *path))
			text_add_format(out, "%%%02x", (unsigned char)*path);
		else
			text_add_byte(out, *path);
}

static void *
connect_to(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	autotext struct text uri = {0};
	sqlite3             *db = NULL;

	(void)r, (void)deadline;
	text_add_string(&uri, "file:");
	add_path(&uri, h->name);
	text_add_string(&uri, "?mode=ro&readonly_shm=1");
	if (sqlite3_open_v2(uri.at, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		sqlite3_exec(db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
		return db;
	}
	fault_set(why, FAULT_PEER, "%s", db ? sqlite3_errmsg(db) : "no memory");
	sqlite3_close(db);
	return NULL;
}

static int
take_rows(struct remote *r, sqlite3_stmt *query, const struct remote_key *key, struct remote_answer *answer,
          struct fault *why)
{
	int step;

	while ((step = sqlite3_step(query)) == SQLITE_ROW) {
		if (remote_row(key, answer, why) < 0)
			return -1;
		for (int i = 0; i < sqlite3_column_count(query); i++) {
			const void *value = sqlite3_column_text(query, i);

			if (value && remote_add_field(r, key, sqlite3_column_name(query, i), span_at(value, (size_t)sqlite3_column_bytes(query, i)), answer, why) < 0)
				return -1;
		}
	}
	return step == SQLITE_DONE ? 0 : fault_set(why, FAULT_SYSTEM, "query: %s", sqlite3_errmsg(sqlite3_db_handle(query)));
}

static int
ask(struct remote *r, void *db, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
    struct fault *why)
{
	autotext struct text query = {0};
	sqlite3_stmt        *made = NULL;
	const char          *rest = "";
	int                  got = remote_query(r, key, remote_quote_sql, NULL, &query, why);

	(void)deadline;
	if (got)
		return got < 0 ? -1 : 0;
	if (sqlite3_prepare_v2(db, query.at, (int)query.len, &made, &rest) != SQLITE_OK)
		return fault_set(why, FAULT_SYSTEM, "query: %s", sqlite3_errmsg(db));
	if (span_trim(span_of(rest)).len)
		log_warning("%s: only the first statement of the query is used", r->table->spec);
	got = made ? take_rows(r, made, key, answer, why) : fault_set(why, FAULT_INPUT, "query: empty");
	sqlite3_finalize(made);
	return got;
}

static void
disconnect(void *db)
{
	sqlite3_close(db);
}

const struct remote_driver remote_sqlite_driver = {prepare, connect_to, ask, disconnect, NULL};

static int
open_sqlite(struct table *t, struct fault *why)
{
	return remote_open(t, &remote_sqlite_driver, why);
}

const struct table_type remote_sqlite = {"sqlite", true, false, open_sqlite, remote_find, remote_close, NULL};
