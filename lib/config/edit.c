/* SPDX-License-Identifier: ISC */
/*
 * edit.c - change main.cf or master.cf and keep all comments and the order
 */
#include "config/edit.h"

static bool
is_comment(struct span line)
{
	line = span_trim(line);
	return line.len == 0 || line.at[0] == '#';
}

static bool
key_is(struct span line, enum edit_kind kind, const char *key)
{
	struct span name, type;

	if (kind == EDIT_MAIN) {
		span_split(&line, '=', &name);
		return span_is(span_trim(name), key);
	}
	if (!span_next(&line, " \t", &name) || !span_next(&line, " \t\r", &type))
		return false;
	return strlen(key) == name.len + 1 + type.len &&
	       span_equal(span_first(span_of(key), name.len), name) && key[name.len] == '/' &&
	       span_is(type, key + name.len + 1);
}

static struct edit *
find_edit(struct span line, enum edit_kind kind, struct edit *edits, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (key_is(line, kind, edits[i].key))
			return &edits[i];
	return NULL;
}

static void
add_line(struct text *out, struct span line)
{
	text_add(out, line);
	text_add_byte(out, '\n');
}

static void
apply(struct edit *e, enum edit_kind kind, struct span line, bool first, struct text *out)
{
	if (!e)
		add_line(out, line);
	else if (e->action == EDIT_COMMENT) {
		text_add_byte(out, '#');
		add_line(out, line);
	} else if (e->action == EDIT_SET && first && !e->done && kind == EDIT_MAIN)
		add_line(out, span_of(e->line));
	if (e && first)
		e->done = true;
}

/* As Postfix does it: a line of master.cf comes behind the comments that stood within and behind the old one. */
static struct edit *
settle(struct edit *pending, struct text *out)
{
	if (pending)
		add_line(out, span_of(pending->line));
	return NULL;
}

void
edit_text(struct span in, enum edit_kind kind, struct edit *edits, size_t count, struct text *out)
{
	struct edit *current = NULL, *pending = NULL;
	struct span  line;

	while (in.len) {
		span_split(&in, '\n', &line);
		if (is_comment(line))
			add_line(out, line);
		else if (line.at[0] == ' ' || line.at[0] == '\t')
			apply(current, kind, line, false, out);
		else {
			pending = settle(pending, out);
			current = find_edit(line, kind, edits, count);
			if (current && kind == EDIT_MASTER && current->action == EDIT_SET && !current->done)
				pending = current;
			apply(current, kind, line, true, out);
		}
	}
	settle(pending, out);
	for (size_t i = 0; i < count; i++)
		if (edits[i].action == EDIT_SET && !edits[i].done)
			add_line(out, span_of(edits[i].line));
}
