/* SPDX-License-Identifier: ISC */
/*
 * command.h - reads one command from the connection, literals and all
 *
 * Synchronizing literals are asked for with "+ OK"; the messages of an APPEND
 * are left unread: `literal` is set then and `text` ends before its mark.
 * What is over imap_max_line_length is refused without being kept; *refused
 * holds the reason and `text` what was read, so that its tag can be named.
 */
#ifndef IMAPD_COMMAND_H
#define IMAPD_COMMAND_H

#include "base/text.h"
#include "net/conn.h"

struct command_input {
	struct text text;          /* owned */
	bool        append;        /* an APPEND or REPLACE: `cut` is where its mailbox's name ends */
	size_t      cut;
	bool        literal, plus, binary; /* its message comes next; "~{n}" */
	uint64_t    size;
	const char *refused;
	bool        long_literal;  /* for a literal: all that stands before it is in `text` */
};

WAITS int command_read(struct conn *, size_t limit, struct command_input *, struct fault *);

/* One more line of an APPEND that goes on behind a literal; sets literal, plus, binary, size. */
WAITS int command_continue(struct conn *, size_t limit, struct command_input *, struct fault *);

/* Reads and forgets. */
WAITS int command_discard(struct conn *, uint64_t bytes, struct fault *);

#endif
