/* SPDX-License-Identifier: ISC */
/*
 * notify_request.h - what a client wants to be told of (RFC 5465): pure
 */
#ifndef IMAPD_NOTIFY_REQUEST_H
#define IMAPD_NOTIFY_REQUEST_H

#include "fetch_items.h"

enum { NOTIFY_GROUPS = 100 };

enum notify_event {
	NOTIFY_MESSAGE_NEW = 1, NOTIFY_MESSAGE_EXPUNGE = 2, NOTIFY_FLAG_CHANGE = 4, NOTIFY_MESSAGES = 7,
	NOTIFY_MAILBOX_NAME = 8, NOTIFY_SUBSCRIPTION = 16, NOTIFY_METADATA = 32, NOTIFY_SERVER_METADATA = 64
};

enum notify_filter {
	NOTIFY_SELECTED, NOTIFY_SELECTED_DELAYED,
	NOTIFY_INBOXES, NOTIFY_PERSONAL, NOTIFY_SUBSCRIBED, NOTIFY_SUBTREE, NOTIFY_MAILBOXES
};

struct notify_group {
	enum notify_filter     filter;
	unsigned               events;         /* enum notify_event */
	const struct argument *names;          /* of SUBTREE and MAILBOXES: name_count astrings */
	size_t                 name_count;
	char                 **folders;        /* the same as storage names; NULL: cannot be one, or not one's own */
	struct span           *foreign;        /* the same of others' mailboxes, as clients name them; empty: it is none */
	bool                   annotations;
	bool                   fetches;        /* MessageNew (...) */
	struct fetch_items     items;
};

struct notify_request {
	bool                 status;           /* tell each mailbox's STATUS first */
	bool                 unsupported;      /* an event that is not known: NO [BADEVENT] */
	struct notify_group *groups;           /* none: NOTIFY NONE */
	size_t               count;
	struct notify_group *selected;         /* of the selected mailbox; NULL: nothing is wanted */
};

/* The arguments of NOTIFY; what is kept points into the arena.  -1: BAD. */
int notify_parse(struct arena *, const struct argument *, struct notify_request *, struct fault *);
/* "MessageNew MessageExpunge ..." for BADEVENT */
void notify_add_events(struct text *out);

#endif
