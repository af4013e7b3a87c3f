/* SPDX-License-Identifier: ISC */
/*
 * view.h - what this client has been told of the selected mailbox
 *
 * Sequence numbers are positions in the view.  The folder beneath changes at
 * its own pace; the view changes only when the client is told: expunged
 * messages keep their numbers until an EXPUNGE may be sent (RFC 3501, 7.4.1).
 */
#ifndef IMAPD_VIEW_H
#define IMAPD_VIEW_H

#include "sequence.h"
#include "store/folder.h"

struct view_message {
	uint32_t uid;
	uint8_t  flags;          /* as told */
	bool     recent;
	uint64_t keywords;
};

struct view {
	struct view_message *at;
	size_t               count, room;
	uint64_t             generation;     /* of the folder, when all was told */
	bool                 behind;         /* expunges are still to be told */
	uint64_t             keywords;       /* bits of names that FLAGS told */
};

void view_start(struct view *, const struct folder *);
void view_free(struct view *);

/* Chosen messages as positions, ascending.  -1 when a sequence number is
 * beyond the end; UIDs that are not there are passed over.  Resolves the set. */
int  view_choose(const struct view *, struct sequence *, bool uid, size_t **positions, size_t *count,
	struct arena *);
uint32_t *view_uids(const struct view *, const size_t *positions, size_t count, struct arena *);
size_t view_position(const struct view *, uint32_t uid);   /* count: not there */

/* Adds untagged responses (with their CRLF) for what has changed since. */
void view_tell(struct view *, const struct folder *, bool may_expunge, bool with_uid, struct text *out);

/* "(\Seen $label1)" */
void view_add_flags(struct keywords *, unsigned flags, bool recent, uint64_t keywords, struct text *out);
/* FLAGS and PERMANENTFLAGS responses */
void view_tell_flags(struct view *, struct folder *, struct text *out);

#endif
