/* SPDX-License-Identifier: ISC */
/*
 * mem.c - memory that is there or ends the process
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"

static void
out_of_memory(void)
{
	static const char words[] = "fatal: out of memory\n";

	if (write(STDERR_FILENO, words, sizeof words - 1) < 0)
		_exit(1);
	_exit(1);
}

void *
mem_alloc(size_t size)
{
	void *at = calloc(1, size ? size : 1);

	if (!at)
		out_of_memory();
	return at;
}

void *
mem_array(size_t count, size_t size)
{
	void *at = calloc(count ? count : 1, size ? size : 1);

	if (!at)
		out_of_memory();
	return at;
}

void *
mem_grow(void *owned, size_t count, size_t size)
{
	void *at = reallocarray(owned, count ? count : 1, size ? size : 1);

	if (!at)
		out_of_memory();
	return at;
}

char *
mem_span(struct span s)
{
	char *copy = mem_alloc(s.len + 1);

	if (s.len)
		memcpy(copy, s.at, s.len);
	return copy;
}

char *
mem_string(const char *string)
{
	return mem_span(span_of(string));
}

void
mem_wipe(void *at, size_t size)
{
	explicit_bzero(at, size);
}

char *
mem_format(const char *format, ...)
{
	char   *out = NULL;
	va_list args;
	int     len;

	va_start(args, format);
	len = vasprintf(&out, format, args);
	va_end(args);
	if (len < 0)
		out_of_memory();
	return out;
}

void
auto_free(void *pointer_to_pointer)
{
	void **at = pointer_to_pointer;

	free(*at);
	*at = NULL;
}

void
auto_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
auto_unlink(const char **path)
{
	if (*path)
		unlink(*path);
	*path = NULL;
}

void
auto_arena(struct arena **a)
{
	arena_free(*a);
	*a = NULL;
}
