/* SPDX-License-Identifier: ISC */
/*
 * delivered.h - flags and keywords of a message that was just delivered
 *
 * A message is stored first, and marked then: a crash between leaves it without its marks, never without itself.  To mark it
 * the mailbox is opened (it gets its UID), which costs as much as the mailbox is large: only where something is to be marked.
 *
 *   delivered_attachment  while it is being delivered: "$HasAttachment" or "$HasNoAttachment" where
 *                         mail_attachment_detection_options has add-flags (mail/attachment.h), or NULL; also NULL where `flags`
 *                         names one of them, or the file cannot be read
 *   delivered_mark        afterwards: system flags and keywords, apart by blanks.  A keyword for which there is no room is left out
 */
#ifndef STORE_DELIVERED_H
#define STORE_DELIVERED_H

#include "config/param.h"
#include "store/maildir.h"

struct delivered_settings { const char *attachments; };
extern struct delivered_settings delivered_settings;

#define DELIVERED_ROWS                                                                                                 \
	RAW("mail_attachment_detection_options", &delivered_settings.attachments, "",                                      \
		"add-flags: $HasAttachment or $HasNoAttachment are set when a message is saved or delivered; exclude-inlined, content-type=...")

int delivered_check(struct fault *);             /* the configuration */
WAITS const char *delivered_attachment(struct maildir_delivery *, struct span flags);
WAITS int delivered_mark(struct maildir *, const char *folder, struct span name, struct span flags, struct fault *);

#endif
