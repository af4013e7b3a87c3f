/* SPDX-License-Identifier: ISC */
/*
 * text.c - owned bytes that grow by doubling
 */
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORMAT_GUESS = 60 }; /* most formatted pieces are shorter: one pass */

char *
text_room(struct text *t, size_t more)
{
	size_t need = t->len + more + 1;

	assert(need > more);
	if (need > t->room) {
		size_t room = t->room ? t->room : 32;

		while (room < need)
			room *= 2;
		t->at = mem_grow(t->at, room, 1);
		t->room = room;
	}
	return t->at + t->len;
}

void
text_add(struct text *t, struct span s)
{
	char *end = text_room(t, s.len);

	if (s.len)
		memcpy(end, s.at, s.len);
	t->len += s.len;
	t->at[t->len] = '\0';
}

void
text_add_string(struct text *t, const char *string)
{
	text_add(t, span_of(string));
}

void
text_add_args(struct text *t, const char *format, va_list args)
{
	va_list again;
	char   *end = text_room(t, FORMAT_GUESS);
	size_t  room = t->room - t->len;
	int     len;

	va_copy(again, args);
	len = vsnprintf(end, room, format, again);
	va_end(again);
	assert(len >= 0);
	if ((size_t)len >= room)
		vsnprintf(text_room(t, (size_t)len), (size_t)len + 1, format, args);
	t->len += (size_t)len;
}

void
text_add_format(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_add_args(t, format, args);
	va_end(args);
}

void
text_set(struct text *t, struct span s)
{
	text_clear(t);
	text_add(t, s);
}

void
text_clear(struct text *t)
{
	t->len = 0;
	if (t->at)
		t->at[0] = '\0';
}

void
text_cut(struct text *t, size_t len)
{
	if (len < t->len) {
		t->len = len;
		t->at[len] = '\0';
	}
}

void
text_drop(struct text *t, size_t count)
{
	if (count >= t->len) {
		text_clear(t);
		return;
	}
	memmove(t->at, t->at + count, t->len - count + 1);
	t->len -= count;
}

void
text_free(struct text *t)
{
	free(t->at);
	*t = (struct text){0};
}

void
text_lower(struct text *t)
{
	for (size_t i = 0; i < t->len; i++)
		t->at[i] = ascii_lower(t->at[i]);
}
