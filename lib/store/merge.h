/* SPDX-License-Identifier: ISC */
/*
 * merge.h - two Maildirs of a user's brought together: what changed at either side is done at the other
 *
 * A message is the same at both where its GUID is (folder_guid; a copy keeps it).  A third list says
 * what both had the last time, so that what is missing now is known to have been removed, and which
 * side changed a flag.  It is a file in the root of `there`; without it nothing is ever removed.
 *
 *   1 <TAB> title <TAB> UIDVALIDITY of INBOX here <TAB> and there
 *                                        the first line; where it is another one a side was lost, and the list counts no more
 *   M <TAB> storage name                 a mailbox,
 *   V <TAB> UIDVALIDITY here <TAB> and there
 *                                        which it was: one that was lost and made anew (by a delivery) is another, and what is missing
 *                                        in it nobody has removed; it comes back from the other side
 *                                        and its messages:
 *   . <TAB> flags <TAB> keywords, blanks between <TAB> GUID
 *   S <TAB> storage name                 a subscription
 *
 * UIDs are each side's own.  A mailbox that one side removed is removed at the other only if nothing
 * came into it since. Both may be in use; killed at any time, the next run goes on: a message is never in neither.
 */
#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include "store/maildir.h"

enum { MERGE_FLAGS_MOST = 31 };

struct merge_count { size_t mailboxes, to_there, to_here, removed, changed; };

/* `name`: of the list, one for each pair. */
WAITS int maildir_merge(struct maildir *here, struct maildir *there, const char *name, struct merge_count *, struct fault *);

/* The list; total: what is no line of it is passed over (for the fuzzer). Spans are borrowed from the text. */
struct merge_line { char kind; unsigned flags; struct span keywords, name; };
bool merge_line_next(struct span *rest, struct merge_line *);

#endif
