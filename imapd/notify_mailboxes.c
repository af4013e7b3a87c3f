/* SPDX-License-Identifier: ISC */
/*
 * notify_mailboxes.c - the mailboxes that NOTIFY watches: the list of them, and what was told of each
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acl.h"
#include "base/clock.h"
#include "names.h"
#include "notify.h"
#include "status.h"
#include "store/tree.h"

enum { QUIET_FACTOR = 10 };   /* a mailbox that takes 20 ms to look at is looked at every 200 ms at most */

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

void
notify_mailboxes_sort(struct notify *n)
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
struct notify_mailbox
notify_mailbox_make(struct imap_session *s, size_t space, const char *folder)
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

void
notify_mailbox_add(struct notify *n, struct notify_mailbox m)
{
	n->at = mem_grow(n->at, n->count + 1, sizeof *n->at);
	n->at[n->count++] = m;
}

void
notify_mailbox_forget(struct notify *n, struct notify_mailbox *m)
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

bool
notify_mailbox_is_worth_watching(const struct notify_mailbox *m)
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
void
notify_mailboxes_watch(struct imap_session *s)
{
	struct notify *n = s->notify;

	for (size_t i = 0; i < n->count; i++) {
		struct notify_mailbox *m = &n->at[i];

		if (m->watched || !notify_mailbox_is_worth_watching(m) || notify_is_selected(s, m->space, m->folder))
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

	notify_mailboxes_watch(s);
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
		if (notify_mailbox_is_worth_watching(m) || !m->watched)
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
