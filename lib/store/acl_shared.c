/* SPDX-License-Identifier: ISC */
/*
 * acl_shared.c - who shares mailboxes with whom
 */
#include "store/acl_shared.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "store/dotlock.h"
#include "store/small_file.h"
#include "store/tree.h"

#define PREFIX "shared/shared-boxes/"

enum { LOCK_WAIT_MS = 20000, LOCK_STALE_SECONDS = 60 };      /* as Dovecot's dictionary has it */

static void
add_pair(struct acl_shared *d, struct span key, struct span value)
{
	d->at = mem_grow(d->at, d->count + 1, sizeof *d->at);
	d->at[d->count++] = (struct acl_shared_pair){arena_span(d->arena, key), arena_span(d->arena, value)};
}

void
acl_shared_parse(struct span file, struct acl_shared *out)
{
	struct span key, value;

	*out = (struct acl_shared){.arena = arena_new()};
	while (file.len) {
		if (!span_split(&file, '\n', &key) || !file.len)
			return; /* a key without its value */
		span_split(&file, '\n', &value);
		add_pair(out, key, value);
	}
}

void
acl_shared_format(const struct acl_shared *d, struct text *out)
{
	for (size_t i = 0; i < d->count; i++)
		text_add_format(out, "%.*s\n%.*s\n", SPAN_ARGS(d->at[i].key), SPAN_ARGS(d->at[i].value));
}

void
acl_shared_free(struct acl_shared *d)
{
	free(d->at);
	if (d->arena)
		arena_free(d->arena);
	*d = (struct acl_shared){0};
}

/* ------------------------------------------------------------ keys */

static void
add_escaped(struct span name, struct text *out)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '/')
			text_add_string(out, "\\|");
		else if (name.at[i] == '\\')
			text_add_string(out, "\\\\");
		else
			text_add_byte(out, name.at[i]);
	}
}

static void
add_plain(struct span name, struct text *out)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '\\' && i + 1 < name.len)
			text_add_byte(out, name.at[++i] == '|' ? '/' : name.at[i]);
		else
			text_add_byte(out, name.at[i]);
	}
}

/* "user/bob/" + "alice"; whom: with its slash at the end. */
static bool
split_key(struct span key, struct span *whom, struct text *owner)
{
	ptrdiff_t slash;

	if (!span_starts(key, PREFIX))
		return false;
	key = span_from(key, sizeof PREFIX - 1);
	slash = span_find_last(key, '/');
	if (slash < 1 || (size_t)slash + 1 == key.len)
		return false;
	*whom = span_first(key, (size_t)slash + 1);
	text_clear(owner);
	add_plain(span_from(key, (size_t)slash + 1), owner);
	return true;
}

static bool
is_for(struct span whom, const struct acl_who *who, bool anyone)
{
	autotext struct text name = {0};
	struct span          groups = span_of(who->groups ? who->groups : ""), one;

	if (span_is(whom, "anyone/"))
		return anyone;
	whom.len--;
	if (span_starts(whom, "user/")) {
		add_plain(span_from(whom, 5), &name);
		return span_is(text_span(&name), who->user);
	}
	if (!span_starts(whom, "group/"))
		return false;
	add_plain(span_from(whom, 6), &name);
	while (span_next(&groups, ", ", &one))
		if (span_equal(one, text_span(&name)))
			return true;
	return false;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
acl_shared_owners(const struct acl_shared *d, const struct acl_who *who, bool anyone, struct tree *out)
{
	struct tree          got = {0};
	autotext struct text owner = {0};
	struct span          whom;
	size_t               kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (!split_key(d->at[i].key, &whom, &owner) || !is_for(whom, who, anyone) || span_has(text_span(&owner), '\0')
			|| span_is(text_span(&owner), who->user))
			continue;
		got.names = mem_grow(got.names, got.count + 1, sizeof *got.names);
		got.names[got.count++] = mem_span(text_span(&owner));
	}
	if (got.count)
		qsort(got.names, got.count, sizeof *got.names, compare_names);
	for (size_t i = 0; i < got.count; i++) {
		if (kept && strcmp(got.names[kept - 1], got.names[i]) == 0)
			free(got.names[i]);
		else
			got.names[kept++] = got.names[i];
	}
	got.count = kept;
	*out = got;
}

/* ------------------------------------------------------------ the file */

int
acl_shared_read(int dir, const char *file, struct acl_shared *out, struct fault *why)
{
	autotext struct text body = {0};

	if (small_file_read(dir, file, ACL_SHARED_MOST, &body, NULL, why) < 0)
		return -1;
	acl_shared_parse(text_span(&body), out);
	return 0;
}

struct wanting {
	struct strmap *whom;         /* "user/bob/": its keys without owner */
	size_t         owner;        /* bytes that each key has besides */
	size_t         bytes;
	bool           over;
};

static void
want_one(struct wanting *w, struct span whom)
{
	size_t more = whom.len + w->owner;

	if (strmap_get(w->whom, whom))
		return;
	if (w->bytes + more > ACL_SHARED_OWNER_MOST) {
		w->over = true;
		return;
	}
	w->bytes += more;
	strmap_put(w->whom, whom, w);
}

static void
want(struct wanting *w, const struct acl *a)
{
	for (size_t i = 0; i < a->count; i++) {
		autotext struct text whom = {0};
		struct span          id = span_of(a->at[i].id);
		ptrdiff_t            equals = span_find(id, '=');

		if (a->at[i].negative || !(a->at[i].rights & ACL_LOOKUP))
			continue;
		if (span_is(id, "anyone") || span_is(id, "authenticated"))
			text_add_string(&whom, "anyone/");
		else if (span_starts(id, "user=") || span_starts(id, "group=") || span_starts(id, "group-override="))
			text_add_string(&whom, span_starts(id, "user=") ? "user/" : "group/");
		else
			continue;
		if (equals >= 0) {
			add_escaped(span_from(id, (size_t)equals + 1), &whom);
			text_add_byte(&whom, '/');
		}
		want_one(w, text_span(&whom));
	}
}

/* Of all his mailboxes; one whose list cannot be read shares nothing. */
static int
want_all(struct maildir *m, struct wanting *w, struct fault *why)
{
	struct tree t;
	struct acl  a;

	if (tree_list(m, &t, why) < 0)
		return -1;
	for (size_t i = 0; i <= t.count; i++)
		if (acl_read(m, i ? t.names[i - 1] : "", &a, NULL) == 0) {
			want(w, &a);
			acl_free(&a);
		}
	tree_free(&t);
	return 0;
}

/* Takes off what is not wanted any more, and from `wanted` what is there. */
static bool
keep_wanted(struct acl_shared *d, struct strmap *wanted, const char *owner)
{
	autotext struct text of = {0};
	struct span          whom;
	size_t               kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		bool his = split_key(d->at[i].key, &whom, &of) && span_is(text_span(&of), owner);

		if (his && !strmap_remove(wanted, whom))
			continue;
		d->at[kept++] = d->at[i];
	}
	if (kept == d->count && strmap_count(wanted) == 0)
		return false;
	d->count = kept;
	return true;
}

static int
rewrite(int dir, const char *file, struct acl_shared *d, struct strmap *wanted, const char *owner, struct fault *why)
{
	autotext struct text body = {0};
	autofree char       *temporary = mem_format("%s.tmp", file);
	struct span          whom;
	void                *unused;
	size_t               at = 0;

	while (strmap_next(wanted, &at, &whom, &unused)) {
		autotext struct text key = {0};

		text_add_format(&key, PREFIX "%.*s", SPAN_ARGS(whom));
		add_escaped(span_of(owner), &key);
		add_pair(d, text_span(&key), SPAN("1"));
	}
	acl_shared_format(d, &body);
	return small_file_replace(dir, file, temporary, text_span(&body), 0, why);
}

int
acl_shared_update(int dir, const char *file, struct maildir *m, const char *owner, struct fault *why)
{
	struct dotlock    lock = {0};
	struct acl_shared d = {0};
	struct wanting    w = {.whom = strmap_new(), .owner = sizeof PREFIX - 1 + sizeof "\n1\n" - 1 + strlen(owner)};
	struct fault      own = {0};
	int               result = -1;

	if (dotlock_take(dir, file, LOCK_STALE_SECONDS, clock_after(LOCK_WAIT_MS), &lock, why) == 0) {
		result = want_all(m, &w, why);
		if (result == 0 && acl_shared_read(dir, file, &d, &own) < 0) {
			result = own.error == ENOENT ? 0 : -1;
			if (result < 0 && why)
				*why = own;
			d.arena = arena_new();
		}
		if (result == 0 && keep_wanted(&d, w.whom, owner))
			result = rewrite(dir, file, &d, w.whom, owner, why);
		dotlock_release(&lock);
	}
	acl_shared_free(&d);
	strmap_free(w.whom, NULL);
	if (result == 0 && w.over)
		return fault_set(why, FAULT_DENIED, "%s shares with more than %d bytes have room for: not all are told", owner,
			ACL_SHARED_OWNER_MOST);
	return result;
}
