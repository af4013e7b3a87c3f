/* SPDX-License-Identifier: ISC */
/*
 * tool_more.c - rights, metadata, and what is there twice
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/strmap.h"
#include "tool.h"

enum { TROUBLE = 75, NOT_THERE = 68, WRONG = 64 };

static int
wrong(const char *form)
{
	fprintf(stderr, "usage: postern %s\n", form);
	return WRONG;
}

/* ------------------------------------------------------------ acl (RFC 4314) */

static const struct { const char *word; char letter; } rights[] = {
	{"lookup", 'l'}, {"read", 'r'}, {"write", 'w'}, {"write-seen", 's'}, {"write-deleted", 't'}, {"insert", 'i'}, {"post", 'p'},
	{"expunge", 'e'}, {"create", 'k'}, {"delete", 'x'}, {"admin", 'a'},
};

/* doveadm's words, or letters: false when there is another. */
static bool
letters_of(int argc, char **argv, struct text *out)
{
	for (int i = 0; i < argc; i++) {
		bool known = strcmp(argv[i], "all") == 0 || strspn(argv[i], "lrwstipekxa") == strlen(argv[i]);

		for (size_t k = 0; k < COUNT(rights); k++)
			if (strcmp(argv[i], rights[k].word) == 0 || strcmp(argv[i], "all") == 0) {
				text_add_byte(out, rights[k].letter);
				known = true;
			}
		if (!known)
			return log_error("%s: no such right", argv[i]), false;
		if (strspn(argv[i], "lrwstipekxa") == strlen(argv[i]))
			text_add_string(out, argv[i]);
	}
	return out->len > 0;
}

static void
words_of(struct span letters, struct text *out)
{
	for (size_t i = 0; i < COUNT(rights); i++)
		if (span_has(letters, rights[i].letter))
			text_add_format(out, "%s%s", out->len ? " " : "", rights[i].word);
}

/* "user=carol" is carol to IMAP, "group=staff" $staff; "-user=carol" takes away. */
static const char *
to_imap(struct tool *t, const char *id)
{
	bool        negative = *id == '-';
	struct span rest = span_of(id + negative);
	const char *mark = "";

	if (span_starts(rest, "user=")) {
		rest = span_from(rest, 5);
	} else if (span_starts(rest, "group-override=")) {
		mark = "!$";
		rest = span_from(rest, 15);
	} else if (span_starts(rest, "group=")) {
		mark = "$";
		rest = span_from(rest, 6);
	}
	return arena_format(t->arena, "%s%s%.*s", negative ? "-" : "", mark, SPAN_ARGS(rest));
}

static const char *
from_imap(struct tool *t, struct span id)
{
	static const char *const plain[] = {"owner", "anyone", "authenticated", "anonymous"};
	const char              *minus = span_starts(id, "-") ? "-" : "";
	struct span              rest = span_from(id, *minus ? 1 : 0);

	for (size_t i = 0; i < COUNT(plain); i++)
		if (span_is(rest, plain[i]))
			return arena_string(t->arena, id);
	if (span_starts(rest, "!$"))
		return arena_format(t->arena, "%sgroup-override=%.*s", minus, SPAN_ARGS(span_from(rest, 2)));
	if (span_starts(rest, "$"))
		return arena_format(t->arena, "%sgroup=%.*s", minus, SPAN_ARGS(span_from(rest, 1)));
	return arena_format(t->arena, "%suser=%.*s", minus, SPAN_ARGS(rest));
}

/* One word of an answer, in quotes or not. */
static bool
next_word(struct tool *t, struct span *rest, struct span *word)
{
	autotext struct text plain = {0};
	size_t               i;

	*rest = span_trim(*rest);
	if (!rest->len)
		return false;
	if (rest->at[0] != '"')
		return span_next(rest, " ", word);
	for (i = 1; i < rest->len && rest->at[i] != '"'; i++) {
		i += rest->at[i] == '\\' && i + 1 < rest->len;
		text_add_byte(&plain, rest->at[i]);
	}
	*rest = span_from(*rest, i < rest->len ? i + 1 : i);
	*word = arena_span(t->arena, text_span(&plain));
	return true;
}

static int
acl_get(struct tool *t, const char *mailbox)
{
	static const char *const names[] = {"ID", "Rights"};
	struct tool_line        *told;
	struct span              rest, name, id, letters;

	if (tool_ask(t, &told, "GETACL %s", tool_quote(t, span_of(mailbox))) < 0)
		return NOT_THERE;
	for (; told; told = told->next) {
		rest = told->text;
		if (!span_starts(rest, "ACL "))
			continue;
		rest = span_from(rest, 4);
		next_word(t, &rest, &name);
		while (next_word(t, &rest, &id) && next_word(t, &rest, &letters)) {
			autotext struct text words = {0};

			words_of(letters, &words);
			tool_row(t, names, (struct span[]){span_of(from_imap(t, id)), arena_span(t->arena, text_span(&words))}, 2);
		}
	}
	tool_rows_end(t);
	return 0;
}

static int
acl_mine(struct tool *t, const char *mailbox)
{
	struct tool_line *told;
	struct span       rest, name, letters;

	if (tool_ask(t, &told, "MYRIGHTS %s", tool_quote(t, span_of(mailbox))) < 0)
		return NOT_THERE;
	for (; told; told = told->next) {
		autotext struct text words = {0};

		rest = told->text;
		if (!span_starts(rest, "MYRIGHTS "))
			continue;
		rest = span_from(rest, 9);
		if (next_word(t, &rest, &name) && next_word(t, &rest, &letters)) {
			words_of(letters, &words);
			puts(text_string(&words));
		}
	}
	return 0;
}

int
tool_acl(struct tool *t, int argc, char **argv)
{
	static const struct { const char *word, *sign; } changes[] = {{"set", ""}, {"add", "+"}, {"remove", "-"}};
	autotext struct text letters = {0};
	struct tool_line    *told;

	if (argc == 2 && strcmp(argv[0], "get") == 0)
		return acl_get(t, argv[1]);
	if (argc == 2 && strcmp(argv[0], "rights") == 0)
		return acl_mine(t, argv[1]);
	if (argc == 3 && strcmp(argv[0], "delete") == 0)
		return tool_ask(t, &told, "DELETEACL %s %s", tool_quote(t, span_of(argv[1])), tool_quote(t, span_of(to_imap(t, argv[2])))) < 0 ? NOT_THERE : 0;
	for (size_t i = 0; i < COUNT(changes) && argc > 3; i++)
		if (strcmp(argv[0], changes[i].word) == 0)
			return !letters_of(argc - 3, argv + 3, &letters) ? WRONG
				: tool_ask(t, &told, "SETACL %s %s %s%s", tool_quote(t, span_of(argv[1])), tool_quote(t, span_of(to_imap(t, argv[2]))),
				           changes[i].sign, text_string(&letters)) < 0 ? NOT_THERE : 0;
	return wrong("acl get | rights | set | add | remove | delete -u user mailbox [id [right ...]]");
}

/* ------------------------------------------------------------ metadata (RFC 5464) */

/* "/private/comment"; doveadm leaves the slash away. */
static const char *
entry_of(struct tool *t, const char *name)
{
	return tool_quote(t, span_of(arena_format(t->arena, "%s%s", *name == '/' ? "" : "/", name)));
}

static int
metadata_get(struct tool *t, const char *mailbox, const char *entry)
{
	struct tool_line *told;

	if (tool_ask(t, &told, "GETMETADATA %s (%s)", mailbox, entry_of(t, entry)) < 0)
		return NOT_THERE;
	for (; told; told = told->next) {
		ptrdiff_t   open = span_find(told->text, '(');
		struct span rest, name, value;
		uint64_t    size;

		if (!span_starts(told->text, "METADATA ") || open < 0)
			continue;
		rest = span_from(told->text, (size_t)open + 1);
		next_word(t, &rest, &name);
		rest = span_trim(rest);
		if (span_starts(rest, "{") && span_find(rest, '}') > 0 && span_number(span_cut(rest, 1, (size_t)span_find(rest, '}')), &size)) {
			value = span_first(span_from(rest, (size_t)span_find(rest, '}') + 3), (size_t)size);
		} else {
			if (span_ends(rest, ")"))
				rest.len--;
			if (span_is(rest, "NIL") || !next_word(t, &rest, &value))
				continue;
		}
		printf("%.*s\n", SPAN_ARGS(value));
		return 0;
	}
	return NOT_THERE;
}

static int
metadata_list(struct tool *t, const char *mailbox, const char *prefix)
{
	struct tool_line *told;

	if (tool_ask(t, &told, "GETMETADATA (DEPTH infinity) %s (%s)", mailbox, entry_of(t, prefix)) < 0)
		return NOT_THERE;
	for (; told; told = told->next) {
		struct span rest = told->text, word;
		ptrdiff_t   open = span_find(rest, '(');

		if (!span_starts(rest, "METADATA ") || open < 0)
			continue;
		/* names stand where values do not: each value is a word or a literal behind its name */
		for (rest = span_from(rest, (size_t)open + 1); next_word(t, &rest, &word);) {
			uint64_t size;

			printf("%.*s\n", SPAN_ARGS(word));
			rest = span_trim(rest);
			if (span_starts(rest, "{") && span_find(rest, '}') > 0 && span_number(span_cut(rest, 1, (size_t)span_find(rest, '}')), &size))
				rest = span_from(rest, (size_t)span_find(rest, '}') + 3 + (size_t)size);
			else
				next_word(t, &rest, &word);
			if (span_is(span_trim(rest), ")") || span_ends(word, ")"))
				break;
		}
	}
	return 0;
}

int
tool_metadata(struct tool *t, int argc, char **argv)
{
	struct tool_line *told;

	if (argc < 2)
		return wrong("mailbox metadata list | get | set | unset -u user mailbox entry [value]");
	const char *mailbox = tool_quote(t, span_of(argv[1]));

	if (argc <= 3 && strcmp(argv[0], "list") == 0) {
		int status = metadata_list(t, mailbox, argc == 3 ? argv[2] : "/private");

		return status || argc == 3 ? status : metadata_list(t, mailbox, "/shared");
	}
	if (argc == 3 && strcmp(argv[0], "get") == 0)
		return metadata_get(t, mailbox, argv[2]);
	if (argc == 3 && strcmp(argv[0], "unset") == 0)
		return tool_ask(t, &told, "SETMETADATA %s (%s NIL)", mailbox, entry_of(t, argv[2])) < 0 ? NOT_THERE : 0;
	if (argc == 4 && strcmp(argv[0], "set") == 0)
		return tool_ask(t, &told, "SETMETADATA %s (%s {%zu+}\r\n%s)", mailbox, entry_of(t, argv[2]), strlen(argv[3]), argv[3]) < 0 ? NOT_THERE : 0;
	return wrong("mailbox metadata list | get | set | unset -u user mailbox entry [value]");
}

/* ------------------------------------------------------------ what is there twice */

/* Of messages that are the same (by EMAILID, or with -m by Message-ID) the first in a mailbox stays. */
static int
drop_copies(struct tool *t, const char *mailbox, struct span uids, const char *item)
{
	bool                 by_id = strcmp(item, "EMAILID") != 0;
	struct strmap       *seen = strmap_new();
	autotext struct text drop = {0};
	struct span          uid, key;
	struct tool_line    *told;
	int                  status = 0;

	(void)mailbox;
	while (status == 0 && span_next(&uids, ",", &uid)) {
		if (tool_ask(t, &told, "UID FETCH %.*s (%s)", SPAN_ARGS(uid), item) < 0)
			status = TROUBLE;
		else if (told) {
			key = tool_fetched(told->text, by_id ? SPAN("hdr.message-id") : SPAN("guid"), item);
			if (key.len && strmap_put(seen, key, t))
				text_add_format(&drop, "%s%.*s", drop.len ? "," : "", SPAN_ARGS(uid));
		}
	}
	strmap_free(seen, NULL);
	if (status == 0 && drop.len &&
	    (tool_ask(t, &told, "UID STORE %s +FLAGS.SILENT (\\Deleted)", text_string(&drop)) < 0 || tool_ask(t, &told, "UID EXPUNGE %s", text_string(&drop)) < 0))
		status = TROUBLE;
	return status;
}

int
tool_deduplicate(struct tool *t, int argc, char **argv)
{
	return argc < 1 ? wrong("deduplicate -u user [-m] query")
		: tool_each(t, argc, argv, true, drop_copies, t->own_option ? "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]" : "EMAILID");
}
