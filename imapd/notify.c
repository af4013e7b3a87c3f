/* SPDX-License-Identifier: ISC */
/*
 * notify.c - NOTIFY (RFC 5465): the command, and telling while no command runs
 */
#include "notify.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "command.h"
#include "imap_config.h"
#include "names.h"
#include "store/attributes.h"

enum {
	WRITE_MS = 60000,
	SETTLE_MS = 50, SETTLE_MOST = 500,   /* a RENAME is many renames: the tree is looked at when they are over */
	AGAIN_MS = 1000                      /* and once more: cur/ of a new mailbox comes after it, untold */
};

void
notify_free(struct notify *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->request.count; i++)
		for (size_t k = 0; k < n->request.groups[i].name_count; k++)
			free(n->request.groups[i].folders[k]);
	watch_many_stop(&n->watch);
	notify_mailboxes_free(n);
	subscriptions_free(&n->subscribed);
	for (size_t i = 0; i < n->space_count; i++)
		strmap_free(n->metadata[i], NULL);
	free(n->metadata);
	free(n->selected);
	arena_free(n->arena);
	free(n);
}

/* ------------------------------------------------------------ the selected mailbox */

unsigned
notify_selected_news(const struct notify *n)
{
	unsigned events = n->request.selected ? n->request.selected->events : 0, news = 0;

	news |= events & NOTIFY_MESSAGE_NEW ? VIEW_NEW : 0;
	news |= events & NOTIFY_MESSAGE_EXPUNGE ? VIEW_EXPUNGES : 0;
	news |= events & NOTIFY_FLAG_CHANGE ? VIEW_FLAGS : 0;
	return news;
}

bool
notify_delays_expunges(const struct notify *n)
{
	return n->request.selected && n->request.selected->filter == NOTIFY_SELECTED_DELAYED;
}

const struct fetch_items *
notify_new_items(const struct notify *n)
{
	const struct notify_group *g = n->request.selected;

	return g && g->fetches ? &g->items : NULL;
}

void
notify_own_added(struct imap_session *s, const struct space *in, const char *folder, const uint32_t *uids, size_t count)
{
	struct notify         *n = s->notify;
	size_t                 space = notify_space_number(s, in);
	struct notify_mailbox *m;

	if (count == 0)
		return;
	if (notify_is_selected(s, space, folder)) {
		if (!s->contexts && !(n && notify_selected_news(n) & VIEW_NEW))
			return;
		s->own = mem_grow(s->own, s->own_count + count, sizeof *s->own);
		memcpy(s->own + s->own_count, uids, count * sizeof *uids);
		s->own_count += count;
		return;
	}
	if (!n)
		return;
	m = notify_mailbox_find(n, space, folder);
	if (!m || !m->known)
		return;
	m->told.messages += count;
	if (uids[0] == m->told.next)
		m->told.next = uids[count - 1] + 1;
	m->own = m->dirty = true;
}

/* ------------------------------------------------------------ waiting */

static void
hear_of_root(struct notify *n, size_t space, struct span name)
{
	struct notify_mailbox *inbox;

	if (span_is(name, "subscriptions") || span_is(name, "courierimapsubscribed")) {
		n->subscribed_dirty |= space == 0;
	} else if (span_is(name, "dovecot-attributes")) {
		n->metadata_dirty = true;
	} else if (span_is(name, "dovecot-acl")) {
		if ((inbox = notify_mailbox_find(n, space, "")))
			inbox->dirty = true;
	} else if (span_starts(name, ".") && !span_starts(name, "..")) {
		if (!n->tree_twice)
			n->tree_latest = clock_after(SETTLE_MOST);
		n->tree_twice = true;
		n->tree_due = clock_after(SETTLE_MS) < n->tree_latest ? clock_after(SETTLE_MS) : n->tree_latest;
	}
}

static void
others_are_dirty(struct notify *n)
{
	for (size_t i = 0; i < n->count; i++)
		n->at[i].dirty |= n->at[i].space != 0;
}

static void
everything_is_dirty(struct notify *n)
{
	n->tree_dirty = n->subscribed_dirty = n->metadata_dirty = true;
	for (size_t i = 0; i < n->count; i++)
		n->at[i].dirty = true;
}

static void
hear(struct notify *n)
{
	uint32_t    number;
	struct span name;

	while (watch_many_next(&n->watch, &number, &name)) {
		if (number == WATCH_LOST)
			everything_is_dirty(n);
		else if (number == NOTIFY_NUMBER_ROOT)
			hear_of_root(n, 0, name);
		else if (number >= NOTIFY_NUMBER_FOREIGN && number < NOTIFY_NUMBER_FIRST)
			hear_of_root(n, number - NOTIFY_NUMBER_FOREIGN + 1, name);
		else if (number == NOTIFY_NUMBER_PRIVATE || (number == NOTIFY_NUMBER_SELECTED && n->private_is_selected))
			others_are_dirty(n);
		else if (number >= NOTIFY_NUMBER_FIRST && (!span_starts(name, "dovecot-") || span_is(name, "dovecot-acl")))
			for (size_t i = 0; i < n->count; i++)
				n->at[i].dirty |= n->at[i].number == number;
	}
	if (n->watch.fd < 0 && clock_left(n->next_poll) == 0) {
		everything_is_dirty(n);
		n->next_poll = clock_after(WATCH_POLL_MS);
	}
	if (clock_left(n->tree_due) == 0) {
		n->tree_dirty = true;
		n->tree_due = n->tree_twice ? clock_after(AGAIN_MS) : CLOCK_NEVER;
		n->tree_twice = false;
	}
}

/* Where inotify is used up, everything is looked at in turn. */
static void
add_watch(struct notify *n, int dir, const char *path, uint32_t number)
{
	if (n->watch.fd < 0 || watch_many_add(&n->watch, dir, path, number))
		return;
	watch_many_stop(&n->watch);
	n->next_poll = clock_after(WATCH_POLL_MS);
}

static void
watch_spaces(struct imap_session *s)
{
	struct notify *n = s->notify;

	for (size_t i = 0; n->foreign && s->spaces && i < s->spaces->count; i++) {
		const struct maildir *m = s->spaces->at[i].maildir;

		add_watch(n, maildir_root(m), maildir_path(m), NOTIFY_NUMBER_FOREIGN + (uint32_t)i);
		if (maildir_private(m) >= 0)
			add_watch(n, maildir_private(m), "", NOTIFY_NUMBER_PRIVATE);
	}
	n->private_is_selected = false;
}

/* The selected mailbox is watched as such, its number as another one's comes back when it is left. */
static void
watch_selected(struct imap_session *s)
{
	struct notify         *n = s->notify;
	struct notify_mailbox *m;
	const char            *name = s->folder ? s->folder->name : NULL;
	autofree char         *base = name ? mem_format("%s/%s%s", maildir_path(s->folder->maildir), *name ? "." : "", name) : NULL;

	if (name && n->selected && strcmp(base, n->selected) == 0)
		return;
	if (n->selected)
		watch_many_drop(&n->watch, NOTIFY_NUMBER_SELECTED);
	if (n->private_is_selected)
		watch_spaces(s);
	free(take(n->selected));
	if (!name)
		return;
	autofree char *new = mem_format("%s/new", base), *cur = mem_format("%s/cur", base);

	add_watch(n, s->folder->new_dir, new, NOTIFY_NUMBER_SELECTED);
	add_watch(n, s->folder->cur_dir, cur, NOTIFY_NUMBER_SELECTED);
	if (maildir_private(s->folder->maildir) >= 0) {
		add_watch(n, maildir_private(s->folder->maildir), "", NOTIFY_NUMBER_SELECTED);
		n->private_is_selected = n->foreign;
	}
	n->selected = mem_string(base);
	if ((m = notify_mailbox_find(n, notify_space_number(s, s->in), name)))
		m->watched = false;
}

static void
overflow(struct imap_session *s) /* 5.8: as if NOTIFY NONE had come */
{
	imap_say(s, "* OK [NOTIFICATIONOVERFLOW] There are more mailboxes than can be watched.");
	notify_free(take(s->notify));
	s->notify = mem_alloc(sizeof *s->notify);
	s->notify->watch.fd = -1;
	s->notify->tree_due = s->notify->next_poll = CLOCK_NEVER;
}

void
notify_look(struct imap_session *s)
{
	struct notify *n = s->notify;

	if (!n || s->over)
		return;
	watch_selected(s);
	hear(n);
	if (!n->others)
		return;
	if (n->tree_dirty && !notify_mailboxes_look(s)) {
		overflow(s);
		return;
	}
	if (n->subscribed_dirty)
		notify_subscribed_look(s);
	if (n->metadata_dirty)
		notify_metadata_look(s);
	notify_mailboxes_tell(s);
}

int
notify_fd(const struct imap_session *s)
{
	return s->notify->watch.fd;
}

int
notify_timeout(const struct imap_session *s)
{
	const struct notify *n = s->notify;
	int64_t              next = n->tree_due;

	if (n->watch.fd < 0 && n->next_poll < next)
		next = n->next_poll;
	for (size_t i = 0; i < n->count; i++)
		if (n->at[i].dirty && n->at[i].events && !notify_is_selected(s, n->at[i].space, n->at[i].folder)
			&& n->at[i].quiet < next)
			next = n->at[i].quiet;
	return clock_left(next);
}

static int
nearer(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

void
notify_wait(struct imap_session *s, int64_t deadline)
{
	s->command = (struct command){0};
	while (!s->over && clock_left(deadline) != 0) {
		struct pollfd fds[2] = {{conn_fd(s->conn), POLLIN, 0}, {notify_fd(s), POLLIN, 0}};

		conn_deadline(s->conn, clock_after(WRITE_MS));
		notify_look(s); /* it begins to watch what was just selected: so it comes first */
		imap_sync(s);
		imap_flush_out(s);
		if (!s->over && conn_flush(s->conn, NULL) < 0) {
			s->over = true;
			s->end = "Connection closed";
		}
		arena_reset(s->arena);
		if (s->over || conn_input_waits(s->conn))
			return;
		fds[1].fd = notify_fd(s);
		if (poll(fds, 2, nearer(clock_left(deadline), notify_timeout(s))) < 0 && errno != EINTR)
			return;
		if (conn_input_waits(s->conn))
			return;
	}
}

/* ------------------------------------------------------------ the command */

/* Kept beyond the command: the whole of it once more, in an arena of its own. */
static int
keep_request(struct imap_session *s, struct notify *n, struct span text)
{
	struct command c;

	n->arena = arena_new();
	n->text = arena_span(n->arena, text);
	n->utf8 = s->manner.utf8;
	if (grammar_parse(n->arena, n->text, &c, &s->why) < 0)
		return -1;
	return notify_parse(n->arena, c.arguments, &n->request, &s->why);
}

static void
name_one(struct imap_session *s, struct notify *n, struct span name, char **folder, struct span *foreign)
{
	autofree char       *found = NULL;
	autotext struct text full = {0};
	struct space        *in;

	if (name_find(s, name, &in, &found, &s->why) < 0) {
		fault_clear(&s->why);
		if (name_is_foreign(name) || name_is_above_foreign(name))
			text_add(&full, name);
	} else if (in->kind == SPACE_OWN) {
		*folder = take(found);
	} else {
		name_of(in, found, &full);
	}
	*foreign = arena_span(n->arena, text_span(&full));
	n->foreign |= full.len > 0;
}

/* 3.1: what does not exist, or may not be looked up, is as if it did not: it may come. */
static void
name_folders(struct imap_session *s, struct notify *n)
{
	for (size_t i = 0; i < n->request.count; i++) {
		struct notify_group   *g = &n->request.groups[i];
		const struct argument *a = g->names;

		g->folders = arena_alloc(n->arena, (g->name_count + 1) * sizeof *g->folders);
		g->foreign = arena_alloc(n->arena, (g->name_count + 1) * sizeof *g->foreign);
		for (size_t k = 0; k < g->name_count; k++, a = a->next)
			name_one(s, n, a->text, &g->folders[k], &g->foreign[k]);
		n->foreign |= g->filter == NOTIFY_SUBSCRIBED && s->spaces && s->spaces->count;
		if (g->filter > NOTIFY_SELECTED_DELAYED)
			n->others |= g->events;
	}
}

static void
begin(struct imap_session *s, struct notify *n)
{
	watch_many_start(&n->watch);
	n->next_number = NOTIFY_NUMBER_FIRST;
	n->tree_due = CLOCK_NEVER;
	n->next_poll = clock_after(WATCH_POLL_MS);
	n->space_count = n->foreign && s->spaces ? s->spaces->count + 1 : 1;
	n->metadata = mem_array(n->space_count, sizeof *n->metadata);
	for (size_t i = 0; i < n->space_count; i++)
		n->metadata[i] = strmap_new();
	add_watch(n, maildir_root(s->maildir), maildir_path(s->maildir), NOTIFY_NUMBER_ROOT);
	s->notify = n;
	watch_spaces(s);
}

static void
start(struct imap_session *s, struct notify *n)
{
	struct notify *before = s->notify;

	begin(s, n);
	if (n->others && (notify_names_start(s, n) < 0 || notify_mailboxes_start(s, n) < 0)) {
		s->notify = before;
		notify_free(n);
		if (s->why.class == FAULT_DENIED)
			imap_finish(s, "NO [NOTIFICATIONOVERFLOW] There are more mailboxes than can be watched.");
		else
			imap_finish_fault(s, "Notify failed");
		return;
	}
	notify_free(before);
	watch_selected(s);
	if (n->request.status)
		notify_mailboxes_status(s);
	imap_finish_synced(s, "OK Notify completed.");
}

void
do_notify(struct imap_session *s)
{
	struct notify *n = mem_alloc(sizeof *n);

	n->watch.fd = -1;
	if (keep_request(s, n, text_span(&s->input->text)) < 0) {
		imap_finish(s, "BAD %s.", fault_text(&s->why));
	} else if (n->request.unsupported) {
		autotext struct text known = {0};

		notify_add_events(&known);
		imap_finish(s, "NO [BADEVENT (%s)] Not all of these events are known here.", text_string(&known));
	} else {
		name_folders(s, n);
		start(s, n);
		return;
	}
	n->request.count = 0; /* no names of folders yet */
	notify_free(n);
}

int
notify_wake(struct imap_session *s, struct span state, struct fault *why)
{
	struct notify     *n = mem_alloc(sizeof *n);
	struct notify_told told;
	bool               utf8 = s->manner.utf8;

	n->watch.fd = -1;
	if (notify_told_read(s->arena, state, &told, &s->why) < 0 || keep_request(s, n, told.command) < 0) {
		*why = s->why;
		fault_clear(&s->why);
		n->request.count = 0;
		notify_free(n);
		return -1;
	}
	s->manner.utf8 = n->utf8 = told.utf8;
	name_folders(s, n);
	s->manner.utf8 = utf8;
	n->foreign = false; /* as it was: who has begun to share is seen by the next NOTIFY */
	begin(s, n);
	notify_restore(s, &told);
	return 0;
}
