/* SPDX-License-Identifier: ISC */
/*
 * keywords.h - which keyword is which letter
 *
 * dovecot-keywords: "<n> <name>" lines, n 0..25 is the letter 'a' + n in file
 * names.  Numbers 26..63 are ours, in postern-keywords of the same form, and
 * stand as "+n" in the foreign flag set.  Names are compared without case; a
 * letter without a name is "unknown-<n>".  Files are replaced while the
 * uidlist lock is held, and dovecot-keywords gets an mtime at least one second
 * later at each change, since readers look at nothing else.
 */
#ifndef STORE_KEYWORDS_H
#define STORE_KEYWORDS_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/task.h"
#include "store/filename.h"

struct keywords {
	char       *name[KEYWORDS_MAX];    /* owned; NULL: free */
	struct stat seen[2];               /* of the two files */
};

void keywords_free(struct keywords *);
void keywords_parse(struct span text, unsigned from, unsigned until, struct keywords *);   /* total */
WAITS int keywords_refresh(struct keywords *, int dir, struct fault *);
int  keywords_find(const struct keywords *, struct span name);        /* -1: none */
const char *keywords_name(struct keywords *, unsigned number);        /* never NULL */
/* Finds or adds in memory: -1 and FAULT_DENIED when all 64 are in use. */
int  keywords_add(struct keywords *, struct span name, bool *added, struct fault *);
/* Writes both files as needed; the uidlist lock is held. */
WAITS int keywords_write(struct keywords *, int dir, struct fault *);

/* All 26 letters have names: Dovecot kept further keywords in its index (dovecot_index.h).  When they
 * were taken from there is the time of postern-keywords, in seconds; 0: never. */
bool keywords_letters_full(const struct keywords *);
int64_t keywords_marked(const struct keywords *);
WAITS int keywords_mark(struct keywords *, int dir, struct fault *);

#endif
