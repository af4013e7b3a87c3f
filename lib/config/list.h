/* SPDX-License-Identifier: ISC */
/*
 * list.h - the elements of a parameter that holds several
 *
 * Elements are separated by commas and blanks that do not stand in { }; braces
 * stay in the element:
 *
 *   inet:localhost:8891, { inet:[::1]:99, command_timeout = 5s }   two elements
 *   inline:{a=b, c=d} hash:/x                                      two elements
 *
 * list_group cuts the braces off.  Elements are owned by the list and end in
 * NUL.  A zeroed list is empty and valid.  For matching see match.h.
 */
#ifndef CONFIG_LIST_H
#define CONFIG_LIST_H

#include "base/fault.h"
#include "base/span.h"

enum { LIST_MAX = 100000 };

struct list {
	char **item;
	size_t count;
};

/* -1 when a brace is not closed. */
int  list_parse(struct span, struct list *, struct fault *);
void list_add(struct list *, struct span element);
bool list_has(const struct list *, const char *element);    /* case ignored */
void list_free(struct list *);

/* The next element off the front of *rest: 1, 0 at the end, -1 a bad brace.
 * `separators` as in ", \t\r\n". */
int list_next(struct span *rest, const char *separators, struct span *element, struct fault *);

/* True when the element is a { } group; *inside is what stands in it, trimmed. */
bool list_group(struct span element, struct span *inside);

/* "name = value" as inside a group or after -o: both trimmed; -1 without '='
 * or name. */
int list_assignment(struct span, struct span *name, struct span *value, struct fault *);

#endif
