/* SPDX-License-Identifier: ISC */
/*
 * lazy.c - which expunged messages are kept, and where
 *
 * Names and meaning: https://doc.dovecot.org/2.3/settings/plugin/lazy-expunge-plugin/
 */
#include "store/lazy.h"

#include <stdlib.h>

#include "store/folder.h"
#include "store/tree.h"

struct lazy_settings lazy_settings = {.mailbox = "", .exclude = {"", "", "", "", "", "", "", "", ""}};

struct lazy {
	char  *mailbox;          /* storage name */
	bool   only_last;
	char **exclude;          /* storage names and patterns */
	size_t count;
};

static void
add_exclude(struct lazy *z, struct span name)
{
	z->exclude = mem_grow(z->exclude, z->count + 1, sizeof *z->exclude);
	z->exclude[z->count++] = tree_name(name);
}

static void
exclude_use(struct lazy *z, struct span use, struct span uses)
{
	struct span word, name;

	while (span_next(&uses, " \t", &word)) {
		ptrdiff_t at = span_find_last(word, '=');

		name = span_first(word, at < 0 ? 0 : (size_t)at);
		if (name.len && span_equal_nocase(span_from(word, name.len + 1), use))
			add_exclude(z, name);
	}
}

int
lazy_make(const struct lazy_settings *s, struct span uses, struct lazy **out, struct fault *why)
{
	struct span  name = span_trim(span_of(s->mailbox));
	struct lazy *z;

	*out = NULL;
	if (!name.len)
		return 0;
	if (span_ends(name, "/") || span_ends(name, "."))
		return fault_set(why, FAULT_INPUT, "lazy_expunge = %.*s: a namespace; only a mailbox can be named here", SPAN_ARGS(name));
	z = mem_alloc(sizeof *z);
	z->mailbox = tree_name(name);
	z->only_last = s->only_last;
	for (size_t i = 0; i < LAZY_EXCLUDES; i++) {
		struct span one = span_trim(span_of(s->exclude[i]));

		if (one.len && one.at[0] == '\\')
			exclude_use(z, one, uses);
		else if (one.len)
			add_exclude(z, one);
	}
	if (!maildir_folder_valid(span_of(z->mailbox))) {
		lazy_free(z);
		return fault_set(why, FAULT_INPUT, "lazy_expunge = %.*s: not a mailbox name", SPAN_ARGS(name));
	}
	*out = z;
	return 0;
}

void
lazy_free(struct lazy *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < z->count; i++)
		free(z->exclude[i]);
	free(z->exclude);
	free(z->mailbox);
	free(z);
}

int
lazy_settings_check(const struct lazy_settings *s, struct fault *why)
{
	struct lazy *z = NULL;
	int          result = lazy_make(s, SPAN_NONE, &z, why);

	lazy_free(z);
	return result;
}

bool
lazy_holds(const struct lazy *z, const char *folder)
{
	if (!z || strcmp(z->mailbox, folder) == 0)
		return false;
	for (size_t i = 0; i < z->count; i++)
		if (span_matches(span_of(folder), span_of(z->exclude[i])))
			return false;
	return true;
}

const char *
lazy_mailbox(const struct lazy *z)
{
	return z->mailbox;
}

bool
lazy_only_last(const struct lazy *z)
{
	return z->only_last;
}

int
lazy_empty(struct maildir *m, const char *folder, struct fault *why)
{
	struct folder *f;
	int            result;

	if (!lazy_holds(maildir_lazy(m), folder) || !tree_exists(m, folder))
		return 0;
	if (folder_open(m, folder, FOLDER_READ_ONLY, &f, why) < 0)
		return -1;
	result = folder_expunge(f, NULL, 0, true, why);
	folder_close(f);
	return result;
}
