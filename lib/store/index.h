/* SPDX-License-Identifier: ISC */
/*
 * index.h - a cache of what was worked out of messages, one LMDB file per user
 *
 * From mailbox GUID (or UIDVALIDITY and name), UID and base name to dates,
 * sizes, envelopes and body structures: parts of each message (index_parts.c), and for what is asked
 * of all messages of a mailbox at once a row (index_rows.c) and orders (index_order.c); all with sums.  It may be deleted at any time: nothing
 * that a client can see depends on it.  Whatever goes wrong with it only makes
 * it useless, never a fault: a NULL index or batch is valid everywhere.
 *
 * A batch reads one snapshot; what it learns is written in few transactions, the last
 * when it ends.  Spans of a record are borrowed until the batch ends.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "base/task.h"
#include "store/folder.h"

struct index;
struct index_batch;

/* What is kept apart, so that who asks for one of all messages reads only pages of that. */
enum index_part { INDEX_ENVELOPE, INDEX_STRUCTURE, INDEX_FIELDS, INDEX_FACTS, INDEX_PARTS };

/* What is kept in rows. */
struct index_numbers {
	bool     has_date, has_full_size, has_sent;
	char     sent_form;                     /* in which form what is said of Date is (imapd/facts.h); 0: nothing is */
	int32_t  sent_day;
	int64_t  date, sent;                    /* seconds */
	uint64_t full_size;
};

struct index_record {
	struct span          envelope;          /* INDEX_ENVELOPE; as IMAP tells them; empty: not known */
	struct span          body, structure;   /* INDEX_STRUCTURE */
	struct span          fields;            /* INDEX_FIELDS: header_skim (mail/header.h) of it */
	struct span          facts;             /* INDEX_FACTS: of the fields, as imapd/facts.h has them */
	struct index_numbers numbers;
};

#define INDEX_FILE "postern.index"

/* That file in `directory`, or in the root where that is NULL;
 * "MEMORY": none.  NULL when it cannot be had. */
struct index *index_open(const char *root, const char *directory);
void index_close(struct index *);

WAITS struct index_batch *index_begin(struct index *, const struct folder *);
/* Messages are named by UID and by the hash of their base name. */
uint64_t index_base_hash(struct span base);
bool index_get(struct index_batch *, uint32_t uid, uint64_t hash, enum index_part, struct index_record *);   /* that part of it alone */
bool index_row(struct index_batch *, uint32_t uid, uint64_t hash, struct index_numbers *);
/* The row, and what `parts` has bits (1 << part) for. */
void index_put(struct index_batch *, uint32_t uid, uint64_t hash, unsigned parts, const struct index_record *);
WAITS void index_end(struct index_batch *);

/*
 * An order of the mailbox's messages by something (by name: "what and in which form"), as a rank of each: they are compared as what they stand
 * for is, and equal where that is.  There is room between two, for what comes later.  Not of every message there is
 * one, and there may be some of messages that are gone.
 */
struct index_place { uint32_t uid, hash; uint64_t rank; };   /* hash: of the base name */
struct index_order {
	struct index_place *at;                 /* by UID; owned (free) */
	size_t              count;
	uint64_t            generation;         /* which writing of it; 0: there is none */
};

/* Of one message; mostly they are asked for in order. */
bool index_place(struct index_batch *, const char *name, uint32_t uid, struct span base, uint64_t *rank);
void index_order_get(struct index_batch *, const char *name, struct index_order *);   /* all */
/* By UID; copied.  They take the place of what was there of those messages, or with `whole` of all; when the batch ends, and unless
 * somebody else has written that order since this `generation`: the ranks of the two were not made for each other. */
void index_order_put(struct index_batch *, const char *name, uint64_t generation, bool whole, const struct index_place *, size_t count);
uint32_t index_place_hash(struct span base);

#endif
