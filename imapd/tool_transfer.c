/* SPDX-License-Identifier: ISC */
/*
 * tool_transfer.c - messages from one place of a user's to another: import and export
 *
 * Two sessions of the same user, each confined to its own place: what one tells by FETCH the other takes by
 * APPEND, with flags, keywords and dates. Where the parent mailbox is named, what is found lies below it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/location.h"
#include "tool.h"

enum { TROUBLE = 75, WRONG = 64 };

struct transfer {
	struct tool *from, *to;
	struct span  uid, mailbox;         /* of the message; where to, quoted */
};

/* The bytes that lie between a mailbox's levels. */
static struct span
separator(struct tool *t)
{
	struct tool_line *told;

	if (tool_ask(t, &told, "LIST \"\" \"\"") < 0)
		return SPAN(".");
	for (; told; told = told->next) {
		ptrdiff_t end = span_find(told->text, ')');

		if (span_starts(told->text, "LIST (") && end > 0 && (size_t)end + 4 < told->text.len)
			return span_cut(told->text, (size_t)end + 3, (size_t)end + 4);
	}
	return SPAN(".");
}

/* There afterwards, or -1 and said. */
static int
make_mailbox(struct tool *t, const char *name, bool subscribe)
{
	const char       *quoted = tool_quote(t, span_of(name));
	struct tool_line *told;

	if (tool_ask(t, &told, "LIST \"\" %s", quoted) < 0)
		return -1;
	if ((!told || span_find_text(told->text, SPAN("\\Non")) > 0) && tool_ask(t, &told, "CREATE %s", quoted) < 0)
		return -1;
	return subscribe ? tool_ask(t, &told, "SUBSCRIBE %s", quoted) : 0;
}

/* Of the message alone: its value, in the arena of `t`. -1: it is gone, or trouble that was said. */
static int
fetch(struct transfer *x, const char *item, struct span *out)
{
	struct tool_line *told;
	const char       *name = strcmp(item, "BODY.PEEK[]") == 0 ? "BODY[" : item;

	if (tool_ask(x->from, &told, "UID FETCH %.*s (%s)", SPAN_ARGS(x->uid), item) < 0)
		return -1;
	for (; told; told = told->next)
		if (span_find_text(told->text, span_of(name)) >= 0) {
			*out = tool_fetched(told->text, SPAN("text"), item);
			return 0;
		}
	return 1;
}

/* \Recent is nobody's to give. */
static void
add_flags(struct span flags, struct text *out)
{
	struct span flag;

	while (span_next(&flags, " ", &flag))
		if (!span_is_nocase(flag, "\\Recent"))
			text_add_format(out, "%s%.*s", out->len ? " " : "", SPAN_ARGS(flag));
}

/* 0, 1 it went away meanwhile, -1 */
static int
one(struct transfer *x)
{
	autotext struct text flags = {0};
	struct span          told, date, body;
	struct tool_line    *answer;
	int                  got = fetch(x, "FLAGS", &told);

	got = got ? got : fetch(x, "INTERNALDATE", &date);
	got = got ? got : fetch(x, "BODY.PEEK[]", &body);
	if (got)
		return got;
	add_flags(told, &flags);
	return tool_ask(x->to, &answer, "APPEND %.*s (%s) \"%.*s\" {%zu+}\r\n%.*s", SPAN_ARGS(x->mailbox), text_string(&flags),
		SPAN_ARGS(date), body.len, SPAN_ARGS(body));
}

/* A message at a time, whose bytes are then forgotten. */
static int
all(struct tool *t, const char *mailbox, struct span uids, const char *parent)
{
	struct tool          *to = t->other;
	struct arena         *mine = t->arena, *theirs = to->arena;
	struct transfer       x = {t, to, SPAN_NONE, SPAN_NONE};
	bool                  subscribe = *parent == '+';
	int                   status = 0;
	autotext struct text  name = {0};

	parent++;
	if (*parent)
		text_add_format(&name, "%s%.*s", parent, SPAN_ARGS(separator(to)));
	text_add_string(&name, mailbox);
	if (make_mailbox(to, text_string(&name), subscribe) < 0)
		return TROUBLE;
	x.mailbox = span_of(tool_quote(to, text_span(&name)));
	while (status == 0 && span_next(&uids, ",", &x.uid)) {
		t->arena = arena_new();
		to->arena = arena_new();
		status = one(&x) < 0 ? TROUBLE : 0;
		arena_free(t->arena);
		arena_free(to->arena);
		t->arena = mine;
		to->arena = theirs;
	}
	return status;
}

int
tool_import(struct tool *t, int argc, char **argv)
{
	struct tool *from;
	int          status;

	if (argc < 3) {
		fprintf(stderr, "usage: postern import -u user [-s] maildir:path parent-mailbox query\n");
		return WRONG;
	}
	from = tool_open(t, argv[0], true);
	if (!from)
		return TROUBLE;
	status = tool_each(from, argc - 2, argv + 2, false, all, arena_format(t->arena, "%c%s", t->own_option ? '+' : '-', argv[1]));
	tool_close(from);
	return status;
}

int
tool_export(struct tool *t, int argc, char **argv)
{
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: postern export -u user maildir:path query\n");
		return WRONG;
	}
	t->other = tool_open(t, argv[0], false);
	if (!t->other)
		return TROUBLE;
	status = tool_each(t, argc - 1, argv + 1, false, all, "-");
	tool_close(t->other);
	return status;
}
