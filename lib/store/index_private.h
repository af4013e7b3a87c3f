/* SPDX-License-Identifier: ISC */
/*
 * index_private.h - shared by index.c and history.c alone
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
};

/* 0 or an LMDB code. */
int index_transaction(struct index *, unsigned flags, MDB_txn **);

/* What a mailbox's keys begin with: GUID (else its name) and UIDVALIDITY. */
void index_prefix(const struct folder *, char out[INDEX_PREFIX]);

#endif
