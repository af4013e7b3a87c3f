/* SPDX-License-Identifier: ISC */
/*
 * status.h - STATUS items, also for LIST-STATUS (RFC 5819)
 */
#ifndef IMAPD_STATUS_H
#define IMAPD_STATUS_H

#include "session.h"

enum status_item {
	STATUS_MESSAGES = 1, STATUS_RECENT = 2, STATUS_UIDNEXT = 4, STATUS_UIDVALIDITY = 8, STATUS_UNSEEN = 16,
	STATUS_DELETED = 32, STATUS_SIZE = 64, STATUS_DELETED_STORAGE = 128, STATUS_HIGHESTMODSEQ = 256,
	STATUS_MAILBOXID = 512, STATUS_APPENDLIMIT = 1024
};

/* 0: it is no list of items. */
unsigned status_items_parse(const struct argument *list);

/* The untagged response; `name` as clients name it.  The second of a mailbox that is open. */
WAITS int status_tell(struct imap_session *, struct span name, struct space *, const char *folder, unsigned items);
void status_tell_of(struct imap_session *, struct span name, struct folder *, unsigned items);

#endif
