/* SPDX-License-Identifier: ISC */
/*
 * ask_table.h - "what does this table say?"  asks: whoever may not read files.
 * answers: proxymap.
 *
 *   find  table=hash:/etc/postern/virtual key=user@example.com
 *         | found value=..  |  missing  |  failed reason=..  |  refused reason=.. (not in proxy_read_maps)
 *
 *   identify  database=sql:/etc/.. kind=passdb|userdb|login user=.. service=.. remote=.. local=.. [password=..]     (authd alone)
 *         | known field="password={SCHEME}.." field="userdb_home=.." ..  |  unknown  |  failed reason=..  |  refused reason=..
 *         | of login, where a server says whether a password is good:  wanted (ask again, with it)  |  proved field=..  |  wrong
 *
 *   list  database=sql:/etc/..                                                            (authd and root alone)
 *         | names names=<each with a NUL> [more=yes]  |  failed reason=..       more: the next of them
 *
 * The spec is what stands behind "proxy:".  Keys and values fit into one frame.
 * ask_table_find is a table_proxy_ask of lib/table: smtpd, cleanup, smtp, lmtp, local and virtual give it to
 * table_use_proxy().
 */
#ifndef IPC_ASK_TABLE_H
#define IPC_ASK_TABLE_H

#include "ipc/frame.h"

/* Sets *value: 0 found, 1 not found, -1 why. Gives up after ASK_TABLE_MS. */
enum { ASK_TABLE_MS = 30000 };
WAITS int ask_table_find(const char *spec, struct span key, struct text *value, struct fault *);

/* Who is asked about, and from where. */
enum identity_kind { IDENTITY_PASSDB, IDENTITY_USERDB, IDENTITY_LOGIN };
struct identity_question {
	enum identity_kind kind;
	struct span        user, service, remote, local;
	struct span        password;         /* IDENTITY_LOGIN, when it was wanted; else empty */
};
enum { IDENTITY_KNOWN, IDENTITY_UNKNOWN, IDENTITY_PROVED, IDENTITY_WRONG, IDENTITY_WANTED };

/* Adds "name=value" and a NUL for each field of who is known or has proved it: one of these, or -1 why. */
WAITS int ask_table_identify(const char *database, const struct identity_question *, struct text *fields, struct fault *);

/* Calls each(context, name) for all users of a database: 0, -1 why. */
WAITS int ask_table_list(const char *database, void (*each)(void *context, struct span name), void *context, struct fault *);

/* The server's end: serves one connection; find answers as above, or -1 with
 * FAULT_DENIED for a table that is not to be asked. */
struct table_answerer {
	WAITS int (*find)(void *context, struct span spec, struct span key, struct text *value, struct fault *);
	void       *context;
	/* As ask_table_identify; NULL, or the peer is not authd: refused. */
	WAITS int (*identify)(void *context, struct span database, const struct identity_question *, struct text *fields, struct fault *);
	/* Adds each name and a NUL; NULL: refused. */
	WAITS int (*list)(void *context, struct span database, struct text *names, struct fault *);
};
WAITS void answer_table(int sock, const struct table_answerer *);

#endif
