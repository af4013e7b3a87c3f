/* SPDX-License-Identifier: ISC */
/*
 * cache.h - what a program remembers, across restarts too, and may forget
 *
 * One LMDB file that one process has open: $data_directory/caches/NAME.lmdb, where
 * NAME is the last part of the spec's path.  "btree:/var/lib/postern/verify_cache",
 * "hash:", "lmdb:", each with or without proxy: in front, are all the same to it;
 * "" and "internal:x" live in memory alone.  Nothing is flushed: a power cut may lose
 * it all, and a full map is emptied (SECURITY.md 3.2, 15).
 *
 * A monitor: tasks share it.  Open it before the sandbox closes; then it needs no path.
 */
#ifndef TABLE_CACHE_H
#define TABLE_CACHE_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum { CACHE_KEY_MAX = 500, CACHE_VALUE_MAX = 2000 };

struct cache;

struct cache *cache_open(const char *spec, struct fault *);      /* NULL why */
void cache_close(struct cache *);                                /* NULL is fine */

/* Sets *value: 0 found, 1 not, -1 why. Keys beyond CACHE_KEY_MAX are never found, and not kept. */
int  cache_find(struct cache *, struct span key, struct text *value, struct fault *);
int  cache_put(struct cache *, struct span key, struct span value, struct fault *);
int  cache_remove(struct cache *, struct span key, struct fault *);

/* Removes what `stale` says, in portions, so that others are served meanwhile. */
int  cache_sweep(struct cache *, bool (*stale)(void *context, struct span key, struct span value), void *context,
                 size_t *kept, size_t *removed, struct fault *);

#endif
