/* SPDX-License-Identifier: ISC */
/*
 * folder_follow.c - an open mailbox that changes often is followed name by name
 *
 * Looking at a mailbox anew costs time for every message that is in it, and a session that
 * changes something would have to do that each time, since its own change makes the directory's
 * time as new as anybody's.  From its first change on a session therefore lets inotify tell the names
 * that came and went.  A name is looked at when it is told, and only what is simple is
 * believed: other flags of a message that is known, and a message that the uidlist already has.
 * Everything else (a file is gone, or has no UID, or events were lost) is left to the full
 * look, which knows how to judge it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/folder_private.h"
#include "store/watch.h"

enum { NEW = 1, CUR = 2 };

struct told {
	char    *name;               /* owned; NULL: not there when looked for */
	uint16_t base_len;
	bool     in_new;
	uint32_t uid;
};

struct telling {
	struct told   *at;
	size_t         count, room;
	struct strmap *by_base;      /* index + 1 */
};

void
folder_follow_start(struct folder *f)
{
	struct watch_many *w;

	if (f->watch || f->seen || !watch_sees_all(f->dir))
		return;
	w = mem_alloc(sizeof *w);
	watch_many_start(w);
	autofree char *stem = mem_format("%s/%s%s", maildir_path(f->maildir), *f->name ? "." : "", f->name);
	autofree char *new = mem_format("%s/new", stem), *cur = mem_format("%s/cur", stem);

	f->watch = w;
	if (!watch_many_add(w, f->new_dir, new, NEW) || !watch_many_add(w, f->cur_dir, cur, CUR))
		folder_follow_stop(f);
}

void
folder_follow_stop(struct folder *f)
{
	if (!f->watch)
		return;
	watch_many_stop(f->watch);
	free(take(f->watch));
	f->scanned = f->changes = false;
}

static void
telling_free(struct telling *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->at[i].name);
	free(t->at);
	strmap_free(t->by_base, NULL);
}

static bool
is_file(const struct folder *f, const char *name, bool in_new)
{
	struct stat st;

	return fstatat(in_new ? f->new_dir : f->cur_dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* What counts is what is there now, whatever the event was.  False: there are two files of one base. */
static bool
note_name(struct folder *f, struct telling *t, struct span name, bool in_new)
{
	ptrdiff_t    colon = span_find(name, ':');
	struct span  base = colon < 0 ? name : span_first(name, (size_t)colon);
	size_t       at = (size_t)(uintptr_t)strmap_get(t->by_base, base);
	struct told *told;

	if (!at) {
		if (t->count == t->room) {
			t->room = t->room * 2 + 16;
			t->at = mem_grow(t->at, t->room, sizeof *t->at);
		}
		t->at[t->count] = (struct told){.base_len = (uint16_t)base.len};
		strmap_put(t->by_base, base, (void *)(uintptr_t)(at = ++t->count));
	}
	told = &t->at[at - 1];
	if (!is_file(f, name.at, in_new))
		return true;
	if (told->name && (told->in_new != in_new || !span_is(name, told->name)) && is_file(f, told->name, told->in_new))
		return false;
	free(told->name);
	told->name = mem_span(name);
	told->in_new = in_new;
	return true;
}

/* False: events were lost, or a name is odd. */
static bool
take_events(struct folder *f, struct telling *t)
{
	uint32_t    number;
	struct span name;

	while (watch_many_next(f->watch, &number, &name)) {
		if (number == WATCH_LOST || name.len == 0)
			return false;
		if (name.at[0] == '.')
			continue;
		if (name.at[0] == ':' || name.len > 255)
			return false;
		for (size_t i = 0; i < name.len; i++)
			if ((unsigned char)name.at[i] < 0x20)
				return false;
		if (!note_name(f, t, name, number == NEW))
			return false;
	}
	return true;
}

static struct message *
message_of(const struct folder *f, struct span base, uint32_t *uid)
{
	ptrdiff_t at = uidlist_find(&f->list, base);

	*uid = at < 0 ? 0 : f->list.records[at].uid;
	return *uid ? folder_find(f, *uid) : NULL;
}

static int
compare_told(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Can all of it be believed?  Those that are no news get uid 0, and the others stand by UID then. */
static bool
is_simple(const struct folder *f, struct telling *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct told          *told = &t->at[i];
		const struct message *m;

		if (!told->name)
			continue;
		m = message_of(f, span_at(told->name, told->base_len), &told->uid);
		if (!told->uid || (!m && told->uid <= f->highest))
			return false;
		if (m && m->in_new == told->in_new && strcmp(message_name(f, m), told->name) == 0)
			told->uid = 0;
		else if (m && is_file(f, message_name(f, m), m->in_new))
			return false;
	}
	if (t->count)
		qsort(t->at, t->count, sizeof *t->at, compare_told);
	return true;
}

/* A message of the snapshot whose file is not there is the full look's business.  A file without a record may have
 * been one, too: whoever looks at everything drops the records of what is gone. */
static bool
any_missing(const struct folder *f, const struct telling *t)
{
	size_t      walk = 0;
	struct span base;
	void       *at;

	while (strmap_next(t->by_base, &walk, &base, &at)) {
		uint32_t uid;

		if (!t->at[(size_t)(uintptr_t)at - 1].name && (message_of(f, base, &uid) || !uid))
			return true;
	}
	return false;
}

/* Is every record that came into the list now a message of the snapshot? */
static bool
has_all(const struct folder *f)
{
	for (size_t i = f->list.count; i-- > 0 && f->list.records[i].uid > f->looked_to;)
		if (!folder_find(f, f->list.records[i].uid))
			return false;
	return true;
}

static void
believe(struct folder *f, struct told *told)
{
	struct message  *m = folder_find(f, told->uid);
	struct file_name parsed;

	file_name_parse_info(span_of(told->name), &parsed);
	if (m) {
		if (m->flags != parsed.flags || m->keywords != parsed.keywords) {
			folder_touch(f, m->uid);
			f->generation++;
		}
	} else {
		f->messages = messages_grow(f->messages, f->count, f->count + 1, &f->room);
		m = &f->messages[f->count++];
		*m = (struct message){.uid = told->uid, .recent = told->in_new};
		f->highest = told->uid;
		folder_touch(f, m->uid);
		f->generation++;
	}
	f->is_kept = false;
	m->base_len = told->base_len;
	m->in_new = told->in_new;
	m->flags = (uint8_t)parsed.flags;
	m->keywords = parsed.keywords;
	message_rename(m, take(told->name));
}

int
folder_follow(struct folder *f, struct fault *why)
{
	struct telling t = {.by_base = strmap_new()};
	bool           changed = false;
	int            result = 1;

	/* the list first: a file is there before its record is, so that what the list has was told */
	if (uidlist_refresh(&f->list, f->dir, NULL, why) < 0) {
		result = -1;
	} else if (take_events(f, &t) && f->list.validity == f->validity && !f->list.broken && !f->list.foreign
		&& !any_missing(f, &t) && is_simple(f, &t)) {
		for (size_t i = 0; i < t.count; i++)
			if (t.at[i].name && t.at[i].uid) {
				believe(f, &t.at[i]);
				changed = true;
			}
		result = has_all(f) && keywords_refresh(&f->keywords, f->dir, why) == 0 ? 0 : 1;
	}
	if (result == 0) {
		f->looked_to = f->list.next - 1;
		if (changed && !f->read_only)
			folder_move_new(f);
		if (t.count && f->record)
			f->record(f);
	}
	telling_free(&t);
	return result;
}
