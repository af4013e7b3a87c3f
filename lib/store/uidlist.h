/* SPDX-License-Identifier: ISC */
/*
 * uidlist.h - dovecot-uidlist: which file is which UID
 *
 *   3 V<uidvalidity> N<next uid> G<guid> <other fields kept>
 *   <uid> [<A-Z><value> ...] :<base name>
 *
 * Version 1 (Courier's, "1 <uidvalidity> <next>" and "<uid> <name>") is read
 * too, also from courierimapuiddb when there is no dovecot-uidlist; it is
 * written as version 3.
 *
 * The next UID is max(N, last record + 1): new mail is appended without the
 * header being touched.  Records whose files are gone stay until a rewrite.
 * A file that is broken keeps its good records; `broken` is set, `next` is
 * beyond every UID that can be made out behind the break, and the next write
 * puts the bad file aside as dovecot-uidlist.broken.
 *
 * Reading needs no lock.  Writing is done by the holder of
 * "dovecot-uidlist.lock" (UIDLIST_FILE with dotlock.h), who refreshes first.
 */
#ifndef STORE_UIDLIST_H
#define STORE_UIDLIST_H

#include <sys/stat.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/strmap.h"
#include "base/task.h"
#include "base/text.h"

#define UIDLIST_FILE "dovecot-uidlist"

enum { UIDLIST_STALE_SECONDS = 120 };

struct uidlist_record {
	uint32_t    uid;
	struct span fields;       /* "P.. O17", as found; empty mostly */
	struct span base;
};

struct uidlist {
	uint32_t               validity;     /* 0: there is no list yet */
	uint32_t               next;
	char                   guid[40];     /* header G, empty: none */
	struct span            other;        /* unknown header fields with a blank before each */
	struct uidlist_record *records;      /* by uid, ascending */
	size_t                 count, room;
	bool                   broken, foreign, unterminated;   /* the next write rewrites all */
	bool                   courier;      /* read from courierimapuiddb */
	bool                   unread;       /* only its header was (uidlist_peek) */
	struct text            bytes;        /* the file as it was read whole: spans live here, */
	struct arena          *arena;        /* and here, of what came behind that */
	struct strmap         *by_base;      /* base -> record index + 1 */
	struct stat            seen;         /* the file as read last */
	int                    pin;          /* holds it open, so that no other file gets its inode; -1 */
	off_t                  read_to;      /* of dovecot-uidlist, in whole lines */
};

void uidlist_init(struct uidlist *);
void uidlist_free(struct uidlist *);

/* Pure: takes `text` as the whole file, which must live as long as the list: records are spans of it.  Total: bad input is `broken`. */
void uidlist_parse(struct span text, struct uidlist *);

/* Brings the list up to date with the file: nothing, its tail, or all of it is
 * read.  No file is no fault (validity is 0 then).  *changed may be NULL. */
WAITS int uidlist_refresh(struct uidlist *, int dir, bool *changed, struct fault *);

/* Only the header (version 3, with a GUID), for whoever knows the records of this very file (`seen`)
 * from elsewhere; `next` is that of the header.  The next refresh reads all.  False: it is not like that. */
WAITS bool uidlist_peek(struct uidlist *, int dir);

/* The file in `dir` is the one that memory holds now; *st when it was looked at. */
void uidlist_pin(struct uidlist *, int dir, const struct stat *);

/* Was it read from dovecot-uidlist (or written there)?  Else the mailbox was another server's, or is new. */
static inline bool
uidlist_on_disk(const struct uidlist *l)
{
	return l->read_to > 0;
}

/* Index of the newest record with that base, or -1. */
ptrdiff_t uidlist_find(const struct uidlist *, struct span base);

/* Adds a record with the next UID in memory. FAULT_INPUT when UIDs are used up. */
int uidlist_add(struct uidlist *, struct span base, uint32_t *uid, struct fault *);

/* Makes records from `first` on durable: appended, or all rewritten when the
 * header must change.  The lock is held. */
WAITS int uidlist_write(struct uidlist *, int dir, size_t first, struct fault *);

/* Rewrites with only the records that `keep` says yes to.  The lock is held. */
WAITS int uidlist_rewrite(struct uidlist *, int dir,
	bool (*keep)(const struct uidlist_record *, const void *), const void *, struct fault *);

/* A new mailbox GUID in Dovecot's form: 32 hex digits and NUL. */
void uidlist_new_guid(char out[40]);

#endif
