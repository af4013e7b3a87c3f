/* SPDX-License-Identifier: ISC */
/*
 * history_private.h - shared by the files of a mailbox's history alone
 *
 *   history.c           what differs from what is recorded becomes history; opening a folder with one
 *   history_modseq.c    the numbers that changes get
 *   history_records.c   how the index keeps it: its keys, the header, chunks of records
 *   history_expunged.c  UIDs that are gone
 *   history_dates.c     dates of saving
 *   history_uids.c      the highest UID that was given
 *
 * A recording is one look at the difference, in one transaction of the index; or a question, with what that needs
 * filled in (folder, txn, dbi, prefix).
 */
#ifndef STORE_HISTORY_PRIVATE_H
#define STORE_HISTORY_PRIVATE_H

#include "store/history.h"
#include "store/index_private.h"
#include "base/little_endian.h"

enum { HISTORY_CHUNK = FOLDER_CHUNK, HISTORY_KEY = INDEX_PREFIX + 32 };

struct header { uint64_t highest, floor, boot, ahead; };

struct recording {
	struct folder       *folder;
	MDB_txn             *txn;
	MDB_dbi              dbi;
	bool                 write;
	bool                 differs, stale;
	bool                 known;          /* nobody recorded anything since this folder did */
	bool                 first;          /* nothing is recorded of this mailbox yet */
	char                 prefix[INDEX_PREFIX];
	struct header        header;
	uint64_t             fresh;          /* the mod-sequence of this change */
	uint32_t            *gone;
	size_t               gone_count;
	struct history_entry old[HISTORY_CHUNK], new[HISTORY_CHUNK];
};

/* history_modseq.c: the header as it is, or a new one where nothing that is there counts; and r->fresh. */
void history_start(struct recording *);
/* Numbers that the clock will not vouch for after a loss of the index are kept in a file. */
void history_keep_floor(struct recording *);

/* history_records.c: values are borrowed from the transaction.  A failure to put shows at the commit, as LMDB marks the
 * transaction; an empty value is none. */
bool history_get(const struct recording *, const char *key, struct span *value);
void history_put(struct recording *, const char *key, struct span value);
bool history_get_header(struct recording *);             /* false: there is no good one */
void history_put_header(struct recording *);
void history_chunk_key(const struct recording *, uint32_t number, char key[HISTORY_KEY]);
size_t history_get_chunk(const struct recording *, uint32_t number, struct history_entry *out);   /* 0: none, or a bad one */
/* The first chunk that is recorded from `number` on; UINT32_MAX: none. */
uint32_t history_next_chunk(const struct recording *, MDB_cursor *, uint32_t number);
/* Of all UIDs that are sensible the last; UINT32_MAX: none. */
uint32_t history_last_chunk(const struct recording *);

/* history_uids.c: the highest UID that is known to have been given, 0: none; uses r->old.  What was so before this change is
 * kept, or how far the folder's list goes. */
uint32_t history_highest(struct recording *);
void history_put_highest(struct recording *, uint32_t before);

/* history_expunged.c: r->gone are expunged by this change; those of long ago are forgotten. */
void history_put_gone(struct recording *);

/* history_dates.c: of its base name. */
uint32_t history_hash(const struct folder *, const struct message *);
/* When the file was changed last; false: it is not under the name that the snapshot has. */
bool history_file_changed(const struct folder *, const struct message *, int64_t *seconds);
/* The undated among these messages, and whatever their chunks have besides, are dated; uids ascend. */
WAITS void history_date(struct folder *, const uint32_t *uids, size_t count);

static inline uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t
take_number(struct span *s, int bytes)
{
	uint64_t n = little_endian_take(s->at, bytes);

	*s = span_from(*s, (size_t)bytes);
	return n;
}

static inline MDB_val
value_of(struct span s)
{
	return (MDB_val){s.len, (void *)s.at};
}

#endif
