/* SPDX-License-Identifier: ISC */
/*
 * mem.h - owned memory, and leaving a block tidily
 *
 * Out of memory ends the process: the queue is safe, since nothing was
 * promised before it was on stable storage.  So mem_* never return NULL.
 *
 * Five words give a local back when its block is left, in any way:
 *
 *   autofree    char *p        free(p)
 *   autoclose   int fd         close(fd), when not negative
 *   autounlink  const char *p  unlink(p), when not NULL: a partial file
 *   autotext    struct text t  text_free(&t)
 *   autoarena   struct arena *a arena_free(a)
 *
 * take(x) hands a pointer on and leaves NULL; take_fd(fd) leaves -1.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/span.h"

void *mem_alloc(size_t size);                       /* zeroed, owned */
void *mem_array(size_t count, size_t size);         /* zeroed, owned */
void *mem_grow(void *owned, size_t count, size_t size);
char *mem_string(const char *);                     /* owned copy */
char *mem_span(struct span);                        /* owned, NUL added */
void  mem_wipe(void *at, size_t size);              /* not optimised away */

/* An owned C string by format; the caller frees it. */
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

void auto_free(void *pointer_to_pointer);
void auto_close(int *fd);
void auto_unlink(const char **path);
struct text;
void text_free(struct text *);
struct arena;
void auto_arena(struct arena **);

#define autofree   __attribute__((cleanup(auto_free)))
#define autoclose  __attribute__((cleanup(auto_close)))
#define autounlink __attribute__((cleanup(auto_unlink)))
#define autotext   __attribute__((cleanup(text_free)))
#define autoarena  __attribute__((cleanup(auto_arena)))

#define take(pointer)                                                          \
	({                                                                     \
		__typeof__(pointer) taken_ = (pointer);                        \
		(pointer) = NULL;                                              \
		taken_;                                                        \
	})
#define take_fd(fd)                                                            \
	({                                                                     \
		int taken_ = (fd);                                             \
		(fd) = -1;                                                     \
		taken_;                                                        \
	})

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
