/* SPDX-License-Identifier: ISC */
/*
 * notify_sleep.c - what NOTIFY has told goes into the state of a session that sleeps, and comes out of it (sleep.h)
 *
 * The inotify descriptor goes to the login program as it is: whatever it hears of is reason to wake.  The new process watches
 * anew, then looks at everything and tells what differs from what was told.
 */
#include "base/clock.h"
#include "notify.h"
#include "notify_told.h"

/* Nothing is about to be looked at, and all can be told by name again. */
bool
notify_may_sleep(const struct imap_session *s)
{
	const struct notify *n = s->notify;
	size_t               watched = 0;

	if (n->watch.fd < 0 || n->foreign || n->tree_dirty || n->tree_twice || n->tree_due != CLOCK_NEVER || n->subscribed_dirty || n->metadata_dirty)
		return false;
	for (size_t i = 0; i < n->count; i++) {
		if (n->at[i].dirty && n->at[i].events && !notify_is_selected(s, n->at[i].space, n->at[i].folder))
			return false;
		watched += notify_mailbox_is_worth_watching(&n->at[i]);
	}
	return watched <= NOTIFY_SLEEP_MOST;
}

static void
add_mailboxes(const struct notify *n, struct arena *a, struct notify_told *t)
{
	t->mailbox_count = n->count;
	t->mailboxes = arena_alloc(a, (n->count + 1) * sizeof *t->mailboxes);
	for (size_t i = 0; i < n->count; i++) {
		const struct notify_mailbox *m = &n->at[i];

		t->mailboxes[i] = (struct told_mailbox){span_of(m->folder), m->device, m->inode, m->known, m->denied, m->told};
	}
}

static void
add_keys(const struct notify *n, struct arena *a, struct notify_told *t)
{
	struct span key;
	void       *hash;

	if (!n->space_count)
		return;
	t->keys = arena_alloc(a, (strmap_count(n->metadata[0]) + 1) * sizeof *t->keys);
	for (size_t at = 0; strmap_next(n->metadata[0], &at, &key, &hash);)
		t->keys[t->key_count++] = (struct told_key){key, (uint64_t)(uintptr_t)hash};
}

void
notify_save(const struct imap_session *s, struct text *out)
{
	const struct notify    *n = s->notify;
	autoarena struct arena *a = arena_new();
	struct notify_told      t = {.command = n->text.len ? n->text : SPAN("x NOTIFY NONE"), .utf8 = n->utf8,
		.subscribed_count = n->subscribed.count};

	add_mailboxes(n, a, &t);
	t.subscribed = arena_alloc(a, (n->subscribed.count + 1) * sizeof *t.subscribed);
	for (size_t i = 0; i < n->subscribed.count; i++)
		t.subscribed[i] = span_of(n->subscribed.names[i]);
	add_keys(n, a, &t);
	notify_told_write(&t, out);
}

/* Its directory is what was told of, whichever has the name by now. */
static void
take_mailboxes(struct imap_session *s, const struct notify_told *t)
{
	for (size_t i = 0; i < t->mailbox_count; i++) {
		const struct told_mailbox *told = &t->mailboxes[i];
		autofree char             *folder = mem_span(told->folder);
		struct notify_mailbox      m = notify_mailbox_make(s, 0, folder);

		m.device = told->device;
		m.inode = told->inode;
		m.known = told->known;
		m.denied = told->denied;
		m.told = told->status;
		m.dirty = true;
		notify_mailbox_add(s->notify, m);
	}
	notify_mailboxes_sort(s->notify);
}

void
notify_restore(struct imap_session *s, const struct notify_told *t)
{
	struct notify *n = s->notify;

	subscriptions_free(&n->subscribed);
	for (size_t i = 0; i < t->subscribed_count; i++) {
		n->subscribed.names = mem_grow(n->subscribed.names, n->subscribed.count + 1, sizeof *n->subscribed.names);
		n->subscribed.names[n->subscribed.count++] = mem_span(t->subscribed[i]);
	}
	for (size_t i = 0; i < t->key_count; i++)
		strmap_put(n->metadata[0], t->keys[i].key, (void *)(uintptr_t)t->keys[i].hash);
	take_mailboxes(s, t);
	n->tree_dirty = n->subscribed_dirty = n->metadata_dirty = true;
}
