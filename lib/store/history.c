/* SPDX-License-Identifier: ISC */
/*
 * history.c - what differs in a mailbox from what is recorded of it becomes history
 *
 * Messages and records are compared chunk by chunk, first by looking only; what differs is then recorded in one
 * transaction.
 */
#include "store/history.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/folder_private.h"
#include "store/history_private.h"
#include "store/snapshot.h"

enum { LOOKS = 4 };

/* Written only when it is another: the page may be a file's (messages.h). */
static void
set_modseq(struct recording *r, struct message *m, uint64_t modseq)
{
	if (m->modseq == modseq)
		return;
	m->modseq = modseq;
	r->folder->is_kept = false;
}

/* Is the message not, or not any more, under the name that the snapshot has?  Of a mailbox that nothing is recorded of, no
 * file is asked for: nobody was told anything yet, and its dates of saving are found when somebody wants them (history_dates.c). */
static bool
is_outdated(const struct recording *r, const struct message *m, int64_t *changed)
{
	const struct folder *f = r->folder;

	if (f->seen && !seen_is_current(f->seen))
		return true;
	return r->first ? !*message_name(f, m) : !history_file_changed(f, m, changed);
}

/* One message against its record (NULL: none); false: it must not be recorded. */
static bool
note_message(struct recording *r, struct message *m, const struct history_entry *e,
	struct history_entry *out)
{
	int64_t changed = 0;

	*out = (struct history_entry){m->uid, history_hash(r->folder, m), m->flags, m->keywords, r->fresh, 0};
	if (e && e->hash != out->hash) /* another message had this UID */
		e = NULL;
	if (e && e->flags == m->flags && e->keywords == m->keywords) {
		*out = *e;
		set_modseq(r, m, e->modseq);
		return true;
	}
	if (is_outdated(r, m, &changed)) {
		r->stale = true;
		if (!e) {
			set_modseq(r, m, larger(m->modseq, r->header.highest));
			return false;
		}
		/* what was there for a moment and is not recorded, nobody may be told: he would not hear that it
		 * is gone again, and its mod-sequence would go back */
		*out = *e;
		m->flags = e->flags;
		m->keywords = e->keywords;
		r->folder->is_kept = false;
		m->modseq = e->modseq;
		return true;
	}
	r->differs = true;
	out->saved = e && e->saved ? e->saved : changed;
	set_modseq(r, m, r->fresh);
	return true;
}

static void
note_gone(struct recording *r, uint32_t uid)
{
	r->differs = true;
	if (!r->write)
		return;
	r->gone = mem_grow(r->gone, r->gone_count + 1, sizeof *r->gone);
	r->gone[r->gone_count++] = uid;
}

static bool
same_entries(const struct recording *r, size_t old, size_t new)
{
	if (old != new)
		return false;
	for (size_t i = 0; i < old; i++)
		if (r->old[i].uid != r->new[i].uid || r->old[i].modseq != r->new[i].modseq)
			return false;
	return true;
}

/* Is the record newer than the list that was looked at?  Not if that is what is there now: then the list comes from a backup, since
 * it is written before the record. */
static bool
is_newer(const struct recording *r, const struct history_entry *e)
{
	const struct folder *f = r->folder;
	struct stat          st;

	if (e->uid <= f->looked_to)
		return false;
	return f->list.next - 1 != f->looked_to || fstatat(f->dir, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0
		|| st.st_ino != f->list.seen.st_ino || st.st_size != f->list.seen.st_size;
}

/* Messages [from, until) and the records of one chunk, both by UID. */
static void
note_chunk(struct recording *r, uint32_t number, size_t from, size_t until)
{
	size_t               n_old = history_get_chunk(r, number, r->old), n_new = 0, at = 0;
	char                 key[HISTORY_KEY];
	autotext struct text value = {0};

	for (size_t i = from; i < until || at < n_old;) {
		struct message *m = i < until ? &r->folder->messages[i] : NULL;

		if (at < n_old && (!m || r->old[at].uid < m->uid)) {
			if (is_newer(r, &r->old[at])) {
				r->stale = true;
				r->new[n_new++] = r->old[at];
			} else {
				note_gone(r, r->old[at].uid);
			}
			at++;
			continue;
		}
		bool recorded = at < n_old && r->old[at].uid == m->uid;

		n_new += note_message(r, m, recorded ? &r->old[at] : NULL, &r->new[n_new]);
		at += recorded;
		i++;
	}
	if (!r->write || same_entries(r, n_old, n_new))
		return;
	history_encode(r->new, n_new, &value);
	history_chunk_key(r, number, key);
	history_put(r, key, text_span(&value));
}

/* Who only looks wants to know whether there is anything to record. */
static bool
knows_enough(const struct recording *r)
{
	return r->differs && !r->write;
}

static void
note_all(struct recording *r)
{
	struct folder *f = r->folder;
	MDB_cursor    *cursor;
	uint32_t       number = 0;

	if (mdb_cursor_open(r->txn, r->dbi, &cursor) != 0)
		return;
	for (size_t i = 0; !knows_enough(r);) {
		uint32_t recorded = history_next_chunk(r, cursor, number), mine;
		size_t   from = i;

		mine = i < f->count ? f->messages[i].uid / HISTORY_CHUNK : UINT32_MAX;
		number = mine < recorded ? mine : recorded;
		if (number == UINT32_MAX)
			break;
		while (i < f->count && f->messages[i].uid / HISTORY_CHUNK == number)
			i++;
		note_chunk(r, number, from, i);
		number++;
	}
	mdb_cursor_close(cursor);
}

static int
compare_chunks(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Only what this session touched can differ. */
static void
note_touched(struct recording *r)
{
	struct folder_touched *t = &r->folder->touched;

	if (t->count)
		qsort(t->chunks, t->count, sizeof *t->chunks, compare_chunks);
	for (size_t i = 0; i < t->count && !knows_enough(r); i++)
		if (i == 0 || t->chunks[i] != t->chunks[i - 1])
			note_chunk(r, t->chunks[i], folder_position(r->folder, (uint64_t)t->chunks[i] * HISTORY_CHUNK),
				folder_position(r->folder, (uint64_t)(t->chunks[i] + 1) * HISTORY_CHUNK));
}

/* Compares, and with `write` records.  False: the index failed. */
static bool
look(struct folder *f, bool write, struct recording *r)
{
	uint32_t highest;

	memset(r, 0, offsetof(struct recording, old)); /* the rest is written before it is read, and mostly not even touched */
	r->folder = f;
	r->write = write;
	if (index_transaction(f->index, write ? 0 : MDB_RDONLY, &r->txn) != 0)
		return false;
	r->dbi = f->index->dbi;
	index_prefix(f, r->prefix);
	history_start(r);
	highest = write ? history_highest(r) : 0;
	if (r->known)
		note_touched(r);
	else
		note_all(r);
	if (!write || !r->differs) {
		mdb_txn_abort(r->txn);
		return true;
	}
	r->header.highest = r->fresh;
	if (r->gone_count)
		history_put_gone(r);
	history_put_highest(r, highest);
	history_keep_floor(r);
	history_put_header(r);
	free(take(r->gone));
	if (index_commit(f->index, r->txn) != 0)
		return false;
	f->raised = false;
	return true;
}

/* The snapshot against the records: mostly nothing differs, and looking is enough. */
static void
record(struct folder *f)
{
	autofree struct recording *r = mem_alloc(sizeof *r);

	if (!look(f, false, r) || (r->differs && !look(f, true, r))) {
		/* cannot be recorded now: what is told stays below what will be */
		f->scanned = false;
		f->touched.all = true;
		return;
	}
	f->touched.all = r->stale;
	f->touched.count = 0;
	if (r->stale)
		f->scanned = false; /* look again before more is claimed */
	else if (f->modseq != r->header.highest) {
		f->modseq = r->header.highest;
		f->is_kept = false; /* or every session would compare all anew */
	}
}

void
history_raise(struct folder *f)
{
	if (!f->record)
		return;
	f->raised = true;
	f->record(f);
}

int
history_open(struct maildir *m, struct index *x, const char *name, unsigned options,
	struct folder **out, struct fault *why)
{
	struct folder *f;

	if (folder_begin(m, name, options, &f, why) < 0)
		return -1;
	f->index = x;
	f->date = x ? history_date : NULL;
	snapshot_load(f);
	if (folder_sync(f, why) < 0) {
		folder_close(f);
		return -1;
	}
	if (x) {
		f->record = record;
		f->keep = snapshot_save;
		record(f);
		if (f->touched.all)
			f->modseq = 0; /* the snapshot's: nobody was told yet */
	}
	for (int i = 0; x && f->modseq == 0 && i < LOOKS; i++)
		if (folder_sync(f, why) < 0) {
			folder_close(f);
			return -1;
		}
	*out = f;
	return 0;
}
