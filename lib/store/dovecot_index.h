/* SPDX-License-Identifier: ISC */
/*
 * dovecot_index.h - keywords that Dovecot keeps in its index alone
 *
 * dovecot-keywords has room for 26 names, a letter each.  A message's further
 * keywords are in dovecot.index and in what dovecot.index.log says happened
 * since; when a mailbox is taken over they are read from there once, and put
 * into the files (keywords.h).  Nothing else of the index is needed: flags,
 * letters and UIDs are in the files, the rest can be made again.
 *
 * Read are the versions of Dovecot 2.x on little-endian machines (index 7,
 * log 1).  Of others, of those that tell another UIDVALIDITY, and of what is
 * torn, nothing is taken: a keyword is not worth a refused mailbox.
 */
#ifndef STORE_DOVECOT_INDEX_H
#define STORE_DOVECOT_INDEX_H

#include "base/task.h"
#include "base/text.h"
#include "store/filename.h"

enum { EXTRA_NAMES = KEYWORDS_MAX - KEYWORD_LETTERS };

struct extra_keywords {
	/* Given: the messages that there are, ascending, each with no bits; and whether a name is
	 * wanted (one that has a letter is not). */
	struct extra_message { uint32_t uid; uint64_t names; } *messages;
	size_t      count;
	uint32_t    validity;
	bool      (*is_wanted)(struct span name, const void *context);
	const void *context;

	/* Found: bit n of a message is name n; owned. */
	char  *name[EXTRA_NAMES];
	size_t names;
};

/* The three files as they are, empty when missing.  Pure and total; false: nothing was taken. */
bool dovecot_index_parse(struct span index, struct span old_log, struct span log, struct extra_keywords *);

/* The same of a mailbox's directory; INDEX= of Dovecot's mail_location is not known here. */
WAITS bool dovecot_index_read(int mailbox_dir, struct extra_keywords *);

void extra_keywords_free(struct extra_keywords *);    /* the names; messages are the caller's */

#endif
