/* SPDX-License-Identifier: ISC */
/*
 * acl_shared.h - who shares mailboxes with whom: acl_shared_dict = file:PATH
 *
 * A dictionary of Dovecot's as a file: keys and values by turns, a line each.
 *
 *   shared/shared-boxes/user/bob@example.net/alice@example.net     LF 1 LF
 *   shared/shared-boxes/group/staff/alice@example.net              LF 1 LF
 *   shared/shared-boxes/anyone/alice@example.net                   LF 1 LF
 *
 * '/' in a name is "\|", '\' is "\\".  Other keys are kept as they are.  It only says where to look: what may be
 * done there is in dovecot-acl.  Read and written as whoever reads and changes rights, never as root.
 */
#ifndef STORE_ACL_SHARED_H
#define STORE_ACL_SHARED_H

#include "base/strmap.h"
#include "store/acl.h"

enum { ACL_SHARED_MOST = 16 << 20, ACL_SHARED_OWNER_MOST = 64 << 10 };   /* bytes: of the file, and of what one owner has in it */

struct acl_shared_pair { struct span key, value; };
struct acl_shared {
	struct arena           *arena;
	struct acl_shared_pair *at;       /* owned */
	size_t                  count;
};

void acl_shared_parse(struct span file, struct acl_shared *);        /* total */
void acl_shared_format(const struct acl_shared *, struct text *out);
void acl_shared_free(struct acl_shared *);

/* Those who share with him, sorted, each once, without himself; freed by tree_free (tree.h). */
struct tree;
void acl_shared_owners(const struct acl_shared *, const struct acl_who *, bool anyone, struct tree *);

/* error ENOENT: there is none. */
WAITS int acl_shared_read(int dir, const char *file, struct acl_shared *, struct fault *);

/* After a change of rights: what the dictionary says of `owner` becomes what his files say.  Durable; under
 * Dovecot's lock.  FAULT_DENIED: he shares with more than ACL_SHARED_OWNER_MOST has room for, and fills the file of
 * all no further; what had room is there. */
WAITS int acl_shared_update(int dir, const char *file, struct maildir *, const char *owner, struct fault *);

#endif
