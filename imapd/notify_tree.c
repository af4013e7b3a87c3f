/* SPDX-License-Identifier: ISC */
/*
 * notify_tree.c - mailboxes that come and go while NOTIFY watches them (RFC 5465, 5.4)
 *
 * A renamed mailbox is known by its directory's inode.
 */
#include <stdlib.h>

#include "imap_config.h"
#include "notify.h"
#include "store/tree.h"

static bool
too_many(size_t count)
{
	return count > (size_t)imap_config.notify_mailboxes;
}

static size_t
count_watched(const struct notify *n)
{
	size_t count = 0;

	for (size_t i = 0; i < n->count; i++)
		count += notify_mailbox_is_worth_watching(&n->at[i]);
	return count;
}

int
notify_mailboxes_start(struct imap_session *s, struct notify *n)
{
	for (size_t space = 0; space < n->space_count; space++) {
		struct tree t;

		if (tree_list(notify_space(s, space)->maildir, &t, &s->why) < 0) {
			if (!space)
				return -1;
			fault_clear(&s->why); /* not to be seen just now */
			continue;
		}
		if (notify_space(s, space)->kind != SPACE_PUBLIC)
			notify_mailbox_add(n, notify_mailbox_make(s, space, ""));
		for (size_t i = 0; i < t.count; i++)
			notify_mailbox_add(n, notify_mailbox_make(s, space, t.names[i]));
		tree_free(&t);
	}
	notify_mailboxes_sort(n);
	if (too_many(count_watched(n)))
		return fault_set(&s->why, FAULT_DENIED, "too many mailboxes");
	notify_mailboxes_watch(s);
	return 0;
}

static struct notify_mailbox *
find_inode(struct notify_mailbox *at, size_t count, const struct notify_mailbox *m)
{
	for (size_t i = 0; i < count; i++)
		if (at[i].inode == m->inode && at[i].device == m->device && at[i].space == m->space && m->inode)
			return &at[i];
	return NULL;
}

static void
tell_if_wanted(struct imap_session *s, size_t space, const char *folder, const char *old, unsigned flags)
{
	unsigned events = notify_events_of(s, space, folder) | (old ? notify_events_of(s, space, old) : 0);

	if (events & NOTIFY_MAILBOX_NAME)
		notify_tell_name(s, space, folder, old, flags);
}

/* 5.4: the direct parent is affected, too. */
static void
tell_parent(struct imap_session *s, size_t space, const char *folder)
{
	autofree char               *parent = mem_string(folder);
	char                        *dot = strrchr(parent, '.');
	const struct notify_mailbox *there;

	if (!dot)
		return;
	*dot = '\0';
	there = notify_mailbox_find(s->notify, space, parent);
	if (!space || (there && !there->denied))
		tell_if_wanted(s, space, parent, NULL, there ? 0 : NOTIFY_GONE);
}

/* Did the mailbox above go along, so that this one is not told of (5.4)? */
static bool
went_with_parent(const struct notify_mailbox *was, size_t count, size_t space, const char *from, const char *to, struct notify *n)
{
	for (size_t i = 0; i < count; i++) {
		const struct notify_mailbox *now;
		size_t len = strlen(was[i].folder);

		if (was[i].space != space || !notify_is_below(from, was[i].folder))
			continue;
		now = find_inode(n->at, n->count, &was[i]);
		if (now && strcmp(now->folder, was[i].folder) != 0 && notify_is_below(to, now->folder)
			&& strcmp(to + strlen(now->folder), from + len) == 0)
			return true;
	}
	return false;
}

/* `was` is the old list; n->at the new one. */
static void
tell_difference(struct imap_session *s, struct notify_mailbox *was, size_t count)
{
	struct notify *n = s->notify;

	for (size_t i = 0; i < count; i++) {
		const struct notify_mailbox *same = notify_mailbox_find(n, was[i].space, was[i].folder);

		if (same || (was[i].space && was[i].denied) || find_inode(n->at, n->count, &was[i]))
			continue;
		tell_if_wanted(s, was[i].space, was[i].folder, NULL, NOTIFY_GONE);
		tell_parent(s, was[i].space, was[i].folder);
	}
	for (size_t i = 0; i < n->count; i++) {
		struct notify_mailbox *m = &n->at[i], *old = find_inode(was, count, m);

		if (!*m->folder || (m->space && m->denied) || (old && strcmp(old->folder, m->folder) == 0))
			continue;
		if (!old) {
			tell_if_wanted(s, m->space, m->folder, NULL, 0);
			tell_parent(s, m->space, m->folder);
			m->dirty = true;
		} else if (!went_with_parent(was, count, m->space, old->folder, m->folder, n)) {
			tell_if_wanted(s, m->space, m->folder, m->space && old->denied ? NULL : old->folder, 0);
		}
	}
}

/* What is known of a mailbox goes along with its directory. */
static struct notify_mailbox
inherit(struct imap_session *s, size_t space, const char *folder, struct notify_mailbox *was, size_t count)
{
	struct notify_mailbox m = notify_mailbox_make(s, space, folder), *old = *folder ? find_inode(was, count, &m) : NULL;

	for (size_t i = 0; !old && !*folder && i < count; i++)
		old = *was[i].folder || was[i].space != space ? NULL : &was[i];
	if (old) {
		struct notify_mailbox copy = *old;

		copy.folder = m.folder;
		copy.events = m.events;
		copy.dirty |= strcmp(old->folder, folder) != 0;
		old->watched = false; /* the new one has it now */
		return copy;
	}
	return m;
}

bool
notify_mailboxes_look(struct imap_session *s)
{
	struct notify         *n = s->notify;
	struct notify_mailbox *was = n->at;
	size_t                 count = n->count;
	autofree struct tree  *trees = mem_array(n->space_count, sizeof *trees);
	bool                   seen = true;

	n->tree_dirty = false;
	for (size_t space = 0; space < n->space_count; space++)
		seen &= tree_list(notify_space(s, space)->maildir, &trees[space], &s->why) == 0;
	n->at = NULL;
	n->count = 0;
	for (size_t space = 0; seen && space < n->space_count; space++) {
		if (notify_space(s, space)->kind != SPACE_PUBLIC)
			notify_mailbox_add(n, inherit(s, space, "", was, count));
		for (size_t i = 0; i < trees[space].count; i++)
			notify_mailbox_add(n, inherit(s, space, trees[space].names[i], was, count));
	}
	for (size_t space = 0; space < n->space_count; space++)
		tree_free(&trees[space]);
	if (!seen) { /* not now: later what has come and gone is told */
		fault_clear(&s->why);
		n->at = was;
		n->count = count;
		return true;
	}
	notify_mailboxes_sort(n);
	tell_difference(s, was, count);
	for (size_t i = 0; i < count; i++)
		notify_mailbox_forget(n, &was[i]);
	free(was);
	if (too_many(count_watched(n)))
		return false;
	notify_mailboxes_watch(s);
	return true;
}

void
notify_own_created(struct imap_session *s, const struct space *in, const char *folder)
{
	struct notify *n = s->notify;
	size_t         space = notify_space_number(s, in);

	if (!n || !n->others || space >= n->space_count || notify_mailbox_find(n, space, folder))
		return;
	notify_mailbox_add(n, notify_mailbox_make(s, space, folder));
	notify_mailboxes_sort(n);
	notify_mailboxes_watch(s);
}

void
notify_own_deleted(struct imap_session *s, const struct space *in, const char *folder)
{
	struct notify         *n = s->notify;
	struct notify_mailbox *m = n ? notify_mailbox_find(n, notify_space_number(s, in), folder) : NULL;

	if (!m)
		return;
	notify_mailbox_forget(n, m);
	memmove(m, m + 1, (size_t)(n->at + --n->count - m) * sizeof *m);
}

void
notify_own_renamed(struct imap_session *s, const struct space *in, const char *from, const char *to)
{
	struct notify *n = s->notify;
	size_t         space = notify_space_number(s, in);

	if (!n)
		return;
	if (!*from) {
		notify_own_created(s, in, to);
		return;
	}
	for (size_t i = 0; i < n->count; i++) {
		struct notify_mailbox *m = &n->at[i];

		if (m->space != space || (strcmp(m->folder, from) != 0 && !notify_is_below(m->folder, from)))
			continue;
		char *name = mem_format("%s%s", to, m->folder + strlen(from));

		free(m->folder);
		m->folder = name;
		m->events = notify_events_of(s, space, name);
	}
	notify_mailboxes_sort(n);
	notify_mailboxes_watch(s);
}
