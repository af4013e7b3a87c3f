/* SPDX-License-Identifier: ISC */
/*
 * arena.c - a chain of blocks; the newest is filled
 */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAGIC = 0x41524e41, BLOCK_SIZE = 4000, ALIGN = 16 };

struct block {
	struct block *older;
	size_t        used, size;
	_Alignas(ALIGN) char bytes[];
};

struct arena {
	unsigned      magic;
	struct block *newest;
	size_t        used;
};

struct arena *
arena_new(void)
{
	struct arena *a = mem_alloc(sizeof *a);

	a->magic = ARENA_MAGIC;
	return a;
}

void
arena_reset(struct arena *a)
{
	assert(a->magic == ARENA_MAGIC);
	struct block *kept = NULL;

	while (a->newest) {
		struct block *b = a->newest;

		a->newest = b->older;
		mem_wipe(b->bytes, b->used); /* it may have held a password */
		if (!b->older && b->size == BLOCK_SIZE) {
			b->used = 0; /* and is all zeros again: the next job begins with it */
			kept = b;
		} else {
			free(b);
		}
	}
	a->newest = kept;
	a->used = 0;
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->newest);
	a->magic = 0;
	free(a);
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->newest;

	assert(a->magic == ARENA_MAGIC && size < SIZE_MAX / 2);
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = mem_alloc(sizeof *b + room);
		b->size = room;
		b->older = a->newest;
		a->newest = b;
	}
	b->used += size;
	a->used += size;
	return b->bytes + b->used - size;
}

char *
arena_string(struct arena *a, struct span s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (s.len)
		memcpy(copy, s.at, s.len);
	return copy;
}

struct span
arena_span(struct arena *a, struct span s)
{
	return (struct span){arena_string(a, s), s.len};
}

char *
arena_format(struct arena *a, const char *format, ...)
{
	va_list args;
	char   *out;
	int     len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);
	out = arena_alloc(a, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(out, (size_t)len + 1, format, args);
	va_end(args);
	return out;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}
