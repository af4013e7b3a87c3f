/* SPDX-License-Identifier: ISC */
/*
 * look.c - what RETR sends: which messages of a drop have a surrogate, which lack their last line end, and the sizes
 *
 * RFC 1939, 11: a size is that of what is sent. W= in a file's name is IMAP's, and counts no line end that RETR adds
 * (3: the final dot has a line of its own); a name without it tells nothing. Every message is looked at once, as soon as
 * somebody asks for its size or for itself. STAT and LIST look at all, in a mailbox that is new to us for LOOK_MS at most
 * where names have W=: what is left then has the size of its name in LIST, and is looked at by the next session, or before it
 * is sent.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "session.h"
#include "store/folder.h"
#include "store/small_file.h"

#define LOOKED_FILE "postern.pop3"
enum { LOOK_MS = 5000, FILE_MOST = 16 << 20, WORTH_A_WRITE = 16, WORTH_A_WRITE_MS = 100, LOCK_STALE = 60 };

static void
read_known(struct drop *d)
{
	autotext struct text bytes = {0};

	if (d->known_read)
		return;
	d->known_read = true;
	if (small_file_read(d->folder->dir, LOOKED_FILE, FILE_MOST, &bytes, NULL, NULL) == 0)
		surrogates_parse(text_span(&bytes), d->folder->list.validity, &d->known);
}

/* A surrogate's size tells nothing of the message itself. */
static bool
tells_size(const struct drop *d, const struct looked *found)
{
	return found->size && (d->ascii || found->form != FORM_SURROGATE);
}

static void
take_found(const struct drop *d, struct drop_message *m, const struct looked *found)
{
	m->looked = true;
	m->found = *found;
	m->surrogate = d->ascii && found->form == FORM_SURROGATE;
	if (tells_size(d, found))
		m->size = found->size;
	else if (found->open && m->sized)
		m->size += 2;
}

/* An earlier session told all that this one needs to know. */
static bool
take_known(struct drop *d, struct drop_message *m)
{
	const struct looked *known;

	read_known(d);
	known = surrogates_find(&d->known, m->uid);
	if (!known || (d->ascii && known->form == FORM_UNKNOWN) || (!m->sized && !m->on_disk && !tells_size(d, known)))
		return false;
	take_found(d, m, known);
	return true;
}

int
drop_look(struct drop *d, struct drop_message *m, struct fault *why)
{
	struct looked found;

	if (m->looked || take_known(d, m))
		return 0;
	if (surrogate_look(&d->source, d->ascii, m->sized || m->on_disk, &found, why) < 0)
		return -1;
	d->fresh++;
	take_found(d, m, &found);
	return 0;
}

/* One that cannot be read must not keep the others from being read; the log hears of the first.  Want of memory or
 * descriptors is no message's own. */
static int
pass_over(struct drop *d, const struct drop_message *m, struct fault *why)
{
	if (why->error == ENOMEM || why->error == EMFILE || why->error == ENFILE)
		return -1;
	if (why->error != ENOENT && !d->unreadable++)
		log_warning("%s: message %lu: %s", maildir_path(d->maildir), (unsigned long)m->uid, fault_text(why));
	fault_clear(why);
	return 0;
}

int
drop_size(struct drop *d, struct drop_message *m, struct fault *why)
{
	if (m->looked || take_known(d, m) || pop3_config.fast_size_lookups)
		return 0;
	if (drop_read(d, m, why) < 0 || drop_look(d, m, why) < 0)
		return pass_over(d, m, why);
	return 0;
}

static int
by_uid(const void *a, const void *b)
{
	const struct drop_message *x = *(struct drop_message *const *)a, *y = *(struct drop_message *const *)b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* Files of neighbours are read one after the other, whatever order clients know. */
static struct drop_message **
sorted(const struct drop *d)
{
	struct drop_message **all = mem_array(d->count + 1, sizeof *all);
	bool                  ascend = true;

	for (size_t i = 0; i < d->count; i++) {
		all[i] = &d->messages[i];
		ascend = ascend && (i == 0 || all[i - 1]->uid < all[i]->uid);
	}
	if (!ascend)
		qsort(all, d->count, sizeof *all, by_uid);
	return all;
}

/* What is known of one, now or from before; NULL: nothing. `m`: NULL when it is not shown. */
static const struct looked *
to_keep(const struct drop *d, uint32_t uid, const struct drop_message *m)
{
	const struct looked *known = surrogates_find(&d->known, uid);

	if (!m || !m->looked || (m->found.form == FORM_UNKNOWN && known && known->form != FORM_UNKNOWN))
		return known;
	return &m->found;
}

/* Best effort: it is a cache, and another session may be at it. */
static void
keep(struct drop *d)
{
	autotext struct text           bytes = {0};
	autofree struct drop_message **all = sorted(d);
	struct surrogates              now = {0};
	struct dotlock                 lock = {0};
	int                            dir = d->folder->dir;

	d->fresh = 0;
	if (dotlock_take(dir, LOOKED_FILE, LOCK_STALE, clock_now(), &lock, NULL) < 0)
		return;
	for (size_t i = 0, at = 0; i < d->uid_count; i++) { /* hidden ones, too: they may be shown again */
		const struct looked *found;

		while (at < d->count && all[at]->uid < d->uids[i])
			at++;
		found = to_keep(d, d->uids[i], at < d->count && all[at]->uid == d->uids[i] ? all[at] : NULL);
		if (found)
			surrogates_add(&now, d->uids[i], found);
	}
	surrogates_print(&now, d->folder->list.validity, &bytes);
	small_file_replace(dir, LOOKED_FILE, LOOKED_FILE ".new", text_span(&bytes), 0, NULL);
	dotlock_release(&lock);
	surrogates_free(&now);
}

int
drop_look_all(struct drop *d, struct fault *why)
{
	autofree struct drop_message **all = NULL;
	int64_t                        began = clock_now();

	if (d->looked_all)
		return 0;
	all = sorted(d);
	for (size_t i = 0; i < d->count; i++)
		if ((!all[i]->sized || clock_now() - began < LOOK_MS) && drop_size(d, all[i], why) < 0)
			return -1;
	d->looked_all = true;
	if (d->fresh >= WORTH_A_WRITE || (d->fresh && clock_now() - began >= WORTH_A_WRITE_MS))
		keep(d);
	return 0;
}

/* Of a session that asked for messages, and not for sizes. */
void
drop_look_end(struct drop *d)
{
	size_t stay = 0;

	for (size_t i = 0; i < d->count; i++)
		stay += d->messages[i].looked && !d->messages[i].deleted;
	if (d->fresh >= WORTH_A_WRITE && stay >= WORTH_A_WRITE)
		keep(d);
	surrogates_free(&d->known);
}
