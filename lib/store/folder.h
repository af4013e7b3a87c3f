/* SPDX-License-Identifier: ISC */
/*
 * folder.h - an open mailbox: its messages, their flags, and changes to them
 *
 * The directory and dovecot-uidlist are the truth; a folder is a snapshot of
 * both, sorted by UID, that folder_sync brings up to date.  What other
 * programs do to the files (mutt, rm, a restored backup) is reconciled:
 *
 *  - a file without a UID gets the next one, under the uidlist lock
 *  - a file counts as gone when it is missing from two scans under the lock
 *  - a file that comes back after it was seen gone gets a new UID, so that
 *    UIDs only ever grow in a session
 *
 * Every change is durable when its function returns 0.  Pointers to messages
 * are borrowed until the next folder_sync, folder_store or folder_expunge.
 * Not for roots: runs as the owner.
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/task.h"
#include "store/filename.h"
#include "store/keywords.h"
#include "store/lender.h"
#include "store/maildir.h"
#include "store/packed.h"
#include "store/seen.h"
#include "store/uidlist.h"

/* Which messages changed since they were recorded last, by the chunk that they are in (history.c). */
enum { FOLDER_CHUNK = 256 };
struct folder_touched {
	uint32_t *chunks;           /* owned */
	size_t    count, room;
	bool      all;
};

struct watch_many;
struct folder_stamp { struct timespec changed_new, changed_cur, looked; };

struct folder {
	struct maildir *maildir;    /* borrowed */
	char           *name;       /* "" is INBOX */
	bool            read_only;
	int             dir, new_dir, cur_dir;
	struct uidlist  list;
	struct keywords keywords;
	struct message *messages;   /* by uid */
	size_t          count;
	struct messages_room room;  /* of messages */
	struct arena   *names;      /* of messages as they were looked at last; owned */
	struct lender  *lender;     /* the snapshot's file, which lends names; NULL: none; owned */
	uint32_t        validity;   /* UIDVALIDITY; a new one makes the folder ENOENT */
	size_t          near;       /* where the last one was found: they are asked for in order */
	uint32_t        highest;    /* uid that was ever in this snapshot */
	uint64_t        generation; /* grows with every change of messages */
	struct folder_stamp stamp;
	bool            scanned;
	bool            is_kept;    /* it is as the snapshot has it (snapshot.h) */
	uint32_t        looked_to;  /* every record up to this UID was looked for in the directories */
	uint64_t        modseq;     /* HIGHESTMODSEQ of this snapshot; 0: none (history.h) */
	struct index   *index;      /* borrowed; NULL: no history */
	bool                  undatable;     /* the index took no dates of saving */
	bool                  raised;        /* history_raise: to be recorded although no message changed */
	struct folder_touched touched;
	struct watch_many *watch;   /* of new/ and cur/ (folder_follow.c); NULL: not followed; owned */
	bool            changes;    /* this session changes it (folder_begin_change) */
	struct unpacked unpacked;   /* the last compressed message that was opened (packed.h) */
	struct seen    *seen;       /* \Seen and \Recent are this user's own (seen.h); NULL: as the files say; owned */
	/* Set by history_open: called when the snapshot may differ from what is recorded. */
	void          (*record)(struct folder *);
	/* Set by history_open: called before the files of messages (uids ascend) get other names or links, which moves the time that
	 * their dates of saving are taken from. */
	void          (*date)(struct folder *, const uint32_t *uids, size_t count);
	void          (*keep)(struct folder *);      /* called before it is closed */
};

enum folder_options { FOLDER_READ_ONLY = 1 };

/* Opens and syncs.  error ENOENT: there is none. */
WAITS int folder_open(struct maildir *, const char *name, unsigned options, struct folder **out,
	struct fault *);
void folder_close(struct folder *);                      /* NULL is fine */

/* Cheap when nothing changed.  error ENOENT: the mailbox was deleted; close it. */
WAITS int folder_sync(struct folder *, struct fault *);

/* This session is about to change it.  From then on it is followed by what inotify tells: at once when nothing changed since it
 * was looked at, else from the next look on. */
void folder_begin_change(struct folder *);

/* Whoever starts it looks at the mailbox behind that; to stop it means to look at all of it again. */
void folder_follow_start(struct folder *);
void folder_follow_stop(struct folder *);

/* Index of the first message with that UID or a later one; count: there is none. */
size_t folder_position(const struct folder *, uint64_t uid);
struct message *folder_find(const struct folder *, uint32_t uid);      /* NULL: none */

/* Its file's name in new/ or cur/, borrowed until it is renamed; and what of that is the message's identity.  A name that
 * is not there (any more) is met by whoever uses it and looks again: also "", of a snapshot that is damaged. */
const char *message_name(const struct folder *, const struct message *);
struct span message_base(const struct folder *, const struct message *);

/* Is every message as the snapshot lends it?  Then it costs no look at each of them to open the mailbox, tell of it and close it. */
static inline bool
folder_is_lent(const struct folder *f)
{
	return f->is_kept && f->lender;
}

/* How many are \Recent; the number of the first without \Seen (0: there is none). */
void folder_tally(const struct folder *, size_t *recent, size_t *unseen);

/* The messages as they are, a copy for the caller (messages_free), of which names are no part. */
struct message *folder_copy_messages(const struct folder *, struct messages_room *);

enum flag_change_kind { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
struct flag_change {
	enum flag_change_kind kind;
	unsigned              flags;
	uint64_t              keywords;
	unsigned              kept;             /* flags that FLAGS_SET leaves as they are */
	bool                  keeps_keywords;   /* and all keywords */
	/* Only messages that did not change since (RFC 7162, 3.1.3): the others' UIDs are put
	 * into modified[], which has room for all. */
	bool                  conditional;
	uint64_t              unchanged_since;
	uint32_t             *modified;
	size_t                modified_count;
};

/* The number of a keyword; made when asked to (durably): else -1 without fault
 * when there is none.  FAULT_DENIED: no room for more. */
WAITS int folder_keyword(struct folder *, struct span name, bool make, int *number, struct fault *);

/* Changes flags; messages that are gone are passed over.  `durable` false (the
 * \Seen that FETCH sets) spares the flush. */
WAITS int folder_store(struct folder *, const uint32_t *uids, size_t count,
	struct flag_change *, bool durable, struct fault *);

/* Removes the messages among `uids` (NULL: all) that have \Deleted, or all of
 * them with `any_flags`; where lazy.h says so, they are kept.  They leave the snapshot. */
WAITS int folder_expunge(struct folder *, const uint32_t *uids, size_t count, bool any_flags,
	struct fault *);

/* The same for messages that are elsewhere already (the second half of a move): they are gone. */
WAITS int folder_remove(struct folder *, const uint32_t *uids, size_t count, struct fault *);

/* What makes the message the same wherever it is copied: uidlist's G field or its base name. */
struct span folder_guid(const struct folder *, const struct message *);

/* Puts a field (uidlist.h) into the records of messages; one of that letter is replaced.  `uids` ascend; messages
 * that are gone are passed over.  Values hold no blank. */
WAITS int folder_set_fields(struct folder *, char letter, const uint32_t *uids, const struct span *values, size_t count,
	struct fault *);

/* The message, open for reading: its file, found again when it was renamed, or what is compressed in it (packed.h).
 * error ENOENT: it is gone. */
WAITS int folder_message_open(struct folder *, uint32_t uid, int *fd, struct stat *, struct fault *);

/* The same in two steps, for whoever needs no more than the file's times, or reads a small message in one go: the file,
 * as it is; then what is in it, and up to `most` bytes of that from its beginning. */
WAITS int folder_message_file(struct folder *, uint32_t uid, int *fd, struct stat *, struct fault *);
WAITS int folder_message_begin(struct folder *, int *fd, struct stat *, struct text *first, size_t most, struct fault *);

#endif
