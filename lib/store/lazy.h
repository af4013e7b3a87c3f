/* SPDX-License-Identifier: ISC */
/*
 * lazy.h - what is expunged goes to a mailbox first, from where it can be had back: Dovecot's lazy_expunge
 *
 *   lazy_expunge           the mailbox; made when it is needed.  Empty: what is expunged is gone
 *   lazy_expunge_only_last_instance   a message that has other links (COPY makes them) is gone
 *   lazy_expunge_exclude   a mailbox, a pattern with * and ?, or a use (\Trash): what is expunged there is gone; also
 *                          lazy_expunge_exclude2 ... lazy_expunge_exclude9
 *
 * EXPUNGE, CLOSE, REPLACE, POP3's DELE and the deletion of a mailbox end there, in one's own mailboxes; flags and keywords
 * go along, but for \Deleted.  What is expunged in that mailbox itself is gone.  MOVE is no expunge (Dovecot 2.3 takes it
 * for one unless only_last_instance is set).  A message is renamed into the mailbox: whoever is killed leaves
 * it in one of the two, never in both or none (where there is no renameat2, it may be in both).  It is counted
 * there, unless quota_rule ignores that mailbox, and never refused for lack of room.
 */
#ifndef STORE_LAZY_H
#define STORE_LAZY_H

#include "config/param.h"
#include "store/maildir.h"

enum { LAZY_EXCLUDES = 9 };

struct lazy_settings {
	const char *mailbox, *exclude[LAZY_EXCLUDES];
	bool        only_last;
};
extern struct lazy_settings lazy_settings;

#define LAZY_EXCLUDE_ROW(name, i) RAW(name, &lazy_settings.exclude[i], "", "a mailbox (or pattern, or \\Use) in which expunged is gone")
#define LAZY_ROWS                                                                                                         \
	RAW("lazy_expunge", &lazy_settings.mailbox, "", "the mailbox to which expunged messages go; empty: they are gone"),  \
	BOOLEAN("lazy_expunge_only_last_instance", &lazy_settings.only_last, "no",                                           \
		"only the last copy of a message goes to lazy_expunge"),                                                         \
	LAZY_EXCLUDE_ROW("lazy_expunge_exclude", 0), LAZY_EXCLUDE_ROW("lazy_expunge_exclude2", 1),                           \
	LAZY_EXCLUDE_ROW("lazy_expunge_exclude3", 2), LAZY_EXCLUDE_ROW("lazy_expunge_exclude4", 3),                          \
	LAZY_EXCLUDE_ROW("lazy_expunge_exclude5", 4), LAZY_EXCLUDE_ROW("lazy_expunge_exclude6", 5),                          \
	LAZY_EXCLUDE_ROW("lazy_expunge_exclude7", 6), LAZY_EXCLUDE_ROW("lazy_expunge_exclude8", 7),                          \
	LAZY_EXCLUDE_ROW("lazy_expunge_exclude9", 8)

struct lazy;

/* *out NULL: it is not used.  `uses`: "NAME=\\Use ...", which mailboxes are for what. */
int  lazy_make(const struct lazy_settings *, struct span uses, struct lazy **out, struct fault *);
void lazy_free(struct lazy *);                            /* NULL is fine */
int  lazy_settings_check(const struct lazy_settings *, struct fault *);

/* Is what is expunged in that folder kept?  NULL: no. */
bool lazy_holds(const struct lazy *, const char *folder);
const char *lazy_mailbox(const struct lazy *);            /* storage name */
bool lazy_only_last(const struct lazy *);

/* Before a mailbox is deleted: what is in it goes where expunged messages go. */
WAITS int lazy_empty(struct maildir *, const char *folder, struct fault *);

#endif
