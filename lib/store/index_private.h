/* SPDX-License-Identifier: ISC */
/*
 * index_private.h - shared by the files that write the index alone
 */
#ifndef STORE_INDEX_PRIVATE_H
#define STORE_INDEX_PRIVATE_H

#include <sys/stat.h>
#include <lmdb.h>

#include "store/index.h"
#include "store/mapping.h"

enum { INDEX_PREFIX = 96 };

/* A file as it was when it was found to be good (snapshot.c); zeros: none. */
struct index_proof { dev_t device; ino_t inode; off_t size; struct timespec changed; };

struct index {
	MDB_env *env;
	MDB_dbi  dbi;
	bool     opened;
	char    *directory;      /* where its file is; owned */
	bool     apart;          /* from the mail */
	dev_t    lock_device;    /* of the file of locks, as it was opened */
	ino_t    lock_inode;
	size_t   newest;         /* the last transaction that was seen */
	bool     damaged;        /* by what LMDB says: to be made anew */
	bool     useless;        /* it could not be had again */
	struct guarded map;
	/* What was removed or damaged while batches may have read it; closed with the index. */
	struct index_retired { MDB_env *env; struct guarded map; struct index_retired *next; } *retired;
	struct index_proof proven;
};

/* index_file.c: the file itself. 0 or an LMDB code. */
int index_file_open(struct index *);
void index_file_close(struct index *);
/* The file that is there now, whole: what was removed, cut short or written over by somebody else is not used any more, and made anew. */
bool index_file_refresh(struct index *);

/* 0 or an LMDB code. */
int index_transaction(struct index *, unsigned flags, MDB_txn **);
/* The same of what was done in a transaction that wrote, given back: when pages are not what was written, the file is made anew
 * before the next one (also when memory was short in the middle, of which LMDB says the same).  Who only reads finds nothing, and comes to write. */
int index_judge(struct index *, int code);
int index_commit(struct index *, MDB_txn *);

/* index_parts.c: a part of a few neighbours, as they are kept.  Total (for the fuzzer); false: it is none, or the message's is damaged. */
struct index_kept { uint32_t uid; uint64_t hash; size_t first; struct span bytes; };   /* two pieces: first, rest; hash: of the base name */
struct index_parts { const char *entries; size_t count; struct span bytes; };
bool index_parts_open(struct span bytes, struct index_parts *out);
bool index_parts_at(const struct index_parts *, size_t i, struct index_kept *out);
void index_parts_make(const struct index_kept *, size_t count, struct text *out);   /* by UID */

/* The record that was read last, and where in it. */
struct index_parts_reading { bool loaded; uint32_t number; size_t next; struct index_parts parts; };
bool index_parts_find(struct index_parts_reading *, MDB_txn *, MDB_dbi, const char *prefix, enum index_part, uint32_t uid, uint64_t hash,
	struct index_kept *out);
/* Of one message the later one counts; they are put in order.  0 or an LMDB code. */
int index_parts_put(MDB_txn *, MDB_dbi, const char *prefix, enum index_part, struct index_kept *, size_t count);

/* index_rows.c: rows of up to 256 messages, as they are kept.  Total (for the fuzzer); false: it is none. */
struct index_row { uint32_t uid; uint64_t hash; struct index_numbers numbers; };
struct index_rows { const char *entries; size_t count; };
bool index_rows_open(struct span bytes, struct index_rows *out);
void index_rows_at(const struct index_rows *, size_t i, struct index_row *out);
void index_rows_make(const struct index_row *, size_t count, struct text *out);   /* by UID */

/* The piece that was read last, and where in it. */
struct index_reading { bool loaded; uint32_t number; size_t next; struct index_rows rows; };
bool index_rows_find(struct index_reading *, MDB_txn *, MDB_dbi, const char *prefix, uint32_t uid, uint64_t hash,
	struct index_numbers *out);
int index_rows_put(MDB_txn *, MDB_dbi, const char *prefix, struct index_row *, size_t count);   /* 0 or an LMDB code */

/* index_order.c: places of up to 256 messages, as they are kept, their sum behind them.  Total; false: it is none. */
enum { INDEX_PLACE = 16, INDEX_PLACES_SUM = 4 };          /* bytes */
void index_places_seal(struct text *);
bool index_places_open(struct span bytes, uint32_t number, size_t *count);
void index_places_at(struct span bytes, size_t i, struct index_place *out);

/* What is to be written of orders, until the batch ends. */
struct index_orders {
	struct index_order_change {
		char               *name;
		uint64_t            generation;
		bool                whole;
		struct index_place *at;
		size_t              count;
	}     *at;                      /* all owned */
	size_t count;
};
/* The piece that was read last, and where in it. */
struct index_places_reading { const char *name; uint32_t number; size_t next, count; struct span bytes; };
bool index_places_find(struct index_places_reading *, MDB_txn *, MDB_dbi, const char *prefix, const char *name, uint32_t uid,
	struct index_place *out);
void index_orders_read(MDB_txn *, MDB_dbi, const char *prefix, const char *name, struct index_order *out);
int index_orders_write(const struct index_orders *, MDB_txn *, MDB_dbi, const char *prefix);   /* 0 or an LMDB code */
void index_orders_free(struct index_orders *);

/* What a mailbox's keys begin with: GUID (else its name) and UIDVALIDITY. */
void index_prefix(const struct folder *, char out[INDEX_PREFIX]);
void index_prefix_of(const struct maildir *, const char *name, const struct uidlist *, char out[INDEX_PREFIX]);

#endif
