/* SPDX-License-Identifier: ISC */
/*
 * attributes.h - named values of mailboxes (RFC 5464), in Dovecot's file
 *
 * "dovecot-attributes" in the root: a line with the key, a line with the value,
 * and so on; in both \\001 followed by 0 1 t r n stands for NUL \\001 TAB CR LF.
 * Keys are "priv/<mailbox guid>/<entry>" and "shared/<mailbox guid>/<entry>"; the
 * server's own are below vendor/vendor.dovecot/pvt/server/ of INBOX.  Keys that
 * mean nothing to us (mail_crypt's live here too) are kept.
 */
#ifndef STORE_ATTRIBUTES_H
#define STORE_ATTRIBUTES_H

#include "store/maildir.h"

enum { ATTRIBUTES_LARGEST = 16 << 20, ATTRIBUTES_MOST = 10000 };

struct attribute { struct text key, value; };

struct attributes {
	struct attribute *at;       /* owned */
	size_t            count;
};

void attributes_parse(struct span file, struct attributes *);      /* total */
void attributes_free(struct attributes *);
WAITS int attributes_read(struct maildir *, struct attributes *, struct fault *);
/* NULL: there is none. */
const struct attribute *attributes_find(const struct attributes *, struct span key);

struct attribute_change { struct span key, value; bool remove; };
/* In memory. */
void attributes_apply(struct attributes *, const struct attribute_change *);
/* All of them, durably, or none.  FAULT_DENIED: too many or too much. */
WAITS int attributes_change(struct maildir *, const struct attribute_change *, size_t count, struct fault *);

/* The GUID of a mailbox as its uidlist has it; false: it has none yet. */
WAITS bool attributes_mailbox_guid(struct maildir *, const char *folder, char guid[40]);

#endif
