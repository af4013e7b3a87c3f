/* SPDX-License-Identifier: ISC */
/*
 * memory.c - tables in memory: texthash, inline, and a snapshot of users
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/site.h"
#include "table/built.h"
#include "table/source.h"
#include "table/table_type.h"

struct memory {
	struct strmap *map;      /* folded key: owned string */
};

struct memory *
memory_new(void)
{
	struct memory *m = mem_alloc(sizeof *m);

	m->map = strmap_new();
	return m;
}

static bool keep_keys;

void
table_keep_keys(void)
{
	keep_keys = true;
}

/* False: the key is there already. */
static bool
memory_put(struct memory *m, struct span key, struct span value)
{
	autotext struct text folded = {0};

	text_add(&folded, key);
	if (!keep_keys)
		text_lower(&folded);
	if (strmap_get(m->map, text_span(&folded)))
		return false;
	strmap_put(m->map, text_span(&folded), mem_span(value));
	return true;
}

int
memory_find(const struct memory *m, struct span key, struct text *value)
{
	const char *found = strmap_get(m->map, key);

	if (!found)
		return 1;
	text_add_string(value, found);
	return 0;
}

void
memory_free(struct memory *m)
{
	if (m) {
		strmap_free(m->map, free);
		free(m);
	}
}

struct reading {
	struct memory *memory;
	const char    *path;
};

static int
add_pair(void *context, int line, struct span key, struct span value, struct fault *why)
{
	struct reading *r = context;

	(void)why;
	if (!memory_put(r->memory, key, value))
		log_warning("%s, line %d: duplicate entry: \"%.*s\"", r->path, line, SPAN_ARGS(key));
	return 0;
}

static void
warn(void *context, int line, const char *sentence)
{
	const struct reading *r = context;

	log_warning("%s, line %d: %s", r->path, line, sentence);
}

int
memory_from_source(struct memory *m, const char *path, struct span text, bool aliases)
{
	struct reading       r = {m, path};
	struct source_reader reader = {add_pair, warn, &r};

	return source_read(text, aliases ? SOURCE_ALIASES : SOURCE_POSTMAP, &reader, NULL);
}

static int
open_texthash(struct table *t, struct fault *why)
{
	autotext struct text in = {0};

	t->data = memory_new();
	if (table_read_text(t, t->name, &in, why) < 0)
		return -1;
	memory_from_source(t->data, t->name, text_span(&in), built_is_aliases(t->spec));
	return 0;
}

/* {a=b, {c = d e}} */
static int
open_inline(struct table *t, struct fault *why)
{
	struct span inside, word, pair, key, value;
	int         more;

	t->data = memory_new();
	t->owner = 0;
	if (!list_group(span_trim(span_of(t->name)), &inside))
		return fault_set(why, FAULT_INPUT, "expected {key=value, ...}");
	while ((more = list_next(&inside, ", \t\r\n", &word, why)) > 0) {
		if (!list_group(word, &pair))
			pair = word;
		if (list_assignment(pair, &key, &value, why) < 0)
			return -1;
		memory_put(t->data, key, value);
	}
	return more;
}

static int
find_memory(struct table *t, struct span key, struct text *value, struct fault *why)
{
	(void)why;
	return memory_find(t->data, key, value);
}

static void
close_memory(struct table *t)
{
	memory_free(t->data);
}

int
table_walk(const struct table *t, void (*each)(void *, struct span, struct span), void *context, struct fault *why)
{
	const struct memory *m = t->data;
	size_t               at = 0;
	struct span          key;
	void                *value;

	if (t->type != &table_texthash && t->type != &table_inline)
		return fault_set(why, FAULT_INPUT, "table %s: sequence operation is not supported", t->spec);
	while (strmap_next(m->map, &at, &key, &value))
		each(context, key, span_of(value));
	return 0;
}

const struct table_type table_texthash = {"texthash", true, false, open_texthash, find_memory, close_memory, NULL};
const struct table_type table_inline = {"inline", true, false, open_inline, find_memory, close_memory, NULL};

static bool live_names;

void
table_ask_names(bool live)
{
	live_names = live;
	/* loads the modules of NSS now: what their constructors do, a sandbox forbids */
	if (live) {
		(void)getpwnam("no such user");
		(void)getgrnam("no such group");
	}
}

static void
add_user(const struct passwd *p, struct text *out)
{
	text_add_format(out, "%s:%s:%ld:%ld:%s:%s:%s", p->pw_name, "x", (long)p->pw_uid,
	                (long)p->pw_gid,
	                p->pw_gecos ? p->pw_gecos : "", p->pw_dir, p->pw_shell);
}

static void
add_group(const struct group *g, struct text *out)
{
	text_add_format(out, "%s:x:%ld:", g->gr_name, (long)g->gr_gid);
	for (size_t i = 0; g->gr_mem && g->gr_mem[i]; i++)
		text_add_format(out, "%s%s", i ? "," : "", g->gr_mem[i]);
}

static void
snapshot_users(struct memory *m)
{
	const struct passwd *p;

	setpwent();
	while ((p = getpwent())) {
		autotext struct text value = {0};

		add_user(p, &value);
		memory_put(m, span_of(p->pw_name), text_span(&value));
	}
	endpwent();
}

static void
snapshot_groups(struct memory *m)
{
	const struct group *g;

	setgrent();
	while ((g = getgrent())) {
		autotext struct text value = {0};

		add_group(g, &value);
		memory_put(m, span_of(g->gr_name), text_span(&value));
	}
	endgrent();
}

static int
open_unix(struct table *t, struct fault *why)
{
	bool users = strcmp(t->name, "passwd.byname") == 0;
	int  fd;

	t->data = memory_new();
	if (!users && strcmp(t->name, "group.byname") != 0)
		return fault_set(why, FAULT_INPUT, "only passwd.byname and group.byname");
	if (live_names) {
		t->owner = 0;
		return 0;
	}
	fd = open(users ? "/etc/passwd" : "/etc/group", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && table_hold(t, fd, why) < 0)
		return -1;
	t->owner = 0;
	if (users)
		snapshot_users(t->data);
	else
		snapshot_groups(t->data);
	return 0;
}

enum { NAME_ROOM = 65536 };

static int
ask_user(const char *name, struct text *value, struct fault *why)
{
	autofree char *room = mem_alloc(NAME_ROOM);
	struct passwd  p, *found = NULL;

	errno = getpwnam_r(name, &p, room, NAME_ROOM, &found);
	if (errno && errno != ENOENT && errno != ESRCH && errno != EBADF && errno != EPERM)
		return fault_errno(why, "getpwnam");
	if (!found)
		return 1;
	add_user(found, value);
	return 0;
}

static int
ask_group(const char *name, struct text *value, struct fault *why)
{
	autofree char *room = mem_alloc(NAME_ROOM);
	struct group   g, *found = NULL;

	errno = getgrnam_r(name, &g, room, NAME_ROOM, &found);
	if (errno && errno != ENOENT && errno != ESRCH && errno != EBADF && errno != EPERM)
		return fault_errno(why, "getgrnam");
	if (!found)
		return 1;
	add_group(found, value);
	return 0;
}

static int
find_unix(struct table *t, struct span key, struct text *value, struct fault *why)
{
	autofree char *name = NULL;

	if (!live_names)
		return memory_find(t->data, key, value);
	if (span_has(key, '\0') || span_has(key, '/'))
		return 1;
	name = mem_span(key);
	return t->name[0] == 'p' ? ask_user(name, value, why) : ask_group(name, value, why);
}

const struct table_type table_unix = {"unix", true, false, open_unix, find_unix, close_memory, NULL};
