/* SPDX-License-Identifier: ISC */
/*
 * tool.h - mailbox-tool: what `postern user | mailbox | quota | search | fetch ...` do
 *
 * Root asks authd who a user is, forks, and becomes him for good; in that process a confined session of
 * imapd (session.h) serves this client through a socket pair, so that an administrator's command does to a
 * mailbox what the user's own client could do, and nothing else.
 *
 *   struct tool_line *x = tool_ask(t, "UID SEARCH %s", query)     untagged responses, until the tagged one
 */
#ifndef IMAPD_TOOL_H
#define IMAPD_TOOL_H

#include "base/arena.h"
#include "base/fault.h"
#include "ipc/ask_auth.h"
#include "net/conn.h"

struct tool {
	const struct auth_user *user;
	struct conn            *conn;        /* to the session */
	pid_t                   session;
	struct arena           *arena;       /* of all that is told */
	const char             *format;      /* "table", "tab", "json", "flow"; "": as fits */
	int                    *rows;        /* told so far, by the processes of all users */
	bool                    own_option;  /* -s of import, -R of backup, -m of deduplicate */
	bool                    many;        /* several users: each row names its own */
	struct tool            *other;       /* import, export: of the same user, the other location's; NULL: none */
};

/* One untagged response with its literals in it; NULL-ended by `next`. */
struct tool_line {
	struct span       text;              /* behind "* " */
	struct tool_line *next;
};

/* -1: NO, BAD or gone: the server's words were told as an error. */
WAITS int tool_ask(struct tool *, struct tool_line **, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A string as a quoted argument. */
const char *tool_quote(struct tool *, struct span);

/* ---- output ---- */

/* A record: names once, then values, in the format chosen. */
void tool_row(struct tool *, const char *const *names, const struct span *values, size_t count);
void tool_rows_end(const struct tool *);

/* ---- messages that a query finds ---- */

/* Called with the mailbox selected and the UIDs that were found, ascending, as an IMAP set. */
typedef int tool_found(struct tool *, const char *mailbox, struct span uids, const char *argument);
WAITS int tool_each(struct tool *t, int argc, char **argv, bool changes, tool_found *act, const char *argument);
/* What stands behind the item in "3 FETCH (UID 7 ITEM value)"; field: as the user names it. */
struct span tool_fetched(struct span line, struct span field, const char *item);
/* Another session of the same user, on the mail that lies at `location`; NULL: said why not. */
WAITS struct tool *tool_open(struct tool *, const char *location, bool must_be_there);
WAITS void tool_close(struct tool *);

/* ---- commands: exit status; arguments behind the word and its options ---- */

int tool_mailbox(struct tool *, int argc, char **argv);
int tool_quota(struct tool *, int argc, char **argv);
/* quota set, quota unset: root's, who asks authd; no session. */
bool tool_sets_limits(const char *word);
WAITS int tool_limits(const char *user, int argc, char **argv);
int tool_search(struct tool *, int argc, char **argv);
int tool_index(struct tool *, int argc, char **argv);
int tool_fetch(struct tool *, int argc, char **argv);
int tool_expunge(struct tool *, int argc, char **argv);
int tool_move(struct tool *, int argc, char **argv);
int tool_copy(struct tool *, int argc, char **argv);
int tool_flags(struct tool *, int argc, char **argv);
int tool_save(struct tool *, int argc, char **argv);
int tool_import(struct tool *, int argc, char **argv);
int tool_export(struct tool *, int argc, char **argv);
int tool_backup(struct tool *, int argc, char **argv);
int tool_sync(struct tool *, int argc, char **argv);
int tool_acl(struct tool *, int argc, char **argv);
int tool_metadata(struct tool *, int argc, char **argv);
int tool_deduplicate(struct tool *, int argc, char **argv);

/* Of no user: the words with their options. */
WAITS int tool_who(struct tool *, int argc, char **argv);
WAITS int tool_kick(int argc, char **argv);

/* doveadm's query: IMAP's keys, "mailbox NAME", and ages ("before 30d").  FAULT_INPUT when it is none. */
struct tool_query {
	const char *mailbox[20];
	size_t      mailboxes;           /* 0: all */
	struct text keys;                /* for UID SEARCH; owned */
};
int tool_query_parse(struct tool *, int argc, char **argv, struct tool_query *, struct fault *);

#endif
