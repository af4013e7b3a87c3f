/* SPDX-License-Identifier: ISC */
/*
 * built.h - the LMDB files behind hash:, btree: and lmdb:
 *
 * The text /etc/postern/virtual is built into
 *
 *   $data_directory/tables/virtual-<hex of a hash of the absolute path>.lmdb
 *
 * with the text's times, size and owner inside, so that staleness is known.  A foreign
 * virtual.db or virtual.lmdb beside the text is never touched or read.  The file gets the
 * text's mode (never more), is written under a temporary name, synced and renamed; readers
 * keep what they have open and see by table_changed that it was replaced.
 */
#ifndef TABLE_BUILT_H
#define TABLE_BUILT_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"

struct built_options {
	bool aliases;        /* the text is in aliases(5) syntax */
	bool keep_case;      /* postmap -f: keys as written */
	bool replace;        /* postmap -r: of two lines for a key the last holds */
	bool quiet_repeats;  /* postmap -w: no warning about those */
	bool keep_old;       /* bad lines: keep the old table, when there is one, and fail */
	bool no_mode;        /* postmap -p: do not take the text's mode over */
	bool files;          /* postmap -F: values name files, whose contents go in (contents.h) */
};

enum built_state { BUILT_FRESH, BUILT_STALE, BUILT_MISSING, BUILT_WITHOUT_TEXT };

/* "hash:/etc/aliases" is named in alias_maps or alias_database. */
bool  built_is_aliases(const char *spec);
bool  built_was_aliases(const char *source);         /* when it was built last */
bool  built_was_files(const char *source);
char *built_path(const char *source);                /* owned */
enum built_state built_check(const char *source);
uid_t built_owner(const char *source);               /* of the text, at the time of building; -1 */

/* `target` is what was opened as `source`: -1 when a link of another user led there. */
struct stat;
int built_check_link(const char *source, const struct stat *target, struct fault *);
/* Builds from the text; bad lines are logged with file and line.  With `files` root reads nothing for
 * others (the text must be root's), and the table is its owner's alone, since keys lie in it. */
int built_make(const char *source, const struct built_options *, struct fault *);

/* Changes entries without the text (postmap -i, -d): a new file with all that
 * was in the old one and these changes.  value NULL removes; *removed says
 * whether it was there (may be NULL). */
struct built_change { struct span key; const struct span *value; };
int built_edit(const char *source, const struct built_change *, size_t count,
               const struct built_options *, bool *removed, struct fault *);

/* All entries in the order of keys (postmap -s). */
int built_walk(const char *source, void (*each)(void *context, struct span key, struct span value),
               void *context, struct fault *);

#endif
