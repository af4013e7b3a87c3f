/* SPDX-License-Identifier: ISC */
/*
 * look.c - what RETR sends: which messages of a drop have a surrogate, which lack their last line end, and the sizes
 *
 * RFC 1939, 11: a size is that of what is sent. W= in a file's name is IMAP's, and counts no line end that RETR adds
 * (3: the final dot has a line of its own). Every message is looked at once, in a mailbox that is new to us for LOOK_MS
 * at most: what is left then has its own size in LIST, and is looked at by the next session, or before it is sent.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "session.h"
#include "store/folder.h"
#include "store/small_file.h"

#define LOOKED_FILE "postern.pop3"
enum { READ_PART = 65536, LOOK_MS = 5000, FILE_MOST = 16 << 20, WORTH_A_WRITE = 16, WORTH_A_WRITE_MS = 100, LOCK_STALE = 60 };

struct look {
	const struct drop *d;
	struct surrogates  known, now;
	int64_t            deadline;
	size_t             fresh;      /* of now: what known did not know */
};

int
drop_measure(struct drop_message *m, int fd, struct fault *why)
{
	autotext struct text part = {0};
	uint64_t             size = 0;
	char                 last = '\n';
	ssize_t              n;

	while ((n = read(fd, text_room(&part, READ_PART), READ_PART)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			size += 1 + (part.at[i] == '\n' && last != '\r');
			last = part.at[i];
		}
	if (n < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fault_errno(why, "read");
	m->size = size + (last == '\n' ? 0 : 2);
	m->sized = m->ended = true;
	return 0;
}

static void
take_found(const struct drop *d, struct drop_message *m, const struct looked *found)
{
	if (d->ascii)
		m->form = found->form;
	if (m->form == FORM_SURROGATE) {
		m->size = found->size;
		m->sized = true;
	} else if (!m->ended && found->open) {
		m->size += 2;
	}
	m->ended = true;
}

static int
look(const struct drop *d, int fd, struct looked *found, struct fault *why)
{
	return d->ascii ? surrogate_look(fd, found, why) : surrogate_look_at_end(fd, &found->open, why);
}

int
drop_look(const struct drop *d, struct drop_message *m, int fd, struct fault *why)
{
	struct looked found = {0};

	if (!m->ended || (d->ascii && m->form == FORM_UNKNOWN)) {
		if (look(d, fd, &found, why) < 0)
			return -1;
		take_found(d, m, &found);
	}
	return m->sized ? 0 : drop_measure(m, fd, why);
}

/* False: nothing is known, for there is no time, it cannot be read, or is gone. `m`: NULL when it is not shown. */
static bool
look_at(struct look *l, uint32_t uid, const struct drop_message *m, struct looked *found)
{
	const struct looked *known = surrogates_find(&l->known, uid);
	bool                 wanted = l->d->ascii ? !known || known->form == FORM_UNKNOWN : !known && m && !m->ended;
	autoclose int        fd = -1;
	struct stat          st;

	*found = known ? *known : (struct looked){0};
	if (wanted && !pop3_config.fast_size_lookups && clock_now() < l->deadline
		&& folder_message_open(l->d->folder, uid, &fd, &st, NULL) == 0 && look(l->d, fd, found, NULL) == 0) {
		l->fresh++;
		return true;
	}
	return known != NULL;
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
	for (size_t i = 0; i < d->uid_count; i++) { /* hidden ones, too: they may be shown again */
		struct drop_message *m;
		struct looked        found;

		while (at < d->count && d->messages[at].uid < d->uids[i])
			at++;
		m = at < d->count && d->messages[at].uid == d->uids[i] ? &d->messages[at] : NULL;
		if (!look_at(&l, d->uids[i], m, &found))
			continue;
		surrogates_add(&l.now, d->uids[i], &found);
		if (m)
			take_found(d, m, &found);
	}
	if (l.fresh >= WORTH_A_WRITE || (l.fresh && clock_now() - began >= WORTH_A_WRITE_MS))
		keep(&l);
	surrogates_free(&l.known);
	surrogates_free(&l.now);
}
