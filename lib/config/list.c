/* SPDX-License-Identifier: ISC */
/*
 * list.c - the elements of a parameter that holds several
 */
#include "config/list.h"

#include <stdlib.h>

#include "base/mem.h"

#define BLANKS " \t\r\n"

/* The length of the group at the front, braces counted; 0 when it never closes. */
static size_t
group_length(struct span s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '{')
			depth++;
		if (s.at[i] == '}' && --depth == 0)
			return i + 1;
	}
	return 0;
}

int
list_next(struct span *rest, const char *separators, struct span *element, struct fault *why)
{
	struct span s = *rest;
	size_t      end, depth = 0;

	while (s.len && s.at[0] && strchr(separators, s.at[0]))
		s = span_from(s, 1);
	for (end = 0; end < s.len; end++) {
		if (s.at[end] == '{')
			depth++;
		else if (s.at[end] == '}' && depth)
			depth--;
		else if (!depth && s.at[end] && strchr(separators, s.at[end]))
			break;
	}
	if (depth)
		return fault_set(why, FAULT_INPUT, "missing '}' in \"%.*s\"",
		                 SPAN_ARGS(span_first(s, 60)));
	*rest = span_from(s, end);
	if (end == 0)
		return 0;
	*element = span_first(s, end);
	return 1;
}

void
list_add(struct list *l, struct span element)
{
	l->item = mem_grow(l->item, l->count + 1, sizeof *l->item);
	l->item[l->count++] = mem_span(element);
}

int
list_parse(struct span s, struct list *out, struct fault *why)
{
	struct list got = {0};
	struct span element;
	int         more;

	while ((more = list_next(&s, "," BLANKS, &element, why)) > 0) {
		if (got.count == LIST_MAX) {
			more = fault_set(why, FAULT_INPUT, "more than %d elements", LIST_MAX);
			break;
		}
		list_add(&got, element);
	}
	if (more < 0) {
		list_free(&got);
		return -1;
	}
	*out = got;
	return 0;
}

bool
list_has(const struct list *l, const char *element)
{
	for (size_t i = 0; i < l->count; i++)
		if (span_is_nocase(span_of(l->item[i]), element))
			return true;
	return false;
}

void
list_free(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct list){0};
}

bool
list_group(struct span element, struct span *inside)
{
	if (element.len < 2 || element.at[0] != '{' || group_length(element) != element.len)
		return false;
	*inside = span_trim(span_cut(element, 1, element.len - 1));
	return true;
}

int
list_assignment(struct span s, struct span *name, struct span *value, struct fault *why)
{
	ptrdiff_t   equals = span_find(s, '=');
	struct span before = span_trim(span_first(s, equals < 0 ? s.len : (size_t)equals));

	if (equals < 0)
		return fault_set(why, FAULT_INPUT, "missing '=' after attribute name: \"%.*s\"",
		                 SPAN_ARGS(span_first(before, 200)));
	if (before.len == 0)
		return fault_set(why, FAULT_INPUT, "missing attribute name");
	*name = before;
	*value = span_trim(span_from(s, (size_t)equals + 1));
	return 0;
}
