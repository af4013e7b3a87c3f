/* SPDX-License-Identifier: ISC */
/*
 * acl.h - what this user may do with his mailboxes (RFC 4314), where acl = vfile
 *
 * There are no shared folders yet: lists are kept for those that other programs serve (Dovecot), and
 * bind the owner himself where he is named in them.
 */
#ifndef IMAPD_ACL_H
#define IMAPD_ACL_H

#include "session.h"
#include "store/acl.h"

bool acl_is_on(void);
/* May the command that was just parsed go on?  False: NO [NOPERM] was answered. */
WAITS bool acl_permits(struct imap_session *);
/* Takes off a STORE what may not be changed; false: nothing is left, NO was answered. */
WAITS bool acl_filter(struct imap_session *, struct flag_change *);
/* Of the selected mailbox; of any. */
WAITS bool acl_may(struct imap_session *, unsigned right);
WAITS bool acl_may_in(struct imap_session *, const char *folder, unsigned rights);
/* "* MYRIGHTS name letters" */
WAITS void acl_tell_mine(struct imap_session *, struct span name, const char *folder);

#endif
