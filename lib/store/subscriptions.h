/* SPDX-License-Identifier: ISC */
/*
 * subscriptions.h - the list of subscribed mailboxes
 *
 * File "subscriptions" of the root: version 1 has a storage name a line;
 * version 2 starts with "V<TAB>2" and an empty line and separates levels by
 * TAB.  The version that is there stays; a new file is version 2.  When there
 * is none, Courier's courierimapsubscribed is read.  Names may be of mailboxes
 * that do not exist.  INBOX is "INBOX".
 */
#ifndef STORE_SUBSCRIPTIONS_H
#define STORE_SUBSCRIPTIONS_H

#include "store/maildir.h"

struct subscriptions {
	int    version;          /* 0: there is no file */
	char **names;            /* owned storage names */
	size_t count;
};

void subscriptions_parse(struct span text, struct subscriptions *);     /* total */
void subscriptions_format(const struct subscriptions *, struct text *out);
void subscriptions_free(struct subscriptions *);
WAITS int subscriptions_read(struct maildir *, struct subscriptions *, struct fault *);
bool subscriptions_has(const struct subscriptions *, struct span name);
/* Adds or takes off a name, durably; *found says whether it was there. */
WAITS int subscriptions_change(struct maildir *, struct span name, bool add, bool *found, struct fault *);

#endif
