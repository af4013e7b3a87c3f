/* SPDX-License-Identifier: ISC */
/*
 * filter_mailbox.h - which mailbox of the recipient's a script means, and what is written about it
 *
 * By its name, by what it is for (RFC 8579: as CREATE has set it, else as imap_special_use says), by its id (RFC 9042).
 * What is looked at stays as it was at the first question: one delivery is one moment.  In the child.
 */
#ifndef LOCAL_FILTER_MAILBOX_H
#define LOCAL_FILTER_MAILBOX_H

#include "base/arena.h"
#include "store/attributes.h"
#include "store/tree.h"

struct filter_mailboxes {
	struct maildir    *maildir;
	struct arena      *arena;
	bool               listed, read;
	struct mailbox_id { const char *folder, *guid; } *ids;     /* INBOX first; guid "": it has none yet */
	size_t             n_ids;
	struct attributes  attributes;
};

/* A script's name of a mailbox, as clients say it: INBOX, or what begins with imap_namespace_prefix; to a storage name:
 * "" is INBOX; levels by "." or "/". */
int  mailbox_by_name(struct filter_mailboxes *, struct span name, const char **folder, struct fault *);
/* user+detail's name of one, which has no prefix. */
int  mailbox_by_detail(struct filter_mailboxes *, struct span name, const char **folder, struct fault *);
WAITS bool mailbox_by_use(struct filter_mailboxes *, struct span use, const char **folder);
WAITS bool mailbox_by_id(struct filter_mailboxes *, struct span id, const char **folder);
WAITS bool mailbox_has_use(struct filter_mailboxes *, const char *folder, struct span use);
/* RFC 5464's entries; folder NULL: the server's. */
WAITS bool mailbox_metadata(struct filter_mailboxes *, const char *folder, struct span entry, struct span *value);
/* A mailbox that was just made. */
WAITS int  mailbox_set_use(struct filter_mailboxes *, const char *folder, struct span use, struct fault *);
void mailboxes_free(struct filter_mailboxes *);

#endif
