/* SPDX-License-Identifier: ISC */
/*
 * scan.h - which message files are in new/ and cur/
 *
 * new/ is read before cur/, so that a file that is moved meanwhile is seen at
 * least once.  A rename within cur/ can still hide a file from readdir(3):
 * whoever misses one reads again into the same scan before he believes it.
 * Files are known by their base; entries that are no regular files, and names
 * that no uidlist can hold, are left out.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/strmap.h"
#include "base/task.h"

struct scan_entry {
	char    *name;            /* of the scan; NULL: it is not there any more */
	uint16_t base_len;
	bool     in_new;
	unsigned pass;            /* of scan_read that saw it last */
};

struct scan {
	struct scan_entry *at;
	size_t             count, room;
	struct strmap     *by_base;       /* index + 1 */
	unsigned           pass;
	struct arena      *names;         /* all of them, one behind the other; keys are there, too */
	char              *next;
	size_t             left;
};

void scan_init(struct scan *);
void scan_free(struct scan *);

/* `repair` (the uidlist lock is held) gives a second file of the same base, or
 * one without any, a name of its own. */
WAITS int scan_read(struct scan *, int new_dir, int cur_dir, bool repair, struct fault *);

/* A copy that lives as long as the scan's names. */
char *scan_keep_name(struct scan *, struct span name);
/* The names are the caller's now (arena_free); the scan is good for scan_free alone. */
struct arena *scan_take_names(struct scan *);

struct scan_entry *scan_find(const struct scan *, struct span base);   /* NULL: none */

#endif
