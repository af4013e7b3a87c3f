/* SPDX-License-Identifier: ISC */
/*
 * folder.c - an open mailbox: opening and closing it, finding its messages
 */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/folder_private.h"

int
folder_lock(struct folder *f, struct dotlock *lock, struct fault *why)
{
	return dotlock_take(f->dir, UIDLIST_FILE, UIDLIST_STALE_SECONDS,
		clock_after(FOLDER_LOCK_WAIT_MS), lock, why);
}

int
folder_open_directories(struct folder *f, struct fault *why)
{
	f->dir = maildir_folder_open(f->maildir, f->name, why);
	if (f->dir < 0)
		return -1;
	f->new_dir = file_open_beneath(f->dir, "new", O_RDONLY | O_DIRECTORY, 0, why);
	f->cur_dir = file_open_beneath(f->dir, "cur", O_RDONLY | O_DIRECTORY, 0, why);
	return f->new_dir < 0 || f->cur_dir < 0 ? -1 : 0;
}

int
folder_deleted(struct fault *why)
{
	errno = ENOENT;
	return fault_errno(why, "mailbox was deleted");
}

int
folder_begin(struct maildir *m, const char *name, unsigned options, struct folder **out, struct fault *why)
{
	struct folder *f = mem_alloc(sizeof *f);

	f->maildir = m;
	f->name = mem_string(name);
	f->read_only = options & FOLDER_READ_ONLY;
	f->dir = f->new_dir = f->cur_dir = -1;
	f->touched.all = true;
	uidlist_init(&f->list);
	if (folder_open_directories(f, why) < 0) {
		folder_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

int
folder_open(struct maildir *m, const char *name, unsigned options, struct folder **out,
	struct fault *why)
{
	struct folder *f;

	if (folder_begin(m, name, options, &f, why) < 0)
		return -1;
	if (folder_sync(f, why) < 0) {
		folder_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

void
folder_drop_messages(struct folder *f)
{
	for (size_t i = 0; i < f->count && !folder_is_lent(f); i++)
		if (!f->messages[i].lent && !f->messages[i].pooled)
			free(f->messages[i].name.own);
	messages_free(take(f->messages), &f->room);
	arena_free(take(f->names));
	lender_close(take(f->lender));
	f->count = 0;
	f->room = (struct messages_room){0};
}

void
folder_close(struct folder *f)
{
	if (!f)
		return;
	if (f->keep)
		f->keep(f);
	int fds[] = {f->dir, f->new_dir, f->cur_dir};

	for (size_t i = 0; i < COUNT(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	folder_drop_messages(f);
	folder_follow_stop(f);
	unpacked_drop(&f->unpacked);
	free(f->touched.chunks);
	uidlist_free(&f->list);
	keywords_free(&f->keywords);
	if (f->seen)
		seen_free(f->seen);
	free(f->seen);
	free(f->name);
	free(f);
}

size_t
folder_position(const struct folder *f, uint64_t uid)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct message *
folder_find(const struct folder *f, uint32_t uid)
{
	size_t *near = &((struct folder *)f)->near, at = *near;

	if (at < f->count && f->messages[at].uid < uid)
		at++;
	if (at >= f->count || f->messages[at].uid != uid)
		at = folder_position(f, uid);
	*near = at;
	return at < f->count && f->messages[at].uid == uid ? &f->messages[at] : NULL;
}

const char *
message_name(const struct folder *f, const struct message *m)
{
	return m->lent ? lender_name(f->lender, m) : m->name.own;
}

struct span
message_base(const struct folder *f, const struct message *m)
{
	return span_first(span_of(message_name(f, m)), m->base_len);
}

void
folder_tally(const struct folder *f, size_t *recent, size_t *unseen)
{
	*recent = *unseen = 0;
	if (folder_is_lent(f)) {
		*unseen = (size_t)f->lender->unseen;
		return;
	}
	for (size_t i = f->count; i-- > 0;) {
		*recent += f->messages[i].recent;
		if (!(f->messages[i].flags & MESSAGE_SEEN))
			*unseen = i + 1;
	}
}

struct message *
folder_copy_messages(const struct folder *f, struct messages_room *room)
{
	struct message *copy = folder_is_lent(f) && f->lender->lease.has && !f->lender->lease.broken ? lender_messages(f->lender, room) : NULL;

	if (copy)
		return copy;
	copy = mem_array(f->count, sizeof *copy);
	if (f->count)
		memcpy(copy, f->messages, f->count * sizeof *copy);
	*room = (struct messages_room){.count = f->count};
	return copy;
}

void
folder_touch(struct folder *f, uint32_t uid)
{
	struct folder_touched *t = &f->touched;

	f->is_kept = false;
	if (t->all || (t->count && t->chunks[t->count - 1] == uid / FOLDER_CHUNK))
		return;
	if (t->count == t->room) {
		t->room = t->room * 2 + 16;
		t->chunks = mem_grow(t->chunks, t->room, sizeof *t->chunks);
	}
	t->chunks[t->count++] = uid / FOLDER_CHUNK;
}

struct span
folder_guid(const struct folder *f, const struct message *m)
{
	struct folder *mine = (struct folder *)f;

	if (f->list.unread) { /* for its fields alone */
		uidlist_refresh(&mine->list, f->dir, NULL, NULL);
		mine->scanned &= f->list.next - 1 == f->looked_to && f->list.validity == f->validity;
	}
	ptrdiff_t   at = uidlist_find(&f->list, message_base(f, m));
	struct span fields = at < 0 ? SPAN_NONE : f->list.records[at].fields, field;

	while (span_next(&fields, " ", &field))
		if (field.at[0] == 'G' && field.len > 1)
			return span_from(field, 1);
	return message_base(f, m);
}
