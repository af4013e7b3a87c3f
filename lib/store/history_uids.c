/* SPDX-License-Identifier: ISC */
/*
 * history_uids.c - the highest UID that a mailbox is known to have given
 *
 * dovecot-uidlist says which UID is next.  When it comes back from a backup and the index does not, it gives UIDs once more, and a client that
 * holds the message that had one shows that (RFC 9051, 2.3.1.1).  So the index remembers the highest, also when that
 * message is expunged: under a key of its own (history_records.c), and in the last chunk of records, which older builds wrote alone.
 *
 * Who opens a mailbox without its index (POP3, a delivery that marks what it brought) asks it all the same, when a UID is to be given.
 *
 * Only what is whole by its sum counts, and nothing from UIDS_MOST on: a list that a disk damaged may have had such, and
 * who puts that right with an older one shall not find that there are no more UIDs.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/sum.h"
#include "store/history_private.h"

enum { UID_BYTES = 4, SUM_BYTES = 8 };

static const uint32_t UIDS_MOST = (uint32_t)1 << 31;

static uint32_t
sensible(uint32_t uid)
{
	return uid < UIDS_MOST ? uid : 0;
}

static void
make_key(const struct recording *r, char key[HISTORY_KEY])
{
	snprintf(key, HISTORY_KEY, "\1u/%s", r->prefix);
}

static uint32_t
kept(const struct recording *r)
{
	char        key[HISTORY_KEY];
	struct span value;

	make_key(r, key);
	if (!history_get(r, key, &value) || value.len != UID_BYTES + SUM_BYTES
		|| little_endian_take(value.at + UID_BYTES, SUM_BYTES) != sum_bytes(span_first(value, UID_BYTES)))
		return 0;
	return sensible((uint32_t)little_endian_take(value.at, UID_BYTES));
}

static uint32_t
last_recorded(struct recording *r)
{
	uint32_t number = history_last_chunk(r);
	size_t   n = number == UINT32_MAX ? 0 : history_get_chunk(r, number, r->old);

	return n && r->old[n - 1].uid / HISTORY_CHUNK == number ? sensible(r->old[n - 1].uid) : 0;
}

uint32_t
history_highest(struct recording *r)
{
	return (uint32_t)larger(kept(r), last_recorded(r));
}

void
history_put_highest(struct recording *r, uint32_t before)
{
	uint32_t             uid = (uint32_t)larger(before, sensible(r->folder->looked_to));
	char                 key[HISTORY_KEY];
	autotext struct text value = {0};

	if (uid == 0 || uid == kept(r))
		return;
	little_endian_add(uid, UID_BYTES, &value);
	little_endian_add(sum_bytes(text_span(&value)), SUM_BYTES, &value);
	make_key(r, key);
	history_put(r, key, text_span(&value));
}

static uint32_t
given(struct index *x, const struct maildir *m, const char *name, const struct uidlist *l)
{
	autofree struct recording *r = mem_alloc(sizeof *r);
	uint32_t                   uid;

	if (!x || index_transaction(x, MDB_RDONLY, &r->txn) != 0)
		return 0;
	r->dbi = x->dbi;
	index_prefix_of(m, name, l, r->prefix);
	uid = history_highest(r);
	mdb_txn_abort(r->txn);
	return uid;
}

/* None is made: a mailbox that only POP3 and deliveries know has none. */
static struct index *
open_there(const struct maildir *m)
{
	const char    *directory = maildir_index(m);
	autofree char *path = directory ? mem_format("%s/" INDEX_FILE, directory) : NULL;
	struct stat    st;

	return path && stat(path, &st) == 0 ? index_open(directory, NULL) : NULL;
}

void
history_pass_given(struct index *x, const struct maildir *m, const char *name, struct uidlist *l)
{
	struct index *there = x ? NULL : open_there(m);
	uint32_t      uid = given(x ? x : there, m, name, l);

	index_close(there);

	if (uid < l->next)
		return;
	log_warning("mailbox %s: %s is older than the index: the next UID is %u, not %u", *name ? name : "INBOX", UIDLIST_FILE, uid + 1,
		l->next);
	l->next = uid + 1;
}
