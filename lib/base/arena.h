/* SPDX-License-Identifier: ISC */
/*
 * arena.h - memory of one job, freed whole
 *
 * One arena a session and one a message; inside them nobody calls free().
 * An arena belongs to one task.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/mem.h"
#include "base/span.h"

struct arena;

struct arena *arena_new(void);
void  arena_free(struct arena *);                      /* NULL is fine */
void  arena_reset(struct arena *);                     /* wiped, then empty */
void *arena_alloc(struct arena *, size_t size);        /* zeroed, aligned */
char *arena_string(struct arena *, struct span);       /* NUL added */
struct span arena_span(struct arena *, struct span);   /* a copy */
char *arena_format(struct arena *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *);               /* bytes handed out */

#endif
