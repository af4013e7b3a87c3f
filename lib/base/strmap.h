/* SPDX-License-Identifier: ISC */
/*
 * strmap.h - from bytes to a pointer
 *
 * Keys are copied; values are the caller's.  The hash is keyed at random in
 * each process, so that a peer cannot choose keys that collide.
 */
#ifndef BASE_STRMAP_H
#define BASE_STRMAP_H

#include "base/span.h"

struct strmap;

struct strmap *strmap_new(void);
struct strmap *strmap_new_borrowing(void);   /* keys are not copied: they stay where they are as long as the map */
void   strmap_free(struct strmap *, void (*free_value)(void *)); /* either may be NULL */
void  *strmap_get(const struct strmap *, struct span key);       /* NULL: none */
void  *strmap_put(struct strmap *, struct span key, void *value); /* the one before, or NULL */
void **strmap_slot(struct strmap *, struct span key);            /* its value, NULL when it is new; good until the next change */
void  *strmap_remove(struct strmap *, struct span key);          /* its value, or NULL */
size_t strmap_count(const struct strmap *);

/* Walks in no particular order: start with *at = 0; removing the entry just
 * returned is allowed, adding is not. */
bool strmap_next(const struct strmap *, size_t *at, struct span *key, void **value);

#endif
