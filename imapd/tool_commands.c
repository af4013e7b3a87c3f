/* SPDX-License-Identifier: ISC */
/*
 * tool_commands.c - what an administrator does to a user's mail (doveadm's words)
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/location.h"
#include "store/quota.h"
#include "tool.h"

enum { TROUBLE = 75, NOT_THERE = 68, WRONG = 64, MESSAGE_MOST = 1 << 30 };

static int
complain(const struct fault *why)
{
	log_error("%s", fault_text(why));
	return WRONG;
}

static int
wrong(const char *form)
{
	fprintf(stderr, "usage: postern %s\n", form);
	return WRONG;
}

/* ------------------------------------------------------------ mailboxes */

/* The name of "LIST (\HasNoChildren) "." name" as it stands; \Noselect ones are passed over. */
static bool
listed_name(struct tool *t, struct span line, struct span *name)
{
	ptrdiff_t end = span_find(line, ')');
	struct span flags, rest;

	if (!span_starts(line, "LIST (") || end < 0)
		return false;
	flags = span_first(line, (size_t)end);
	rest = span_from(line, (size_t)end + 6); /* ") "." " */
	if (span_find_text(flags, SPAN("\\Noselect")) >= 0 || span_find_text(flags, SPAN("\\NonExistent")) >= 0)
		return false;
	if (rest.len > 1 && rest.at[0] == '"') {
		autotext struct text plain = {0};

		for (size_t i = 1; i + 1 < rest.len; i++) {
			if (rest.at[i] == '\\' && i + 2 < rest.len)
				i++;
			text_add_byte(&plain, rest.at[i]);
		}
		rest = arena_span(t->arena, text_span(&plain));
	}
	*name = rest;
	return true;
}

struct mailboxes { const char *at[4096]; size_t count; };

static int
list(struct tool *t, const char *pattern, struct mailboxes *out)
{
	struct tool_line *told;
	struct span       name;

	if (tool_ask(t, &told, "LIST \"\" %s", tool_quote(t, span_of(pattern))) < 0)
		return TROUBLE;
	for (; told; told = told->next)
		if (listed_name(t, told->text, &name) && out->count < COUNT(out->at))
			out->at[out->count++] = arena_string(t->arena, name);
	return 0;
}

static int
mailbox_list(struct tool *t, int argc, char **argv)
{
	static const char *const heads[] = {"mailbox"};
	struct mailboxes        *m = arena_alloc(t->arena, sizeof *m);
	int                      status = 0;

	m->count = 0;
	for (int i = 0; i < argc || i == 0; i++)
		status |= list(t, argc ? argv[i] : "*", m);
	for (size_t i = 0; i < m->count; i++) {
		struct span value = span_of(m->at[i]);

		if (*t->format || t->many)
			tool_row(t, heads, &value, 1);
		else
			printf("%s\n", m->at[i]);
	}
	if (*t->format)
		tool_rows_end(t);
	return status;
}

/* "STATUS name (MESSAGES 1 UNSEEN 0)" as a record. */
static void
status_row(struct tool *t, const char *name, struct span line)
{
	const char *names[16] = {"mailbox"};
	struct span values[16] = {span_of(name)};
	ptrdiff_t   open = span_find_last(line, '(');
	size_t      n = 1;
	struct span rest, word, value;

	if (span_ends(line, "))")) /* MAILBOXID (..) comes last */
		open = span_find(line, '(');
	rest = span_from(line, (size_t)open + 1);
	while (n < COUNT(names) && span_next(&rest, " )", &word) && span_next(&rest, " )", &value)) {
		autotext struct text lower = {0};

		text_add(&lower, word);
		text_lower(&lower);
		if (span_starts(value, "("))
			value = span_from(value, 1);
		names[n] = arena_string(t->arena, text_span(&lower));
		values[n++] = value;
	}
	if (!*t->format)
		t->format = "flow";
	tool_row(t, names, values, n);
}

static int
mailbox_status(struct tool *t, int argc, char **argv)
{
	struct mailboxes *m = arena_alloc(t->arena, sizeof *m);
	struct tool_line *told;
	int               status = 0;

	if (argc < 2)
		return wrong("mailbox status -u user \"messages unseen ...\" mailbox ...");
	const char *items = strcmp(argv[0], "all") == 0 ? "MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE"
		: argv[0];

	m->count = 0;
	for (int i = 1; i < argc; i++)
		status |= list(t, argv[i], m);
	for (size_t i = 0; i < m->count; i++) {
		if (tool_ask(t, &told, "STATUS %s (%s)", tool_quote(t, span_of(m->at[i])), items) < 0)
			return NOT_THERE;
		for (; told; told = told->next)
			if (span_starts(told->text, "STATUS "))
				status_row(t, m->at[i], told->text);
	}
	tool_rows_end(t);
	return status;
}

static int
each_mailbox(struct tool *t, const char *verb, int argc, char **argv)
{
	struct tool_line *told;
	int               status = argc ? 0 : wrong("mailbox create | delete | subscribe | unsubscribe -u user mailbox ...");

	for (int i = 0; i < argc; i++)
		if (tool_ask(t, &told, "%s %s", verb, tool_quote(t, span_of(argv[i]))) < 0)
			status = NOT_THERE;
	return status;
}

static int
mailbox_path(struct tool *t, int argc, char **argv)
{
	struct location l = {0};
	struct fault    why = {0};

	if (location_parse(span_of(t->user->mail), span_of(t->user->user), span_of(t->user->home), &l, &why) < 0)
		return complain(&why);
	for (int i = 0; i < argc; i++) {
		autotext struct text path = {0};

		if (strcasecmp(argv[i], "INBOX") != 0)
			text_add_format(&path, "/.%s", argv[i]);
		for (size_t k = 1; k < path.len; k++)
			if (path.at[k] == '/')
				path.at[k] = '.';
		printf("%s%s\n", text_string(&l.root), text_string(&path));
	}
	location_free(&l);
	return 0;
}

int
tool_mailbox(struct tool *t, int argc, char **argv)
{
	static const char *const plain[] = {"create", "delete", "subscribe", "unsubscribe"};
	struct tool_line        *told;
	const char              *word = argv[0];

	argc--, argv++;
	for (size_t i = 0; i < COUNT(plain); i++)
		if (strcmp(word, plain[i]) == 0)
			return each_mailbox(t, word, argc, argv);
	if (strcmp(word, "list") == 0)
		return mailbox_list(t, argc, argv);
	if (strcmp(word, "status") == 0)
		return mailbox_status(t, argc, argv);
	if (strcmp(word, "path") == 0)
		return mailbox_path(t, argc, argv);
	if (strcmp(word, "metadata") == 0)
		return tool_metadata(t, argc, argv);
	if (strcmp(word, "rename") == 0 && argc == 2)
		return tool_ask(t, &told, "RENAME %s %s", tool_quote(t, span_of(argv[0])), tool_quote(t, span_of(argv[1]))) < 0
			? NOT_THERE : 0;
	return wrong("mailbox list | status | create | delete | rename | subscribe | unsubscribe | path | metadata -u user ...");
}

/* ------------------------------------------------------------ quota */

static void
quota_row(struct tool *t, const char *name, const char *type, int64_t value, int64_t limit)
{
	static const char *const names[] = {"Quota name", "Type", "Value", "Limit", "%"};
	autofree char *used = mem_format("%lld", (long long)value);
	autofree char *most = limit ? mem_format("%lld", (long long)limit) : mem_string("-");
	autofree char *part = mem_format("%lld", limit ? (long long)(value * 100 / limit) : 0);
	struct span    values[] = {span_of(name), span_of(type), span_of(used), span_of(most), span_of(part)};

	tool_row(t, names, values, COUNT(values));
}

int
tool_quota(struct tool *t, int argc, char **argv)
{
	struct location  l = {0};
	struct maildir  *m = NULL;
	struct quota    *q = NULL;
	struct quota_use use = {0};
	struct quota_mailboxes mailboxes = {0};
	struct fault     why = {0};
	bool             recalc = argc == 1 && strcmp(argv[0], "recalc") == 0;
	int              status = 0;

	if (!recalc && (argc != 1 || strcmp(argv[0], "get") != 0))
		return wrong("quota get | recalc | set | unset -u user");
	if (quota_make(&quota_settings, span_of(t->user->quota), &q, &why) < 0
		|| location_parse(span_of(t->user->mail), span_of(t->user->user), span_of(t->user->home), &l, &why) < 0
		|| maildir_open(text_string(&l.root), MAILDIR_CREATE, &m, &why) < 0
		|| (q && quota_look(q, m, QUOTA_EXACT, &use, &why) < 0)
		|| (q && recalc && quota_recount(q, m, &use, &why) < 0)
		|| (q && quota_mailboxes(q, m, &mailboxes, &why) < 0)) {
		status = complain(&why);
	} else if (!q) {
		log_error("quota is not set in main.cf");
		status = WRONG;
	} else if (!recalc) {
		quota_row(t, quota_name(q), "STORAGE", (use.bytes + 1023) / 1024, use.bytes_limit / 1024);
		quota_row(t, quota_name(q), "MESSAGE", use.count, use.count_limit);
		if (mailboxes.limit)
			quota_row(t, quota_name(q), "MAILBOX", mailboxes.count, mailboxes.limit);
		tool_rows_end(t);
	}
	maildir_close(m);
	location_free(&l);
	quota_free(q);
	return status;
}

/* ------------------------------------------------------------ messages that a query finds */

static int
in_mailbox(struct tool *t, const char *mailbox, const char *keys, bool changes, tool_found *act, const char *argument)
{
	autotext struct text set = {0};
	struct tool_line    *told;

	if (tool_ask(t, &told, "%s %s", changes ? "SELECT" : "EXAMINE", tool_quote(t, span_of(mailbox))) < 0)
		return NOT_THERE;
	if (tool_ask(t, &told, "UID SEARCH %s", keys) < 0)
		return WRONG;
	for (; told; told = told->next)
		if (span_starts(told->text, "SEARCH"))
			for (size_t i = 7; i < told->text.len; i++)
				text_add_byte(&set, told->text.at[i] == ' ' ? ',' : told->text.at[i]);
	return set.len ? act(t, mailbox, text_span(&set), argument) : 0;
}

int
tool_each(struct tool *t, int argc, char **argv, bool changes, tool_found *act, const char *argument)
{
	struct tool_query q;
	struct mailboxes *m = arena_alloc(t->arena, sizeof *m);
	struct fault      why = {0};
	int               status = 0, one;

	if (argc < 1)
		return wrong("search | fetch | expunge | move | copy | flags -u user ... query (all: every message)");
	if (tool_query_parse(t, argc, argv, &q, &why) < 0) {
		text_free(&q.keys);
		return complain(&why);
	}
	m->count = 0;
	for (size_t i = 0; i < q.mailboxes || i == 0; i++) {
		size_t before = m->count;

		status |= list(t, q.mailboxes ? q.mailbox[i] : "*", m);
		if (m->count == before && q.mailboxes && !strpbrk(q.mailbox[i], "*%")) {
			log_error("%s: mailbox %s doesn't exist", t->user->user, q.mailbox[i]);
			status = NOT_THERE;
		}
	}
	for (size_t i = 0; i < m->count; i++) {
		one = in_mailbox(t, m->at[i], text_string(&q.keys), changes, act, argument);
		status = one ? one : status;
	}
	text_free(&q.keys);
	return status;
}

/* "<mailbox guid> <uid>", as doveadm prints it. */
static int
print_uids(struct tool *t, const char *mailbox, struct span uids, const char *unused)
{
	static const char *const names[] = {"mailbox-guid", "uid"};
	struct tool_line        *told;
	struct span              guid = SPAN_NONE, uid;

	(void)unused;
	if (tool_ask(t, &told, "STATUS %s (MAILBOXID)", tool_quote(t, span_of(mailbox))) < 0)
		return TROUBLE;
	for (; told; told = told->next) {
		ptrdiff_t at = span_find_last(told->text, '(');

		if (span_starts(told->text, "STATUS ") && at >= 0)
			guid = span_cut(told->text, (size_t)at + 1, told->text.len - 2);
	}
	while (span_next(&uids, ",", &uid)) {
		struct span values[] = {guid, uid};

		if (*t->format)
			tool_row(t, names, values, 2);
		else
			printf("%s%s%.*s %.*s\n", t->many ? t->user->user : "", t->many ? " " : "", SPAN_ARGS(guid), SPAN_ARGS(uid));
	}
	return 0;
}

int
tool_search(struct tool *t, int argc, char **argv)
{
	int status = tool_each(t, argc, argv, false, print_uids, NULL);

	if (*t->format)
		tool_rows_end(t);
	return status;
}

/* The words of whole mailboxes, so that the first search need not read them (search_index.h). */
int
tool_index(struct tool *t, int argc, char **argv)
{
	struct mailboxes *m = arena_alloc(t->arena, sizeof *m);
	struct tool_line *told;
	int               status = 0;

	m->count = 0;
	for (int i = 0; i < argc; i++) {
		size_t before = m->count;

		status |= list(t, argv[i], m);
		if (m->count == before && !strpbrk(argv[i], "*%")) {
			log_error("%s: mailbox %s doesn't exist", t->user->user, argv[i]);
			status = NOT_THERE;
		}
	}
	for (size_t i = 0; i < m->count; i++)
		if (tool_ask(t, &told, "XINDEX %s", tool_quote(t, span_of(m->at[i]))) < 0)
			status = TROUBLE;
	return status;
}

static const struct { const char *field, *item; } fields[] = {
	{"text", "BODY.PEEK[]"}, {"hdr", "BODY.PEEK[HEADER]"}, {"body", "BODY.PEEK[TEXT]"}, {"flags", "FLAGS"},
	{"size.physical", "RFC822.SIZE"}, {"size.virtual", "RFC822.SIZE"}, {"date.received", "INTERNALDATE"},
	{"date.saved", "SAVEDATE"}, {"guid", "EMAILID"}, {"modseq", "MODSEQ"}, {"imap.envelope", "ENVELOPE"},
	{"imap.bodystructure", "BODYSTRUCTURE"}, {"imap.body", "BODY"},
};

/* "hdr.subject" asks for that header field. */
static const char *
fetch_item(struct tool *t, struct span field)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (span_is_nocase(field, fields[i].field))
			return fields[i].item;
	if (span_starts_nocase(field, "hdr.") && span_find_any(field, " ()[]\"") < 0)
		return arena_format(t->arena, "BODY.PEEK[HEADER.FIELDS (%.*s)]", SPAN_ARGS(span_from(field, 4)));
	return NULL;
}

struct span
tool_fetched(struct span line, struct span field, const char *item)
{
	const char *told = strncmp(item, "BODY.PEEK", 9) == 0 ? "BODY[" : item;
	ptrdiff_t   at = span_find_text(line, span_of(told)), end;
	uint64_t    size;
	struct span value;

	if (at < 0)
		return SPAN_NONE;
	value = span_from(line, (size_t)at + strlen(told));
	if (told[strlen(told) - 1] == '[') {
		end = span_find(value, ']');
		value = span_from(value, (size_t)end + 1);
	}
	value = span_trim(value);
	if (span_starts(value, "{") && (end = span_find(value, '}')) > 0
		&& span_number(span_cut(value, 1, (size_t)end), &size))
		value = span_first(span_from(value, (size_t)end + 3), (size_t)size);
	else if (span_ends(value, ")"))
		value.len--;
	if (value.len > 1 && (value.at[0] == '"' || value.at[0] == '('))
		value = span_cut(value, 1, value.len - 1);
	if (span_starts_nocase(field, "hdr.")) { /* the field's body alone */
		value = span_trim(span_from(value, field.len - 4 + 1));
	}
	return value;
}

static int
print_fields(struct tool *t, const char *mailbox, struct span uids, const char *wanted)
{
	struct span uid;

	while (span_next(&uids, ",", &uid)) {
		const char *names[20];
		struct span values[20], rest = span_of(wanted), field;
		size_t      n = 0;

		while (n < COUNT(names) && span_next(&rest, " ", &field)) {
			const char       *item = fetch_item(t, field);
			struct tool_line *told;

			names[n] = arena_string(t->arena, field);
			if (span_is_nocase(field, "uid"))
				values[n++] = uid;
			else if (span_is_nocase(field, "mailbox"))
				values[n++] = span_of(mailbox);
			else if (span_is_nocase(field, "user"))
				values[n++] = span_of(t->user->user);
			else if (!item)
				return log_error("unknown field %s", names[n]), WRONG;
			else if (tool_ask(t, &told, "UID FETCH %.*s (%s)", SPAN_ARGS(uid), item) < 0)
				return TROUBLE;
			else if (told)
				values[n++] = tool_fetched(told->text, field, item);
		}
		if (*t->format) {
			tool_row(t, names, values, n);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			printf("%s:%s%.*s\n", names[i], span_has(values[i], '\n') ? "\n" : " ", SPAN_ARGS(values[i]));
		printf("\f\n");
	}
	return 0;
}

int
tool_fetch(struct tool *t, int argc, char **argv)
{
	int status;

	if (argc < 2)
		return wrong("fetch -u user \"fields\" query");
	status = tool_each(t, argc - 1, argv + 1, false, print_fields, argv[0]);
	if (*t->format)
		tool_rows_end(t);
	return status;
}

static int
expunge(struct tool *t, const char *mailbox, struct span uids, const char *unused)
{
	struct tool_line *told;

	(void)mailbox;
	(void)unused;
	return tool_ask(t, &told, "UID STORE %.*s +FLAGS.SILENT (\\Deleted)", SPAN_ARGS(uids)) < 0
		|| tool_ask(t, &told, "UID EXPUNGE %.*s", SPAN_ARGS(uids)) < 0 ? TROUBLE : 0;
}

/* All mail of a user is never meant: a mailbox must be named, as doveadm demands. */
int
tool_expunge(struct tool *t, int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i++)
		if (strcasecmp(argv[i], "mailbox") == 0)
			return tool_each(t, argc, argv, true, expunge, NULL);
	log_error("expunge: name a mailbox in the query");
	return WRONG;
}

static int
move(struct tool *t, const char *mailbox, struct span uids, const char *to)
{
	struct tool_line *told;

	if (strcmp(mailbox, to) == 0)
		return 0;
	return tool_ask(t, &told, "UID MOVE %.*s %s", SPAN_ARGS(uids), tool_quote(t, span_of(to))) < 0 ? TROUBLE : 0;
}

static int
copy(struct tool *t, const char *mailbox, struct span uids, const char *to)
{
	struct tool_line *told;

	(void)mailbox;
	return tool_ask(t, &told, "UID COPY %.*s %s", SPAN_ARGS(uids), tool_quote(t, span_of(to))) < 0 ? TROUBLE : 0;
}

int
tool_move(struct tool *t, int argc, char **argv)
{
	return argc < 2 ? wrong("move -u user mailbox query") : tool_each(t, argc - 1, argv + 1, true, move, argv[0]);
}

int
tool_copy(struct tool *t, int argc, char **argv)
{
	return argc < 2 ? wrong("copy -u user mailbox query") : tool_each(t, argc - 1, argv + 1, false, copy, argv[0]);
}

static int
store(struct tool *t, const char *mailbox, struct span uids, const char *change)
{
	struct tool_line *told;

	(void)mailbox;
	return tool_ask(t, &told, "UID STORE %.*s %s", SPAN_ARGS(uids), change) < 0 ? TROUBLE : 0;
}

int
tool_flags(struct tool *t, int argc, char **argv)
{
	static const char *const words[][2] = {{"add", "+"}, {"remove", "-"}, {"replace", ""}};

	for (size_t i = 0; argc > 2 && i < COUNT(words); i++)
		if (strcmp(argv[0], words[i][0]) == 0 && !strpbrk(argv[1], "()\r\n"))
			return tool_each(t, argc - 2, argv + 2, true, store,
				arena_format(t->arena, "%sFLAGS.SILENT (%s)", words[i][1], argv[1]));
	return wrong("flags add | remove | replace -u user \"flags\" query");
}

int
tool_save(struct tool *t, int argc, char **argv)
{
	autotext struct text in = {0}, wire = {0};
	struct fault         why = {0};
	struct tool_line    *told;

	if (file_read_fd(0, MESSAGE_MOST, &in, &why) < 0)
		return complain(&why);
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] == '\n' && (i == 0 || in.at[i - 1] != '\r'))
			text_add_byte(&wire, '\r');
		text_add_byte(&wire, in.at[i]);
	}
	/* a literal that needs no go-ahead */
	return tool_ask(t, &told, "APPEND %s {%zu+}\r\n%s", tool_quote(t, span_of(argc ? argv[0] : "INBOX")), wire.len,
		text_string(&wire)) < 0 ? TROUBLE : 0;
}
