/* SPDX-License-Identifier: ISC */
/*
 * tree.h - which mailboxes there are: listing, deleting, renaming
 *
 * Names are storage names (maildir.h).  A mailbox is a directory ".name" of
 * the root that holds cur/; files such as ".dovecot.sieve", links, and
 * "..DOVECOT-TRASHED" (what is being deleted) are none.  Changes are durable.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "store/maildir.h"

struct tree {
	char **names;           /* owned, sorted by bytes, without INBOX */
	size_t count;
};

WAITS int tree_list(struct maildir *, struct tree *, struct fault *);
void tree_free(struct tree *);
bool tree_exists(struct maildir *, const char *folder);          /* "" is always there */
bool tree_nearest_above(struct maildir *, char *folder);         /* cuts it to the next one above that there is; false: "", there is none */
bool tree_has(const struct tree *, struct span name);
bool tree_has_children(const struct tree *, struct span name);   /* "": is there any mailbox? */

/* The storage name of a mailbox that a setting names: levels by . or /, UTF-8 or modified UTF-7, with INBOX before it or
 * not; owned.  A pattern stays one. */
char *tree_name(struct span written);

/* error ENOENT, EEXIST as one expects.  Children of a deleted mailbox stay;
 * children of a renamed one go along. */
WAITS int tree_delete(struct maildir *, const char *folder, struct fault *);
WAITS int tree_rename(struct maildir *, const char *from, const char *to, struct fault *);

#endif
