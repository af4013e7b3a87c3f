/* SPDX-License-Identifier: ISC */
/*
 * hash.c - hash: btree: lmdb: cdb: dbm: sdbm: are all LMDB files, built from a text
 *
 * What is missing or stale is built when it is opened, by whoever may; who may
 * not reads the text into memory, so that no command depends on the order in
 * which things were started.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "table/built.h"
#include "table/built_file.h"
#include "table/table_type.h"

struct hash {
	struct built_reader *reader;
	struct memory       *memory;
};

static bool
is_aliases(const struct table *t)
{
	return built_is_aliases(t->spec) || built_was_aliases(t->name);
}

/* Tries to make the built file fresh: true when there is one to read. */
static bool
refresh(const struct table *t, struct fault *why)
{
	struct built_options options = {.aliases = is_aliases(t), .keep_old = true, .files = built_was_files(t->name)};
	enum built_state     state = built_check(t->name);
	autofree char       *path = built_path(t->name);
	struct fault         failed = {0};

	if (state == BUILT_FRESH || state == BUILT_WITHOUT_TEXT)
		return true;
	if (built_make(t->name, &options, &failed) == 0)
		return true;
	if (state == BUILT_STALE && access(path, R_OK) == 0) {
		log_warning("table %s is older than its text: %s", t->spec, fault_text(&failed));
		return true;
	}
	*why = failed;
	return false;
}

static int
open_memory(struct table *t, struct fault *why)
{
	struct hash         *h = t->data;
	autotext struct text in = {0};

	if (table_read_text(t, t->name, &in, why) < 0)
		return -1;
	h->memory = memory_new();
	memory_from_source(h->memory, t->name, text_span(&in), is_aliases(t));
	return 0;
}

static int
open_hash(struct table *t, struct fault *why)
{
	struct hash   *h = mem_alloc(sizeof *h);
	autofree char *path = built_path(t->name);
	struct fault   failed = {0};
	int            fd;

	t->data = h;
	if (!refresh(t, &failed))
		return open_memory(t, why);
	h->reader = built_reader_open(path, why);
	if (!h->reader)
		return access(t->name, R_OK) == 0 ? open_memory(t, why) : -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_errno(why, "open %s", path);
	if (table_hold(t, fd, why) < 0)
		return -1;
	/* the text too: an edit without postmap replaces the process, and the next one builds */
	fd = open(t->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && table_hold(t, fd, why) < 0)
		return -1;
	t->owner = built_owner(t->name);
	return 0;
}

static int
find_hash(struct table *t, struct span key, struct text *value, struct fault *why)
{
	struct hash *h = t->data;

	if (span_has(key, '\0'))
		return 1;
	if (h->memory)
		return memory_find(h->memory, key, value);
	return built_reader_find(h->reader, key, value, why);
}

static void
close_hash(struct table *t)
{
	struct hash *h = t->data;

	if (h->reader)
		built_reader_close(h->reader);
	memory_free(h->memory);
	auto_free(&t->data);
}

const struct table_type table_hash = {"hash", true, false, open_hash, find_hash, close_hash, NULL};
const struct table_type table_btree = {"btree", true, false, open_hash, find_hash, close_hash, NULL};
const struct table_type table_lmdb = {"lmdb", true, false, open_hash, find_hash, close_hash, NULL};
const struct table_type table_cdb = {"cdb", true, false, open_hash, find_hash, close_hash, NULL};
const struct table_type table_dbm = {"dbm", true, false, open_hash, find_hash, close_hash, NULL};
const struct table_type table_sdbm = {"sdbm", true, false, open_hash, find_hash, close_hash, NULL};
