/* SPDX-License-Identifier: ISC */
/*
 * fetch_items.h - what a FETCH asks for (RFC 3501, 6.4.5)
 */
#ifndef IMAPD_FETCH_ITEMS_H
#define IMAPD_FETCH_ITEMS_H

#include "base/task.h"
#include "grammar.h"
#include "mail/imap_body.h"

struct imap_session;

enum fetch_item_kind {
	FETCH_UID, FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY,
	FETCH_BODYSTRUCTURE, FETCH_SECTION,
	FETCH_MODSEQ,            /* RFC 7162 */
	FETCH_EMAILID, FETCH_THREADID,   /* RFC 8474 */
	FETCH_SAVEDATE,          /* RFC 8514 */
	FETCH_PREVIEW,           /* RFC 8970 */
	FETCH_BINARY, FETCH_BINARY_SIZE  /* RFC 3516 */
};

struct fetch_item {
	enum fetch_item_kind kind;
	struct span          label;          /* as told back: "BODY[TEXT]<0>", "RFC822.HEADER" */
	struct imap_section  section;        /* FETCH_SECTION */
	bool                 partial, sets_seen;
	bool                 fields_only;    /* content_fields (content.h) has all of the section */
	uint64_t             start, count;
};

struct fetch_items {
	struct fetch_item *at;
	size_t             count;
	bool               sets_seen, has_flags, has_uid, has_modseq, has_email_id;
};

/* Takes the items at *a and moves it behind them. */
int fetch_items_parse(struct arena *, const struct argument **a, struct fetch_items *, struct fault *);

/* FETCH responses that no command asked for (RFC 5465, 5.2): of the selected mailbox, by positions in the
 * view.  What cannot be read any more is left out. */
WAITS void fetch_tell(struct imap_session *, const struct fetch_items *, const size_t *positions, size_t count);

#endif
