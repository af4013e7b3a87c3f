/* SPDX-License-Identifier: ISC */
/*
 * notify_mailboxes.c - the mailboxes that NOTIFY watches: which there are, what was told of each
 *
 * A renamed mailbox is known by its directory's inode.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acl.h"
#include "base/clock.h"
#include "imap_config.h"
#include "names.h"
#include "notify.h"
#include "status.h"
#include "store/tree.h"

enum { QUIET_FACTOR = 10 };   /* a mailbox that takes 20 ms to look at is looked at every 200 ms at most */

/* ------------------------------------------------------------ which are meant */

static bool
is_below(const char *name, const char *parent)
{
	size_t len = strlen(parent);

	return len > 0 && strncmp(name, parent, len) == 0 && name[len] == '.';
}

size_t
notify_space_number(const struct imap_session *s, const struct space *in)
{
	return in && in->kind != SPACE_OWN ? (size_t)(in - s->spaces->at) + 1 : 0;
}

struct space *
notify_space(struct imap_session *s, size_t space)
{
	return space ? &s->spaces->at[space - 1] : &s->mine;
}

/* INBOX of another as Dovecot and SUBSCRIBE have it (do_mailbox.c). */
void
notify_subscription_name(struct imap_session *s, size_t space, const char *folder, struct text *out)
{
	if (space)
		name_of(notify_space(s, space), folder, out);
	else
		text_add_string(out, *folder ? folder : "INBOX");
	if (space && !*folder)
		text_add_format(out, "%sINBOX", imap_config.separator);
}

static bool
is_subscribed(struct imap_session *s, size_t space, const char *folder)
{
	autotext struct text name = {0};

	notify_subscription_name(s, space, folder, &name);
	return subscriptions_has(&s->notify->subscribed, text_span(&name));
}

/* Of others' mailboxes the whole name says what is below what. */
static bool
names_foreign(struct imap_session *s, const struct notify_group *g, size_t space, const char *folder, bool deep)
{
	autotext struct text full = {0};

	name_of(notify_space(s, space), folder, &full);
	for (size_t i = 0; i < g->name_count; i++) {
		struct span name = g->foreign[i];

		if (!name.len || full.len < name.len || memcmp(full.at, name.at, name.len) != 0)
			continue;
		if (full.len == name.len || (deep && full.at[name.len] == *imap_config.separator))
			return true;
	}
	return false;
}

static bool
names(const struct notify_group *g, const char *folder, bool deep)
{
	for (size_t i = 0; i < g->name_count; i++)
		if (g->folders[i] && (strcmp(g->folders[i], folder) == 0 || (deep && is_below(folder, g->folders[i]))))
			return true;
	return false;
}

static bool
matches(struct imap_session *s, const struct notify_group *g, size_t space, const char *folder)
{
	switch (g->filter) {
	case NOTIFY_SELECTED:
	case NOTIFY_SELECTED_DELAYED:
		return false;
	case NOTIFY_INBOXES: /* 6.3: a user's script may deliver into any */
	case NOTIFY_PERSONAL:
		return space == 0;
	case NOTIFY_SUBSCRIBED:
		return is_subscribed(s, space, folder);
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		return space ? names_foreign(s, g, space, folder, g->filter == NOTIFY_SUBTREE) : names(g, folder, g->filter == NOTIFY_SUBTREE);
	}
	return false;
}

unsigned
notify_events_of(struct imap_session *s, size_t space, const char *folder)
{
	const struct notify *n = s->notify;
	unsigned             events = 0;

	for (size_t i = 0; i < n->request.count; i++)
		if (matches(s, &n->request.groups[i], space, folder))
			events |= n->request.groups[i].events;
	return events;
}

bool
notify_is_selected(const struct imap_session *s, size_t space, const char *folder)
{
	return s->folder && notify_space_number(s, s->in) == space && strcmp(s->folder->name, folder) == 0;
}

/* ------------------------------------------------------------ the list */

static int
order_of(const struct notify_mailbox *m, size_t space, const char *folder)
{
	return m->space != space ? (m->space < space ? -1 : 1) : strcmp(m->folder, folder);
}

struct notify_mailbox *
notify_mailbox_find(struct notify *n, size_t space, const char *folder)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int    order = order_of(&n->at[middle], space, folder);

		if (order == 0)
			return &n->at[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	const struct notify_mailbox *m = b;

	return order_of(a, m->space, m->folder);
}

static void
sort(struct notify *n)
{
	if (n->count)
		qsort(n->at, n->count, sizeof *n->at, compare);
}

static unsigned
rights_of(struct imap_session *s, size_t space, const char *folder)
{
	return !space && !acl_is_on() ? ACL_LOOKUP | ACL_READ : acl_rights_of(s, notify_space(s, space), folder);
}

static bool
is_denied(struct imap_session *s, size_t space, const char *folder)
{
	return (rights_of(s, space, folder) & (ACL_LOOKUP | ACL_READ)) != (ACL_LOOKUP | ACL_READ);
}

/* Of another's that may not be looked up nothing is said, until it may. */
static struct notify_mailbox
make(struct imap_session *s, size_t space, const char *folder)
{
	struct notify        *n = s->notify;
	autofree char        *entry = mem_format(".%s", folder);
	struct notify_mailbox m = {.space = space, .folder = mem_string(folder), .number = n->next_number++,
		.events = notify_events_of(s, space, folder), .denied = space && is_denied(s, space, folder)};
	struct stat           st;

	if (*folder && fstatat(maildir_root(notify_space(s, space)->maildir), entry, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		m.device = st.st_dev;
		m.inode = st.st_ino;
	}
	return m;
}

static void
add(struct notify *n, struct notify_mailbox m)
{
	n->at = mem_grow(n->at, n->count + 1, sizeof *n->at);
	n->at[n->count++] = m;
}

static void
forget(struct notify *n, struct notify_mailbox *m)
{
	if (m->watched)
		watch_many_drop(&n->watch, m->number);
	free(m->folder);
}

void
notify_mailboxes_free(struct notify *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->at[i].folder);
	free(take(n->at));
	n->count = 0;
}

/* ------------------------------------------------------------ watching one */

static bool
watch_part(struct imap_session *s, struct notify_mailbox *m, int dir, const char *part)
{
	autofree char *path = mem_format("%s/%s%s/%s", maildir_path(notify_space(s, m->space)->maildir), *m->folder ? "." : "", m->folder, part);
	autoclose int  fd = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && watch_many_add(&s->notify->watch, fd, path, m->number);
}

/* 5.9: where rights may come and go, the list of them is watched too (INBOX's lies in the root). */
static void
watch(struct imap_session *s, struct notify_mailbox *m)
{
	struct notify *n = s->notify;
	autoclose int  dir = maildir_folder_open(notify_space(s, m->space)->maildir, m->folder, NULL);

	m->watched = true;
	if (n->watch.fd < 0 || dir < 0)
		return;
	if (watch_part(s, m, dir, "new") && watch_part(s, m, dir, "cur") && ((!m->space && !acl_is_on()) || !*m->folder || watch_part(s, m, dir, ".")))
		return;
	watch_many_stop(&n->watch); /* used up: everything is looked at in turn */
	n->next_poll = clock_after(WATCH_POLL_MS);
}

static bool
is_worth_watching(const struct notify_mailbox *m)
{
	return m->events & NOTIFY_MESSAGES || (m->events && (m->space || acl_is_on()));
}

/* ------------------------------------------------------------ what is told of one */

static struct notify_status
status_of(const struct folder *f)
{
	struct notify_status st = {.messages = f->count, .next = f->list.next, .validity = f->list.validity,
		.modseq = f->modseq};

	for (size_t i = 0; i < f->count; i++)
		st.unseen += !(f->messages[i].flags & MESSAGE_SEEN);
	return st;
}

/* 5: all events want l and r.  What is lost and granted again is told (5.9). */
static bool
may_look(struct imap_session *s, struct notify_mailbox *m)
{
	bool denied = is_denied(s, m->space, m->folder);

	if (denied && !m->denied && !tree_exists(notify_space(s, m->space)->maildir, m->folder)) {
		s->notify->tree_dirty = true; /* it is gone: the tree will tell */
		return false;
	}
	if (denied != m->denied)
		notify_tell_name(s, m->space, m->folder, NULL, denied ? NOTIFY_NO_ACCESS : 0);
	m->denied = denied;
	return !denied;
}

static unsigned
news(const struct imap_session *s, struct notify_mailbox *m, const struct notify_status *now)
{
	const struct notify_status *told = &m->told;
	bool     other = now->validity != told->validity;
	unsigned items = 0;

	if (now->messages != told->messages || now->next != told->next || other)
		items |= STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY;
	else if (m->own)
		return 0;
	if (m->events & NOTIFY_FLAG_CHANGE) {
		if (now->unseen != told->unseen || other)
			items |= STATUS_UNSEEN | STATUS_UIDVALIDITY;
		if (s->manner.condstore && now->modseq != told->modseq)
			items |= STATUS_UIDVALIDITY;
	}
	return items && s->manner.condstore ? items | STATUS_HIGHESTMODSEQ : items;
}

static void
look(struct imap_session *s, struct notify_mailbox *m)
{
	int64_t              began = clock_now();
	autotext struct text name = {0};
	struct folder       *f;
	struct notify_status now;
	unsigned             items;

	m->dirty = false;
	if (!may_look(s, m) || !(m->events & NOTIFY_MESSAGES))
		return;
	if (imap_open_in(s, notify_space(s, m->space), m->folder, FOLDER_READ_ONLY, &f) < 0) {
		fault_clear(&s->why); /* gone: the tree will tell */
		return;
	}
	now = status_of(f);
	if (!m->known) /* it has just come */
		m->told = (struct notify_status){.next = 1, .validity = now.validity, .modseq = now.messages ? 0 : now.modseq};
	m->known = true;
	items = news(s, m, &now);
	if (items) {
		name_of(notify_space(s, m->space), m->folder, &name);
		status_tell_of(s, text_span(&name), f, items);
	}
	m->told = now;
	m->own = false;
	folder_close(f);
	m->quiet = clock_now() + QUIET_FACTOR * (clock_now() - began);
}

/* So that it is known what is new. */
static void
take_first_look(struct imap_session *s, struct notify_mailbox *m)
{
	struct folder *f;

	if (!may_look(s, m) || !(m->events & NOTIFY_MESSAGES))
		return;
	if (imap_open_in(s, notify_space(s, m->space), m->folder, FOLDER_READ_ONLY, &f) < 0) {
		fault_clear(&s->why);
		return;
	}
	m->told = status_of(f);
	m->known = true;
	folder_close(f);
}

/* Watched first, then looked at: nothing falls between. */
static void
watch_all(struct imap_session *s)
{
	struct notify *n = s->notify;

	for (size_t i = 0; i < n->count; i++) {
		struct notify_mailbox *m = &n->at[i];

		if (m->watched || !is_worth_watching(m) || notify_is_selected(s, m->space, m->folder))
			continue;
		watch(s, m);
		if (!m->known && !m->dirty)
			take_first_look(s, m);
	}
}

void
notify_mailboxes_tell(struct imap_session *s)
{
	struct notify *n = s->notify;

	watch_all(s);
	for (size_t i = 0; i < n->count && !s->over; i++) {
		struct notify_mailbox *m = &n->at[i];

		if (m->dirty && m->events && !notify_is_selected(s, m->space, m->folder) && clock_left(m->quiet) == 0)
			look(s, m);
	}
}

void
notify_mailboxes_weigh(struct imap_session *s)
{
	struct notify *n = s->notify;

	for (size_t i = 0; i < n->count; i++) {
		struct notify_mailbox *m = &n->at[i];

		m->events = notify_events_of(s, m->space, m->folder);
		if (is_worth_watching(m) || !m->watched)
			continue;
		watch_many_drop(&n->watch, m->number);
		m->watched = m->known = m->dirty = false;
	}
}

/* 3.1: what a STATUS must have depends on the events. */
void
notify_mailboxes_status(struct imap_session *s)
{
	struct notify *n = s->notify;

	for (size_t i = 0; i < n->count; i++) {
		struct notify_mailbox *m = &n->at[i];
		autotext struct text   name = {0};
		unsigned               items = STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY;

		if (!(m->events & NOTIFY_MESSAGES) || m->denied || notify_is_selected(s, m->space, m->folder))
			continue;
		if (m->events & NOTIFY_FLAG_CHANGE)
			items |= STATUS_UNSEEN | STATUS_HIGHESTMODSEQ;
		if (s->manner.condstore)
			items |= STATUS_HIGHESTMODSEQ;
		name_of(notify_space(s, m->space), m->folder, &name);
		if (status_tell(s, text_span(&name), notify_space(s, m->space), m->folder, items) < 0)
			fault_clear(&s->why);
	}
}

/* What the view has not told yet, STATUS will. */
void
notify_deselected(struct imap_session *s)
{
	struct notify_mailbox *m = s->notify && s->folder
		? notify_mailbox_find(s->notify, notify_space_number(s, s->in), s->folder->name) : NULL;

	if (!m)
		return;
	m->told = status_of(s->folder);
	m->known = true;
	if (s->view.generation != s->folder->generation || s->view.behind || s->view.missing)
		m->told.next = 0;
	if (s->view.untold)
		m->told.unseen = SIZE_MAX;
	m->dirty = true;
}

/* ------------------------------------------------------------ mailboxes that come and go */

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
		count += is_worth_watching(&n->at[i]);
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
			add(n, make(s, space, ""));
		for (size_t i = 0; i < t.count; i++)
			add(n, make(s, space, t.names[i]));
		tree_free(&t);
	}
	sort(n);
	if (too_many(count_watched(n)))
		return fault_set(&s->why, FAULT_DENIED, "too many mailboxes");
	watch_all(s);
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

		if (was[i].space != space || !is_below(from, was[i].folder))
			continue;
		now = find_inode(n->at, n->count, &was[i]);
		if (now && strcmp(now->folder, was[i].folder) != 0 && is_below(to, now->folder)
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
	struct notify_mailbox m = make(s, space, folder), *old = *folder ? find_inode(was, count, &m) : NULL;

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
			add(n, inherit(s, space, "", was, count));
		for (size_t i = 0; i < trees[space].count; i++)
			add(n, inherit(s, space, trees[space].names[i], was, count));
	}
	for (size_t space = 0; space < n->space_count; space++)
		tree_free(&trees[space]);
	if (!seen) { /* not now: later what has come and gone is told */
		fault_clear(&s->why);
		n->at = was;
		n->count = count;
		return true;
	}
	sort(n);
	tell_difference(s, was, count);
	for (size_t i = 0; i < count; i++)
		forget(n, &was[i]);
	free(was);
	if (too_many(count_watched(n)))
		return false;
	watch_all(s);
	return true;
}

void
notify_own_created(struct imap_session *s, const struct space *in, const char *folder)
{
	struct notify *n = s->notify;
	size_t         space = notify_space_number(s, in);

	if (!n || !n->others || space >= n->space_count || notify_mailbox_find(n, space, folder))
		return;
	add(n, make(s, space, folder));
	sort(n);
	watch_all(s);
}

void
notify_own_deleted(struct imap_session *s, const struct space *in, const char *folder)
{
	struct notify         *n = s->notify;
	struct notify_mailbox *m = n ? notify_mailbox_find(n, notify_space_number(s, in), folder) : NULL;

	if (!m)
		return;
	forget(n, m);
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

		if (m->space != space || (strcmp(m->folder, from) != 0 && !is_below(m->folder, from)))
			continue;
		char *name = mem_format("%s%s", to, m->folder + strlen(from));

		free(m->folder);
		m->folder = name;
		m->events = notify_events_of(s, space, name);
	}
	sort(n);
	watch_all(s);
}
