/* SPDX-License-Identifier: ISC */
/*
 * folder_assign.c - files without a UID get one, under the lock of the uidlist
 */
#include <stdlib.h>

#include "store/folder_private.h"
#include "store/history.h"
#include "store/uidvalidity.h"

/* A file needs a (new) UID when it has none, or when its UID is one that this
 * session has already seen go. */
static bool
needs_uid(const struct folder *f, const struct scan_entry *e)
{
	struct span base = span_at(e->name, e->base_len);
	ptrdiff_t   at = uidlist_find(&f->list, base);
	uint32_t    uid = at < 0 ? 0 : f->list.records[at].uid;

	return uid == 0 || (uid <= f->highest && !folder_find(f, uid));
}

/* Both by UID: what this session has seen go needs a new one. */
static bool
came_back(const struct folder *f, const struct matching *all)
{
	size_t at = 0;

	for (size_t i = 0; i < f->list.count && f->list.records[i].uid <= f->highest; i++) {
		uint32_t uid = f->list.records[i].uid;

		if (!all->of[i])
			continue;
		while (at < f->count && f->messages[at].uid < uid)
			at++;
		if (at == f->count || f->messages[at].uid != uid)
			return true;
	}
	return false;
}

bool
folder_is_all_known(const struct folder *f, const struct scan *s, const struct matching *all)
{
	return f->list.validity && !f->list.broken && !f->list.foreign && f->list.guid[0] && all->matched == s->count && !came_back(f, all);
}

/* A file to come: the number is asked for once, not for each comparison. */
struct unknown { uint64_t number; struct span base; };

static int
compare_unknown(const void *a, const void *b)
{
	const struct unknown *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return file_name_compare(x->base, y->base);
}

/* In Dovecot's order; owned by the caller. */
static struct unknown *
find_unknown(const struct folder *f, const struct scan *s, size_t *count)
{
	struct unknown *unknown = mem_array(s->count + 1, sizeof *unknown);

	*count = 0;
	for (size_t i = 0; i < s->count; i++) {
		struct span base = span_at(s->at[i].name, s->at[i].base_len);

		if (needs_uid(f, &s->at[i]))
			unknown[(*count)++] = (struct unknown){file_name_number(base), base};
	}
	qsort(unknown, *count, sizeof *unknown, compare_unknown);
	return unknown;
}

struct keeping {
	const struct scan    *scan;
	const struct uidlist *list;
};

/* A record whose file is there, and that no later one of the same base replaced. */
static bool
is_there(const struct uidlist_record *r, const void *context)
{
	const struct keeping *k = context;

	return scan_find(k->scan, r->base) && uidlist_find(k->list, r->base) == r - k->list->records;
}

/* Gives UIDs to files without one; drops stale records
 * when they are a quarter.  What other servers kept elsewhere comes first.  The lock is held. */
static int
assign_uids(struct folder *f, struct scan *s, struct fault *why)
{
	autofree struct unknown *unknown = NULL;
	size_t                   count, first, stale = 0;
	struct keeping           keeping = {s, &f->list};
	int                      result = 0;

	if (folder_may_adopt(f))
		result = folder_adopt_keywords(f, s, why);
	unknown = find_unknown(f, s, &count);
	if (result == 0 && f->list.validity == 0)
		result = uidvalidity_next(maildir_root(f->maildir), &f->list.validity, why);
	for (size_t i = 0; i < f->list.count; i++)
		stale += !is_there(&f->list.records[i], &keeping);
	first = f->list.count;
	if (result == 0 && count)
		history_pass_given(f->index, f->maildir, f->name, &f->list);
	for (size_t i = 0; result == 0 && i < count; i++) {
		uint32_t uid;

		result = uidlist_add(&f->list, unknown[i].base, &uid, why);
	}
	if (result < 0)
		return -1;
	if (!uidlist_on_disk(&f->list))
		folder_adopt_uidls(f);
	if (stale && stale * 4 >= f->list.count)
		return uidlist_rewrite(&f->list, f->dir, is_there, &keeping, why);
	return uidlist_write(&f->list, f->dir, first, why);
}

int
folder_assign_uids(struct folder *f, struct scan *s, bool held, struct fault *why)
{
	struct dotlock lock = {0};
	struct fault   own = {0};
	int            result = -1;

	if (!held && folder_lock(f, &lock, why) < 0)
		return -1;
	if (scan_read(s, f->new_dir, f->cur_dir, true, &own) == 0
		&& uidlist_refresh(&f->list, f->dir, NULL, &own) == 0)
		result = assign_uids(f, s, &own);
	dotlock_release(&lock);
	if (result < 0) {
		if (why)
			*why = own;
		f->list.validity = 0; /* what memory holds was not written: read it anew */
	}
	return result;
}
