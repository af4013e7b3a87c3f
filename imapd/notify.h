/* SPDX-License-Identifier: ISC */
/*
 * notify.h - the client hears of changes all the time, and of other mailboxes (RFC 5465)
 *
 * s->notify is NULL until NOTIFY is used: then the selected mailbox alone is told of, at the end of commands and in
 * IDLE.  Afterwards:
 *
 *   notify.c            the command; waiting between commands; what of the selected mailbox may be told
 *   notify_filter.c     which mailboxes the groups mean
 *   notify_mailboxes.c  the other mailboxes: the list of them, what was told of each
 *   notify_tree.c       those that come and go
 *   notify_names.c      LIST and METADATA responses
 *
 * Waking up is watch.h's; what has changed is found by looking (uidlist, subscriptions, dovecot-attributes), and what
 * differs from what was told is told.  What this client did itself is entered into what was told (notify_own_...),
 * not swallowed: a change of somebody else at the same moment still differs.
 *
 * Mailboxes of others (spaces.h) are watched where a group means them, by name, subtree or subscription, and as long as
 * this user has the rights l and r (5): what he may not look up is not told of, what he loses or gains is (5.9).
 *
 *   notify_sleep.c      all of that in the state of a session that sleeps
 *
 * In IDLE a session with NOTIFY sleeps as any (sleep.h), when it watches no mailbox of others and at most NOTIFY_SLEEP_MOST of
 * its own, and what was told of them fits into the state: who wakes looks at all of them, since one descriptor
 * does not say which has changed.  A context (search_context.h) has as many results as it has, and keeps its process.
 */
#ifndef IMAPD_NOTIFY_H
#define IMAPD_NOTIFY_H

#include "base/strmap.h"
#include "notify_request.h"
#include "notify_told.h"
#include "session.h"
#include "store/subscriptions.h"
#include "store/watch.h"

enum { NOTIFY_SLEEP_MOST = 200 };

/* A mailbox other than the selected one. */
struct notify_mailbox {
	size_t               space;        /* whose: 0 one's own, else of s->spaces and one */
	char                *folder;       /* owned storage name */
	uint64_t             device, inode;
	uint32_t             number;       /* for watch.h */
	unsigned             events;       /* of all groups that name it */
	struct notify_status told;
	bool                 known;        /* told is filled in */
	bool                 dirty, watched, denied;
	bool                 own;          /* what comes next is this client's work */
	int64_t              quiet;        /* not looked at before */
};

struct notify {
	struct arena         *arena;       /* of the command that set it */
	struct span           text;        /* that command; empty: none */
	bool                  utf8;        /* how its names are to be read */
	struct notify_request request;
	unsigned              others;      /* events of all groups but the selected mailbox's */
	struct watch_many     watch;
	struct notify_mailbox *at;         /* sorted by space and name, INBOX first */
	size_t                count;
	uint32_t              next_number;
	bool                  private_is_selected;   /* what PRIVATE tells comes as SELECTED */
	char                 *selected;    /* the folder that is watched as the selected one; owned */
	struct subscriptions  subscribed;
	bool                  foreign;     /* a group may mean mailboxes of others */
	struct strmap       **metadata;    /* of each space: key to a hash of its value; space_count of them, owned */
	size_t                space_count;
	bool                  tree_dirty, subscribed_dirty, metadata_dirty;
	int64_t               tree_due, tree_latest; /* when the tree is looked at; not after */
	bool                  tree_twice;            /* and then once more */
	int64_t               next_poll;
};

/* PRIVATE: where one's own \Seen of others' mailboxes are; FOREIGN: the roots of other spaces */
enum { NOTIFY_NUMBER_SELECTED = 1, NOTIFY_NUMBER_ROOT = 2, NOTIFY_NUMBER_PRIVATE = 3, NOTIFY_NUMBER_FOREIGN = 16, NOTIFY_NUMBER_FIRST = 65536 };

void notify_free(struct notify *);                        /* NULL is fine */

/* enum view_news: what of the selected mailbox the client wants; and whether it wants it at once. */
unsigned notify_selected_news(const struct notify *);
bool notify_delays_expunges(const struct notify *);
/* What of a new message is to be told at once; NULL: nothing. */
const struct fetch_items *notify_new_items(const struct notify *);

/* Tells what happened elsewhere. */
WAITS void notify_look(struct imap_session *);
/* Until the client says something, or the deadline: what happens is told at once. */
WAITS void notify_wait(struct imap_session *, int64_t deadline);
/* For poll() in IDLE: -1 none; ms until there is something to look at, -1 for ever. */
int  notify_fd(const struct imap_session *);
int  notify_timeout(const struct imap_session *);

/* Of a session that sleeps: whether it can; what was told, for the state; and in the new process, which then tells the rest. */
bool notify_may_sleep(const struct imap_session *);
void notify_save(const struct imap_session *, struct text *out);
WAITS int notify_wake(struct imap_session *, struct span state, struct fault *);

/* What this client does is not news to it.  All of them may be called without NOTIFY. */
void notify_own_added(struct imap_session *, const struct space *, const char *folder, const uint32_t *uids, size_t count);
void notify_own_created(struct imap_session *, const struct space *, const char *folder);
void notify_own_deleted(struct imap_session *, const struct space *, const char *folder);
void notify_own_renamed(struct imap_session *, const struct space *, const char *from, const char *to);
void notify_own_subscription(struct imap_session *, struct span name, bool add);
struct attribute_change;
void notify_own_metadata(struct imap_session *, const struct space *, const struct attribute_change *, size_t count);
void notify_deselected(struct imap_session *);            /* before s->folder is closed */

/* ---- between the files of NOTIFY ---- */

/* notify_sleep.c: into s->notify, which has begun to watch. */
void notify_restore(struct imap_session *, const struct notify_told *);

/* notify_tree.c */
WAITS int  notify_mailboxes_start(struct imap_session *, struct notify *);
/* The tree was looked at again; false: there are too many. */
WAITS bool notify_mailboxes_look(struct imap_session *);

/* notify_mailboxes.c; all that comes into the list or changes its name there is sorted behind that. */
WAITS void notify_mailboxes_tell(struct imap_session *);   /* of those that are dirty */
WAITS void notify_mailboxes_status(struct imap_session *); /* the STATUS indicator of SET */
void notify_mailboxes_weigh(struct imap_session *);        /* subscriptions changed: who is meant now */
void notify_mailboxes_free(struct notify *);
WAITS void notify_mailboxes_watch(struct imap_session *);  /* those that are not yet, and are worth it */
bool notify_mailbox_is_worth_watching(const struct notify_mailbox *);
struct notify_mailbox *notify_mailbox_find(struct notify *, size_t space, const char *folder);
struct notify_mailbox notify_mailbox_make(struct imap_session *, size_t space, const char *folder);
void notify_mailbox_add(struct notify *, struct notify_mailbox);      /* given */
void notify_mailbox_forget(struct notify *, struct notify_mailbox *); /* it stays in the list, empty */
void notify_mailboxes_sort(struct notify *);

/* notify_filter.c */
bool notify_is_below(const char *name, const char *parent);
bool notify_is_selected(const struct imap_session *, size_t space, const char *folder);
/* Events that all groups together want of a mailbox, whether it exists or not. */
unsigned notify_events_of(struct imap_session *, size_t space, const char *folder);
struct space *notify_space(struct imap_session *, size_t space);
size_t notify_space_number(const struct imap_session *, const struct space *);
/* As subscriptions name it. */
void notify_subscription_name(struct imap_session *, size_t space, const char *folder, struct text *out);

/* notify_names.c */
enum notify_name_flags { NOTIFY_GONE = 1, NOTIFY_NO_ACCESS = 2 };
WAITS void notify_tell_name(struct imap_session *, size_t space, const char *folder, const char *old, unsigned flags);
WAITS int  notify_names_start(struct imap_session *, struct notify *);
WAITS void notify_subscribed_look(struct imap_session *);
WAITS void notify_metadata_look(struct imap_session *);

#endif
