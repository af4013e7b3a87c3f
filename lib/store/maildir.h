/* SPDX-License-Identifier: ISC */
/*
 * maildir.h - a Maildir held by its root, and durable delivery into it
 *
 * Everything here runs as the owner of the mail (never as root) and opens
 * below the held root without following links, so that nothing that the owner
 * made can lead elsewhere: FIFOs, devices, links and directories in place of
 * files are refused.
 *
 * A *folder* is a storage name: "" is INBOX (the root itself), "Archive.2026"
 * is the directory ".Archive.2026".
 *
 * Delivery: the content is written to tmp/ and made durable, then published
 * in new/ by a rename that never overwrites, then the directory is made durable.
 * Only then maildir_delivery_finish returns 0.  A name that is made from queue
 * id, recipient and host tells a second try after a crash: the same size and
 * content there already is success with `duplicate` set ("possible duplicate"
 * belongs into the log); other content gets a new name.
 *
 *   struct maildir *m; struct maildir_delivery *d; struct maildir_delivered done = {0};
 *   maildir_open("/home/a/Maildir", MAILDIR_CREATE, &m, why)
 *   maildir_delivery_start(m, "", &d, why)
 *   maildir_delivery_add(d, span, why)       ... content with LF line ends, in pieces
 *   maildir_delivery_finish(d, &message, &done, why)  or  maildir_delivery_abort(d)
 *
 * A failed add or finish leaves nothing visible; d is freed by finish (either
 * way) and by abort.  FAULT_SYSTEM with error ENOSPC or EDQUOT is the full disk.
 */
#ifndef STORE_MAILDIR_H
#define STORE_MAILDIR_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct maildir;
struct maildir_delivery;

enum maildir_options { MAILDIR_CREATE = 1 };

/* Makes the root (and its parents) with cur, new and tmp when asked to. */
WAITS int maildir_open(const char *path, unsigned options, struct maildir **out, struct fault *);
/* One that is open already; the descriptor is given. */
struct maildir *maildir_adopt(int root, const char *path);
/* It is another's, or everybody's.  With `private` (a directory, given; -1: none) \Seen and \Recent in it are
 * this user's own and kept there; files stay in new/, so that they are \Recent to each. */
void maildir_set_foreign(struct maildir *, const char *origin, int private);
const char *maildir_origin(const struct maildir *);       /* "": one's own */
int  maildir_private(const struct maildir *);             /* -1: none */
void maildir_close(struct maildir *);                     /* NULL is fine */
int  maildir_root(const struct maildir *);                /* borrowed descriptor */
const char *maildir_path(const struct maildir *);         /* for messages */

/* May this be a folder ("" is)?  No '/', NUL or control bytes, no empty level. */
bool maildir_folder_valid(struct span folder);

/* The directory of a folder, open for *at calls; missing cur, new, tmp are
 * made.  FAULT_SYSTEM with error ENOENT: there is no such folder. */
int maildir_folder_open(struct maildir *, const char *folder, struct fault *);

/* Makes a folder with its maildirfolder mark, durably.  error EEXIST when it is there. */
WAITS int maildir_folder_create(struct maildir *, const char *folder, struct fault *);

struct maildir_message {
	struct span queue_id;       /* empty: a unique name is made up */
	struct span recipient;
	int64_t     arrived;        /* us since 1970, the same at every try */
	bool        first_try;      /* true only if no earlier try can have happened: spares a look at cur/ */
};

struct maildir_delivered {
	bool        duplicate;      /* it was there already */
	bool        renamed;        /* the name was there with other content */
	uint64_t    size;           /* bytes on disk */
	struct text name;           /* file name in new/; owned by the caller */
};

WAITS int maildir_delivery_start(struct maildir *, const char *folder,
	struct maildir_delivery **out, struct fault *);
WAITS int maildir_delivery_add(struct maildir_delivery *, struct span, struct fault *);
WAITS int maildir_delivery_finish(struct maildir_delivery *, const struct maildir_message *,
	struct maildir_delivered *, struct fault *);
void maildir_delivery_abort(struct maildir_delivery *);   /* NULL is fine */

/* For filters: what was added so far, as a file; borrowed until finish or abort. */
WAITS int maildir_delivery_file(struct maildir_delivery *, int *fd, struct fault *);

/* For appending through IMAP: makes the file durable, tells its name in tmp/
 * and sizes, and leaves the publishing to the caller, who then frees d by abort
 * (which removes the file if it is still in tmp/). */
WAITS int maildir_delivery_hold(struct maildir_delivery *, int64_t mtime_seconds,
	struct text *tmp_name, uint64_t *size, uint64_t *full_size, struct fault *);

/* A base name that nobody else makes: SECONDS.MmicrosecondsPpidQn.host */
void maildir_unique_name(struct text *out);

/* What may be put there and is counted (quota.h); borrowed, NULL is none. */
struct quota;
void maildir_set_quota(struct maildir *, const struct quota *);
const struct quota *maildir_quota(const struct maildir *);

/* Where what is expunged goes (lazy.h); borrowed, NULL is nowhere. */
struct lazy;
void maildir_set_lazy(struct maildir *, const struct lazy *);
const struct lazy *maildir_lazy(const struct maildir *);

/* For whoever opens mailboxes without their index: the directory where it lies, if there is one, copied. It is looked at when a
 * UID is given (history_pass_given), and by nobody who has it open already. NULL: nowhere. */
void maildir_set_index(struct maildir *, const char *directory);
const char *maildir_index(const struct maildir *);

/* Adds "bytes count" to maildirsize when there is one and the folder is counted; never
 * fails: what is missed is counted anew by whoever finds the sum too big (quota.h). */
void maildir_size_add(struct maildir *, const char *folder, int64_t bytes, int64_t count);

#endif
