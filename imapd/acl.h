/* SPDX-License-Identifier: ISC */
/*
 * acl.h - what this user may do with his mailboxes (RFC 4314), where acl = vfile
 *
 * Every command passes acl_permits, whose table says what it needs; what it may do in part (flags) it asks for itself.  A
 * mailbox that this user may not look up is to him as if it did not exist.
 */
#ifndef IMAPD_ACL_H
#define IMAPD_ACL_H

#include "session.h"
#include "store/acl.h"

bool acl_is_on(void);
/* May the command that was just parsed go on?  False: NO [NOPERM] was answered. */
WAITS bool acl_permits(struct imap_session *);
/* "l" as a set: enum acl_right */
WAITS unsigned acl_rights_of(struct imap_session *, struct space *, const char *folder);
/* Of enum message_flag, with KEYWORDS for all keywords: what may be set. */
enum { ACL_KEYWORDS = 128 };
unsigned acl_flags(unsigned rights);
/* "l" and one of "r", "s", "w", "i", "p" (RFC 5464, 3.3) */
WAITS bool acl_may_annotate(struct imap_session *, struct space *, const char *folder);
/* Takes off a STORE what may not be changed; `named`: it names keywords.  False: nothing is left, NO was answered. */
WAITS bool acl_filter(struct imap_session *, struct flag_change *, bool named);
/* Of the selected mailbox; of any. */
WAITS bool acl_may(struct imap_session *, unsigned right);
WAITS bool acl_may_in(struct imap_session *, const char *folder, unsigned rights);
/* "* MYRIGHTS name letters" */
WAITS void acl_tell_mine(struct imap_session *, struct span name, struct space *, const char *folder);
/* A mailbox was made: it begins with the list of the one above it. */
WAITS int acl_begin(struct imap_session *, struct space *, const char *folder);

#endif
