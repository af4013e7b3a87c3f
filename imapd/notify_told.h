/* SPDX-License-Identifier: ISC */
/*
 * notify_told.h - what a client of NOTIFY was told, as bytes in the state of a session that sleeps (sleep.h): pure
 *
 *   the command as it came, and whether its names were UTF-8; then of the user's own mailboxes name, directory and what was
 *   told of each; subscriptions; keys of METADATA, each with a hash of its value.  Numbers as in sevens.h, strings
 *   behind their length, lists behind their count.
 */
#ifndef IMAPD_NOTIFY_TOLD_H
#define IMAPD_NOTIFY_TOLD_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

struct notify_status { size_t messages, unseen; uint32_t next, validity; uint64_t modseq; };

struct told_mailbox {
	struct span          folder;
	uint64_t             device, inode;
	bool                 known, denied;
	struct notify_status status;
};
struct told_key { struct span key; uint64_t hash; };

struct notify_told {
	struct span          command;
	bool                 utf8;
	struct told_mailbox *mailboxes;
	struct span         *subscribed;
	struct told_key     *keys;
	size_t               mailbox_count, subscribed_count, key_count;
};

void notify_told_write(const struct notify_told *, struct text *out);
/* Total.  Strings are borrowed from the bytes, lists are the arena's. */
int  notify_told_read(struct arena *, struct span, struct notify_told *, struct fault *);

#endif
