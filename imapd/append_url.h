/* SPDX-License-Identifier: ISC */
/*
 * append_url.h - the piece of a message that CATENATE's URL names (RFC 4469, 5092, 5550)
 *
 *   /INBOX;UIDVALIDITY=1;UID=20/;SECTION=1.MIME/;PARTIAL=0.100
 *
 * Only paths of this session's own mailboxes; other hosts' URLs are refused.
 */
#ifndef IMAPD_APPEND_URL_H
#define IMAPD_APPEND_URL_H

#include "mail/imap_body.h"
#include "session.h"

struct append_url {
	struct text         mailbox;      /* UTF-8; owned */
	uint32_t            validity, uid;   /* validity 0: not named */
	struct imap_section section;
	bool                partial;
	uint64_t            start, count;
};

/* Pure. */
int append_url_parse(struct arena *, struct span url, struct append_url *, struct fault *);

/* Its bytes with CRLF line ends; -1: there is no such thing. */
WAITS int append_url_read(struct imap_session *, struct span url, struct text *out);

#endif
