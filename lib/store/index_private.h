/* SPDX-License-Identifier: ISC */
/*
 * index_private.h - shared by the files that write the index alone
 */
#ifndef STORE_INDEX_PRIVATE_H
#define STORE_INDEX_PRIVATE_H

#include <lmdb.h>

#include "store/index.h"

enum { INDEX_PREFIX = 96 };

struct index {
	MDB_env *env;
	MDB_dbi  dbi;
	bool     opened;
	char    *directory;      /* where its file is; owned */
	bool     apart;          /* from the mail */
};

/* 0 or an LMDB code. */
int index_transaction(struct index *, unsigned flags, MDB_txn **);

/* index_rows.c: rows of up to 256 messages, as they are kept.  Total (for the fuzzer); false: it is none. */
struct index_rows { const char *entries; size_t count; struct span facts; };
bool index_rows_open(struct span bytes, struct index_rows *out);
void index_rows_at(const struct index_rows *, size_t i, struct index_row *out);
void index_rows_make(const struct index_row *, size_t count, struct text *out);   /* by UID */

/* The piece that was read last, and where in it. */
struct index_reading { bool loaded; uint32_t number; size_t next; struct index_rows rows; };
bool index_rows_find(struct index_reading *, MDB_txn *, MDB_dbi, const char *prefix, uint32_t uid, uint64_t hash,
	struct index_row *out);
int index_rows_put(MDB_txn *, MDB_dbi, const char *prefix, struct index_row *, size_t count);   /* 0 or an LMDB code */
uint64_t index_base_hash(struct span base);

/* What a mailbox's keys begin with: GUID (else its name) and UIDVALIDITY. */
void index_prefix(const struct folder *, char out[INDEX_PREFIX]);

#endif
