/* SPDX-License-Identifier: ISC */
/*
 * filter_scripts.c - which scripts a recipient has, read before the sandbox closes
 */
#include "local/filter_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "store/maildir.h"

static int
add_source(struct filter *f, const char *path, struct fault *why)
{
	autotext struct text text = {0};
	int                  got = sieve_read(path, &text, why);

	if (got != 0)
		return got;
	if (f->n_sources == SCRIPTS_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d scripts", SCRIPTS_MAX);
	f->sources[f->n_sources++] = (struct source){arena_string(f->arena, span_of(path)), arena_span(f->arena, text_span(&text)), f->is_global};
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A directory: its *.sieve in the order of their names. */
static int
add_directory(struct filter *f, const char *path, struct fault *why)
{
	char          *names[SCRIPTS_MAX];
	size_t         count = 0;
	DIR           *dir = opendir(path);
	struct dirent *entry;
	int            more;

	if (!dir)
		return fault_errno(why, "%s", path);
	while ((more = file_next(dir, &entry, why)) > 0) {
		if (entry->d_name[0] == '.' || !span_ends(span_of(entry->d_name), ".sieve"))
			continue;
		if (count == SCRIPTS_MAX) {
			closedir(dir);
			return fault_set(why, FAULT_INPUT, "%s: more than %d scripts", path, SCRIPTS_MAX);
		}
		names[count++] = arena_format(f->arena, "%s/%s", path, entry->d_name);
	}
	closedir(dir);
	if (more < 0)
		return fault_prefix(why, "%s", path);
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count; i++)
		if (add_source(f, names[i], why) < 0)
			return -1;
	return 0;
}

static int
expand(struct filter *f, struct span setting, const char **path, struct fault *why)
{
	autotext struct text out = {0};

	if (sieve_expand(setting, &f->user, &out, why) < 0)
		return -1;
	*path = arena_string(f->arena, text_span(&out));
	return 0;
}

static int
add_configured(struct filter *f, const struct list *list, struct fault *why)
{
	for (size_t i = 0; i < list->count; i++) {
		struct span item = span_of(list->item[i]);
		const char *path;
		struct stat st;

		if (span_starts(item, "file:"))
			item = span_from(item, 5);
		if (expand(f, item, &path, why) < 0)
			return -1;
		if (stat(path, &st) < 0) {
			if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
				continue;          /* Pigeonhole passes over what is not there */
			return fault_errno(why, "%s", path);
		}
		if ((S_ISDIR(st.st_mode) ? add_directory(f, path, why) : add_source(f, path, why)) < 0)
			return -1;
	}
	return 0;
}

int
filter_read_scripts(struct filter *f, struct fault *why)
{
	int got = 1;

	if (sieve_place(&f->user, &f->place, why) < 0)
		return -1;
	if (!f->place.active.len)
		return 0;
	if (sieve_settings.global[0] && expand(f, span_of(sieve_settings.global), &f->global, why) < 0)
		return -1;
	f->is_global = true;
	if (add_configured(f, &sieve_settings.before, why) < 0)
		return -1;
	f->is_global = false;
	got = add_source(f, text_string(&f->place.active), why);
	/* what he may not read himself, or is no script: an error of his, which keeps the mail */
	if (got < 0 && (why->class == FAULT_INPUT || why->error == EACCES || why->error == EPERM || why->error == ELOOP)) {
		filter_complain(f, text_string(&f->place.active), fault_text(why));
		fault_clear(why);
		return 0;
	}
	if (got < 0)
		return -1;
	if (got == 1 && f->place.fallback.len && add_source(f, text_string(&f->place.fallback), why) < 0)
		return -1;
	f->is_global = true;
	return add_configured(f, &sieve_settings.after, why);
}

static bool
all_are_absent(const struct list *list, const struct sieve_user *user)
{
	for (size_t i = 0; i < list->count; i++) {
		autotext struct text path = {0};
		struct span          item = span_of(list->item[i]);

		if (sieve_expand(span_starts(item, "file:") ? span_from(item, 5) : item, user, &path, NULL) < 0 ||
		    !file_is_absent(text_string(&path)))
			return false;
	}
	return true;
}

bool
filter_is_absent(const struct errand *e)
{
	const struct sieve_user user = {span_of(e->user), span_of(e->home)};
	struct sieve_place      place = {0};
	bool                    absent;

	if (sieve_place(&user, &place, NULL) < 0)
		return false;
	absent = (!place.active.len || file_is_absent(text_string(&place.active))) &&
	         (!place.fallback.len || file_is_absent(text_string(&place.fallback)));
	sieve_place_free(&place);
	return absent && all_are_absent(&sieve_settings.before, &user) && all_are_absent(&sieve_settings.after, &user);
}

int
filter_confine(struct filter *f, struct fault *why)
{
	const char    *reads[4] = {f->e->directory}, *const writes[] = {f->e->directory, NULL};
	struct sandbox box = {.promises = MAY_READ | MAY_WRITE | MAY_WATCH, .reads = reads, .writes = writes};
	size_t         n = 1;

	if (f->place.directory.len && access(text_string(&f->place.directory), R_OK) == 0)
		reads[n++] = text_string(&f->place.directory);
	if (f->global && access(f->global, R_OK) == 0)
		reads[n++] = f->global;
	return sandbox_close(&box, why);
}

int
filter_load_included(void *context, bool global, struct span name, struct text *out, struct fault *why)
{
	struct filter *f = context;
	const char    *directory = global ? f->global : text_string(&f->place.directory);

	if (!directory || !directory[0] || !sieve_name_valid(name))
		return 1;
	return sieve_read(arena_format(f->arena, "%s/%.*s.sieve", directory, SPAN_ARGS(name)), out, why);
}
