/* SPDX-License-Identifier: ISC */
/*
 * manage_store.c - a user's scripts as files
 */
#include "manage_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { LINK_MAX_BYTES = 4096, LISTED_MAX = 10000 };

static char *
path_of(const struct sieve_place *p, struct span name)
{
	return mem_format("%s/%.*s.sieve", text_string(&p->directory), SPAN_ARGS(name));
}

/* The name of the script that the link leads to; false: none. */
static bool
active_name(const struct sieve_place *p, struct text *out)
{
	autofree char *target = mem_alloc(LINK_MAX_BYTES);
	ssize_t        len = readlink(text_string(&p->active), target, LINK_MAX_BYTES - 1);
	struct span    s;

	if (len <= 0)
		return false;
	s = span_at(target, (size_t)len);
	s = span_from(s, (size_t)(span_find_last(s, '/') + 1));
	if (!span_ends(s, ".sieve"))
		return false;
	text_set(out, span_first(s, s.len - 6));
	return true;
}

bool
scripts_is_active(const struct sieve_place *p, struct span name)
{
	autotext struct text active = {0};

	return active_name(p, &active) && span_equal(text_span(&active), name);
}

bool
scripts_exists(const struct sieve_place *p, struct span name)
{
	autofree char *path = path_of(p, name);
	struct stat    st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool
scripts_is_default(const struct sieve_place *p, struct span name)
{
	return p->fallback.len && sieve_settings.fallback_name[0] && span_is(name, sieve_settings.fallback_name) &&
		!scripts_exists(p, name) && access(text_string(&p->fallback), R_OK) == 0;
}

static int
by_name(const void *a, const void *b)
{
	return span_compare(((const struct manage_script *)a)->name, ((const struct manage_script *)b)->name);
}

int
scripts_list(struct arena *arena, const struct sieve_place *p, struct manage_script **out, size_t *out_count, struct fault *why)
{
	struct manage_script *list = NULL;
	size_t                count = 0, room = 0;
	autotext struct text  active = {0};
	DIR                  *dir = opendir(text_string(&p->directory));
	struct dirent        *e;

	if (!dir)
		return fault_errno(why, "%s", text_string(&p->directory));
	active_name(p, &active);
	while ((e = readdir(dir)) && count < LISTED_MAX) {
		struct span    name = span_of(e->d_name);
		autofree char *path = mem_format("%s/%s", text_string(&p->directory), e->d_name);
		struct stat    st;

		if (!span_ends(name, ".sieve") || !sieve_name_valid(name) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		name.len -= 6;
		if (count == room) {
			struct manage_script *more = arena_alloc(arena, (room = room ? room * 2 : 16) * sizeof *more);

			if (count)
				memcpy(more, list, count * sizeof *more);
			list = more;
		}
		list[count++] = (struct manage_script){arena_span(arena, name), span_equal(name, text_span(&active)), (uint64_t)st.st_size};
	}
	closedir(dir);
	if (scripts_is_default(p, span_of(sieve_settings.fallback_name))) {
		struct manage_script *more = arena_alloc(arena, (count + 1) * sizeof *more);
		struct stat           st;

		if (count)
			memcpy(more, list, count * sizeof *more);
		list = more;
		list[count++] = (struct manage_script){span_of(sieve_settings.fallback_name), lstat(text_string(&p->active), &st) < 0, 0};
	}
	if (count)
		qsort(list, count, sizeof *list, by_name);
	*out = list;
	*out_count = count;
	return 0;
}

int
scripts_read(const struct sieve_place *p, struct span name, struct text *out, struct fault *why)
{
	autofree char *path = path_of(p, name);
	int            got = sieve_read(scripts_is_default(p, name) ? text_string(&p->fallback) : path, out, why);

	if (got == 1) {
		errno = ENOENT;
		return fault_errno(why, "%.*s", SPAN_ARGS(name));
	}
	return got;
}

int
scripts_write(const struct sieve_place *p, struct span name, struct span text, struct fault *why)
{
	autofree char *path = path_of(p, name);

	return file_replace(path, text, 0600, why);
}

int
scripts_delete(const struct sieve_place *p, struct span name, struct fault *why)
{
	autofree char *path = path_of(p, name);

	if (unlink(path) < 0)
		return fault_errno(why, "%.*s", SPAN_ARGS(name));
	return file_sync_directory(text_string(&p->directory), why);
}

static void
directory_of(const struct text *path, struct text *out)
{
	ptrdiff_t slash = span_find_last(text_span(path), '/');

	text_set(out, slash <= 0 ? SPAN("/") : span_first(text_span(path), (size_t)slash));
}

/* "sieve/main.sieve" where the link lies above the directory: a home that moves takes it along. */
static void
link_target(const struct sieve_place *p, struct span name, struct text *out)
{
	autotext struct text home = {0};
	struct span          directory = text_span(&p->directory);

	directory_of(&p->active, &home);
	text_add_byte(&home, '/');
	if (span_starts(directory, text_string(&home)))
		directory = span_from(directory, home.len);
	text_add_format(out, "%.*s/%.*s.sieve", SPAN_ARGS(directory), SPAN_ARGS(name));
}

/* What was put there by hand is kept under a name. */
static int
keep_file(const struct sieve_place *p, struct fault *why)
{
	autofree char *kept = mem_format("%s/dovecot.orig.sieve", text_string(&p->directory));
	struct stat    st;

	if (lstat(text_string(&p->active), &st) < 0 || S_ISLNK(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_DENIED, "%s is in the way", text_string(&p->active));
	if (rename(text_string(&p->active), kept) < 0)
		return fault_errno(why, "%s", kept);
	return file_sync_directory(text_string(&p->directory), why);
}

int
scripts_activate(const struct sieve_place *p, struct span name, struct fault *why)
{
	autotext struct text target = {0}, home = {0};
	autofree char       *made = mem_format("%s.%ld.tmp", text_string(&p->active), (long)getpid());

	if (keep_file(p, why) < 0)
		return -1;
	directory_of(&p->active, &home);
	if (name.len == 0) {
		if (unlink(text_string(&p->active)) < 0 && errno != ENOENT)
			return fault_errno(why, "%s", text_string(&p->active));
		return file_sync_directory(text_string(&home), why);
	}
	link_target(p, name, &target);
	unlink(made);
	if (symlink(text_string(&target), made) < 0)
		return fault_errno(why, "%s", made);
	if (rename(made, text_string(&p->active)) < 0) {
		fault_errno(why, "%s", text_string(&p->active));
		unlink(made);
		return -1;
	}
	return file_sync_directory(text_string(&home), why);
}

int
scripts_rename(const struct sieve_place *p, struct span from, struct span to, struct fault *why)
{
	autofree char *old = path_of(p, from), *new = path_of(p, to);
	bool           active = scripts_is_active(p, from);

	/* a second name first: at no moment is there none that the link leads to */
	if (link(old, new) < 0)
		return fault_errno(why, "%.*s", SPAN_ARGS(errno == EEXIST ? to : from));
	if (file_sync_directory(text_string(&p->directory), why) < 0 || (active && scripts_activate(p, to, why) < 0)) {
		unlink(new);
		return -1;
	}
	return scripts_delete(p, from, why);
}
