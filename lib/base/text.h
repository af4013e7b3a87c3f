/* SPDX-License-Identifier: ISC */
/*
 * text.h - owned bytes that grow
 *
 * A zeroed text is empty and valid.  `at` is always followed by a NUL that is
 * not counted, once anything was added; use text_string() where C wants one.
 * A span of a text is borrowed until the next call that adds to it.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>

#include "base/mem.h"
#include "base/span.h"

struct text {
	char  *at;
	size_t len, room;
};

void text_add(struct text *, struct span);
void text_add_string(struct text *, const char *);
static inline void text_add_byte(struct text *, char);
void text_add_format(struct text *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_add_args(struct text *, const char *format, va_list)
	__attribute__((format(printf, 2, 0)));
void text_set(struct text *, struct span);
void text_clear(struct text *);              /* empty, keeps its room */
void text_cut(struct text *, size_t len);    /* never longer than it is */
void text_drop(struct text *, size_t count); /* off the front */
char *text_room(struct text *, size_t more); /* to write behind len; then add to len */
void text_free(struct text *);               /* empty and valid again */
void text_lower(struct text *);              /* ASCII */

static inline void
text_add_byte(struct text *t, char byte)
{
	if (t->room - t->len < 2)    /* an empty one has no room */
		text_room(t, 1);
	t->at[t->len++] = byte;
	t->at[t->len] = '\0';
}

static inline struct span
text_span(const struct text *t)
{
	return (struct span){t->at ? t->at : "", t->len};
}

static inline const char *
text_string(const struct text *t)
{
	return t->at ? t->at : "";
}

#endif
