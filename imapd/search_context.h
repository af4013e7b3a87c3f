/* SPDX-License-Identifier: ISC */
/*
 * search_context.h - searches whose results are kept up to date: UPDATE (RFC 5267, 4.3)
 *
 * A context has its program, parsed once more into an arena of its own, and its results as UIDs in the order of the
 * command.  Message numbers and "$" of the program became UIDs when the command came; '*' of UID sets is always the last.
 * Only messages that are new, or whose flags changed (message.touched), are matched again; one that is gone leaves
 * the results at once, also where its EXPUNGE must wait.  What time alone changes (OLDER, YOUNGER) is not told.
 *
 * All of them end with the mailbox.  A session that has one keeps its process (sleep.h).
 *
 * imap_sync calls them in this order, so that numbers are valid where they are told (4.3.3, 4.3.4; RFC 5465, 7):
 *
 *   context_tell_gone   REMOVEFROM, before EXPUNGE
 *   view_tell           FETCH, EXPUNGE, EXISTS
 *   context_weigh       works out what else changed; `out` gets ADDTO and REMOVEFROM
 *   context_fetch       FETCH of what NOTIFY and UPDATE (...) want of new messages; then `out` is told
 */
#ifndef IMAPD_SEARCH_CONTEXT_H
#define IMAPD_SEARCH_CONTEXT_H

#include "search_run.h"
#include "sort.h"

enum { CONTEXTS_MOST = 16 };

struct search_context;

/* Is there one of the running command's tag? */
bool context_is_known(const struct imap_session *, struct span tag);
/* Of the search that was just told; one too many is refused by an untagged NO. */
WAITS void context_keep(struct imap_session *, const struct search_found *);
/* The untagged NO. */
void context_refuse(struct imap_session *);
void context_free_all(struct imap_session *);

void context_tell_gone(struct imap_session *);
WAITS void context_weigh(struct imap_session *, size_t fresh, struct text *out);
WAITS void context_fetch(struct imap_session *, size_t fresh);

#endif
