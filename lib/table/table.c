/* SPDX-License-Identifier: ISC */
/*
 * table.c - opening and asking a table of any type
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "config/site.h"
#include "table/built.h"
#include "table/table_type.h"


static const struct table_type *const types[] = {
	&table_hash, &table_btree, &table_lmdb, &table_cdb, &table_dbm, &table_sdbm, &table_texthash, &table_inline, &table_static,
	&table_cidr, &table_regexp, &table_pcre, &table_unix, &table_fail, &table_proxy,
	&table_pipemap, &table_unionmap, &table_randmap, &table_environ,
};

/* Types of Postfix that are not here: a clear word for each. */
static const struct { const char *name, *why; } missing[] = {
	{"nis", "NIS sends its answers unprotected and no system here has it: use unix: with nsswitch.conf, or a file"},
	{"nisplus", "NIS+ has ended"},
	{"netinfo", "NetInfo has ended"},
	{"mongodb", "Postfix 3.7 has none either: socketmap: can ask a program of yours"},
	{"internal", "a cache within one process is nobody's table"},
};

static const struct table_type *
type_of(struct span name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (span_is(name, types[i]->name))
			return types[i];
	return table_remote_type(name);
}

const char *
table_type_at(size_t index)
{
	return index < COUNT(types) ? types[index]->name : table_remote_at(index - COUNT(types));
}

/* Splits "type:name"; a bare name gets the default type. */
static struct span
split_spec(struct span spec, struct span *type)
{
	ptrdiff_t colon = span_find(spec, ':');

	if (colon > 0 && spec.at[0] != '/') {
		*type = span_first(spec, (size_t)colon);
		return span_from(spec, (size_t)colon + 1);
	}
	*type = span_of(site.default_database_type ? site.default_database_type : "hash");
	return spec;
}

bool
table_is_spec(struct span s)
{
	ptrdiff_t colon = span_find(s, ':');

	if (colon <= 0)
		return false;
	s = span_first(s, (size_t)colon);
	for (size_t i = 0; i < COUNT(missing); i++)
		if (span_is(s, missing[i].name))
			return true;
	return type_of(s) != NULL;
}

struct table *
table_open(const char *written, struct fault *why)
{
	struct span              spec = span_trim(span_of(written)), type, name;
	const struct table_type *known;
	struct table            *t;

	list_group(spec, &spec);
	name = split_spec(spec, &type);
	known = type_of(type);
	if (!known || name.len == 0) {
		for (size_t i = 0; !known && i < COUNT(missing); i++)
			if (span_is(type, missing[i].name)) {
				fault_set(why, FAULT_INPUT, "%.*s: table type \"%.*s\" is not supported: %s",
				          SPAN_ARGS(span_first(spec, 200)), SPAN_ARGS(type), missing[i].why);
				return NULL;
			}
		fault_set(why, FAULT_INPUT, known
		          ? "%.*s: a table needs a name" : "%.*s: unsupported table type",
		          SPAN_ARGS(span_first(spec, 200)));
		return NULL;
	}
	t = mem_alloc(sizeof *t);
	t->magic = TABLE_MAGIC;
	t->type = known;
	t->spec = mem_format("%.*s:%.*s", SPAN_ARGS(type), SPAN_ARGS(name));
	t->name = t->spec + type.len + 1;
	t->is_pattern = known->is_pattern;
	t->owner = (uid_t)-1;
	t->held[0].fd = t->held[1].fd = -1;
	if (known->open(t, why) == 0)
		return t;
	fault_prefix(why, "%s", t->spec);
	table_close(t);
	return NULL;
}

void
table_close(struct table *t)
{
	if (!t)
		return;
	assert(t->magic == TABLE_MAGIC);
	t->type->close(t);
	for (size_t i = 0; i < COUNT(t->held); i++)
		if (t->held[i].fd >= 0)
			close(t->held[i].fd);
	t->magic = 0;
	free(t->spec);
	free(t);
}

void
table_keep_case(struct table *t)
{
	t->keeps_case = true;
}

int
table_find(struct table *t, struct span key, struct text *value, struct fault *why)
{
	autotext struct text folded = {0}, found = {0};
	int                  got;

	assert(t->magic == TABLE_MAGIC);
	if (key.len == 0 || key.len > TABLE_KEY_MAX)
		return 1;
	text_add(&folded, key);
	if (t->type->folds && !t->keeps_case)
		text_lower(&folded);
	got = t->type->find(t, text_span(&folded), &found, why);
	if (got == 0 && found.len > TABLE_VALUE_MAX)
		got = fault_set(why, FAULT_INPUT, "a value of more than %d bytes", TABLE_VALUE_MAX);
	if (got < 0)
		return why && span_starts(span_of(why->reason), t->spec) ? -1 : fault_prefix(why, "%s", t->spec);
	if (got == 0)
		text_set(value, text_span(&found));
	return got;
}

const char *
table_spec(const struct table *t)
{
	return t->spec;
}

bool
table_is_pattern(const struct table *t)
{
	return t->is_pattern;
}

uid_t
table_owner(const struct table *t)
{
	return t->owner;
}

int
table_hold(struct table *t, int fd, struct fault *why)
{
	struct table_held *h = &t->held[t->held[0].fd >= 0];

	if (h->fd >= 0)
		close(h->fd);
	h->fd = fd;
	if (fstat(fd, &h->stamp) < 0)
		return fault_errno(why, "fstat");
	t->owner = h->stamp.st_uid;
	return 0;
}

int
table_read_text(struct table *t, const char *path, struct text *out, struct fault *why)
{
	int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat s;

	if (fd < 0)
		return fault_errno(why, "open %s", path);
	if (table_hold(t, fd, why) < 0)
		return -1;
	if (fstat(fd, &s) < 0)
		return fault_errno(why, "fstat %s", path);
	if (geteuid() == 0 && built_check_link(path, &s, why) < 0)
		return -1;
	return file_read_fd(fd, TABLE_TEXT_MAX, out, why);
}

static bool
held_changed(const struct table_held *h)
{
	struct stat now;

	if (fstat(h->fd, &now) < 0 || now.st_nlink == 0)
		return true;
	return now.st_size != h->stamp.st_size || now.st_mtim.tv_sec != h->stamp.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != h->stamp.st_mtim.tv_nsec;
}

bool
table_changed(const struct table *t)
{
	if (t->type->changed)
		return t->type->changed(t);
	for (size_t i = 0; i < COUNT(t->held); i++)
		if (t->held[i].fd >= 0 && held_changed(&t->held[i]))
			return true;
	return false;
}

int
table_open_many(struct span in, struct table ***out, size_t *count, struct fault *why)
{
	struct table **all = NULL;
	size_t         n = 0;
	struct span    word, inside;
	int            more;

	if (!list_group(span_trim(in), &inside))
		return fault_set(why, FAULT_INPUT, "expected {table, table}");
	while ((more = list_next(&inside, ", \t\r\n", &word, why)) > 0) {
		autofree char *spec = mem_span(word);

		all = mem_grow(all, n + 1, sizeof *all);
		all[n] = table_open(spec, why);
		if (!all[n])
			more = -1;
		else
			n++;
		if (more < 0)
			break;
	}
	if (more == 0 && n)
		*out = all, *count = n;
	else {
		while (n)
			table_close(all[--n]);
		free(all);
	}
	return more < 0 ? -1 : *count ? 0 : fault_set(why, FAULT_INPUT, "expected {table, table}");
}

static void *
match_open(void *context, const char *spec, struct fault *why)
{
	(void)context;
	return table_open(spec, why);
}

static int
match_find(void *table, struct span key, struct text *value, struct fault *why)
{
	return table_find(table, key, value, why);
}

static void
match_close(void *table)
{
	table_close(table);
}

const struct match_tables match_tables = {match_open, match_find, match_close, NULL};
