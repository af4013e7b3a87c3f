/* SPDX-License-Identifier: ISC */
/*
 * look.c - which messages of a drop have a surrogate, for a client that did not say UTF8
 *
 * Every message is looked at once, in a mailbox that is new to us for LOOK_MS at most: what is left then has its own
 * size in LIST, and is looked at by the next session, or before it is sent.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "session.h"
#include "store/folder.h"
#include "store/small_file.h"
#include "surrogate.h"

#define LOOKED_FILE "postern.pop3"
enum { LOOK_MS = 5000, FILE_MOST = 16 << 20, WORTH_A_WRITE = 16, WORTH_A_WRITE_MS = 100, LOCK_STALE = 60 };

struct look {
	const struct drop *d;
	struct surrogates  known, now;
	int64_t            deadline;
	size_t             fresh;
	bool               gap;        /* one was left out: those behind it will be looked at again */
};

static void
set_form(struct drop_message *m, bool is_one, uint64_t size)
{
	m->form = is_one ? FORM_SURROGATE : FORM_OWN;
	if (is_one)
		m->size = size;
}

int
drop_look(struct drop_message *m, int fd, struct fault *why)
{
	bool     is_one;
	uint64_t size = 0;

	if (m->form != FORM_UNKNOWN)
		return 0;
	if (surrogate_measure(fd, &is_one, &size, why) < 0)
		return -1;
	set_form(m, is_one, size);
	return 0;
}

/* 0: it is one that the cache knows, or it was looked at; 1: there is no time; -1: it cannot be read, or is gone. */
static int
look_at(struct look *l, uint32_t uid, bool *is_one, uint64_t *size)
{
	const struct surrogate_size *s;
	autoclose int                fd = -1;
	struct stat                  st;

	*is_one = false;
	if (uid <= l->known.looked_to) {
		s = surrogates_find(&l->known, uid);
		*is_one = s != NULL;
		*size = s ? s->size : 0;
		return 0;
	}
	if (pop3_config.fast_size_lookups || clock_now() >= l->deadline)
		return 1;
	l->fresh++;
	return folder_message_open(l->d->folder, uid, &fd, &st, NULL) < 0 || surrogate_measure(fd, is_one, size, NULL) < 0 ? -1 : 0;
}

/* Best effort: it is a cache, and another session may be at it. */
static void
keep(const struct look *l)
{
	autotext struct text bytes = {0};
	struct dotlock       lock = {0};
	int                  dir = l->d->folder->dir;

	if (dotlock_take(dir, LOOKED_FILE, LOCK_STALE, clock_now(), &lock, NULL) < 0)
		return;
	surrogates_print(&l->now, l->d->folder->list.validity, &bytes);
	small_file_replace(dir, LOOKED_FILE, LOOKED_FILE ".new", text_span(&bytes), 0, NULL);
	dotlock_release(&lock);
}

void
drop_look_all(struct drop *d)
{
	autotext struct text bytes = {0};
	struct look          l = {.d = d, .deadline = clock_after(LOOK_MS)};
	int64_t              began = clock_now();
	size_t               at = 0;

	if (small_file_read(d->folder->dir, LOOKED_FILE, FILE_MOST, &bytes, NULL, NULL) == 0)
		surrogates_parse(text_span(&bytes), d->folder->list.validity, &l.known);
	for (size_t i = 0; i < d->folder->count; i++) { /* hidden ones, too: they may be shown again */
		uint32_t uid = d->folder->messages[i].uid;
		bool     is_one;
		uint64_t size = 0;
		int      got = look_at(&l, uid, &is_one, &size);

		while (at < d->count && d->messages[at].uid < uid)
			at++;
		if (got == 0 && at < d->count && d->messages[at].uid == uid)
			set_form(&d->messages[at], is_one, size);
		l.gap = l.gap || got != 0;
		if (!l.gap)
			l.now.looked_to = uid;
		if (!l.gap && is_one)
			surrogates_add(&l.now, uid, size);
	}
	if (l.now.looked_to > l.known.looked_to && (l.fresh >= WORTH_A_WRITE || clock_now() - began >= WORTH_A_WRITE_MS))
		keep(&l);
	surrogates_free(&l.known);
	surrogates_free(&l.now);
}
