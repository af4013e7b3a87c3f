/* SPDX-License-Identifier: ISC */
/*
 * mirror.h - a Maildir made the same as another: a backup, or what comes back from one
 *
 * Files with their names, dates and flags; UIDs and UIDVALIDITY (dovecot-uidlist), keywords, ACLs,
 * subscriptions and attributes: a client that is sent from one to the other downloads nothing again.
 * What `to` has besides is removed, after all else is durable; killed at any time, the next run goes on.
 *
 * What is no Maildir (a mount point without its file system) is no source.  Unless it is `restoring`, nor is one
 * whose INBOX has another UIDVALIDITY than the target's: it was lost and made anew, and the target is what is left
 * of it.
 *
 * `from` may be in use. `to` should not be: its uidlist is locked while its files change, but what is
 * saved there meanwhile is lost, as with any copy that is overwritten.  Indexes are left behind.
 */
#ifndef STORE_MIRROR_H
#define STORE_MIRROR_H

#include "store/maildir.h"

struct mirror_count { size_t mailboxes, copied, renamed, removed; };

WAITS int maildir_mirror(struct maildir *from, struct maildir *to, bool restoring, struct mirror_count *, struct fault *);

#endif
