/* SPDX-License-Identifier: ISC */
/*
 * view.h - what this client has been told of the selected mailbox
 *
 * Sequence numbers are positions in the view.  The folder beneath changes at
 * its own pace; the view changes only when the client is told: expunged
 * messages keep their numbers until an EXPUNGE may be sent (RFC 3501, 7.4.1).
 *
 * It begins as a copy of the folder's messages, which costs nothing where they are those of a snapshot (store/messages.h):
 * what did not change is therefore not written either.  Of each message, `touched` is: new or with other flags, for
 * search_context.h; `untold`: it changed while the client did not want to hear of that, or its FETCH is still to come.
 */
#ifndef IMAPD_VIEW_H
#define IMAPD_VIEW_H

#include "sequence.h"
#include "store/folder.h"

/* What the client has enabled, as far as it changes how things are told. */
struct manner {
	bool condstore;          /* RFC 7162: MODSEQ in every FETCH of flags, UID where a FETCH was not asked for */
	bool qresync;            /* VANISHED for EXPUNGE, UID in every FETCH */
	bool uidonly;            /* RFC 9586: UIDFETCH, no sequence numbers at all */
	bool rev2;               /* RFC 9051: nothing is \Recent, ESEARCH for SEARCH */
	bool utf8;               /* RFC 6855: UTF-8 in quoted strings */
};

enum { VIEW_KEYWORDS = 128 };               /* as ACL_KEYWORDS */

struct view {
	struct message      *at;             /* as told; without names */
	size_t               count;
	struct messages_room room;
	uint64_t             generation, modseq;     /* of the folder, when all was told */
	bool                 behind;         /* expunges are still to be told */
	bool                 touched;        /* any is */
	bool                 untold, missing;   /* changes of flags; new messages */
	uint64_t             keywords;       /* bits of names that FLAGS told */
	unsigned             denied;         /* flags that may not be changed here; VIEW_KEYWORDS for keywords */
	const struct manner *manner;         /* borrowed */
};

void view_start(struct view *, const struct folder *, const struct manner *);
void view_free(struct view *);

/* Chosen messages as positions, ascending.  -1 when a sequence number is
 * beyond the end; UIDs that are not there are passed over.  Resolves the set. */
int  view_choose(const struct view *, struct sequence *, bool uid, size_t **positions, size_t *count,
	struct arena *);
uint32_t *view_uids(const struct view *, const size_t *positions, size_t count, struct arena *);
static inline void
view_touch(struct view *v, size_t position)
{
	v->at[position].touched = v->touched = true;
}
/* What a FETCH that follows tells of this message is as the folder has it, all of it; names of new keywords are told before.
 * Until that FETCH has told it (view_told) it is `untold`. */
void view_take(struct view *, struct folder *, const struct message *, struct text *out);
static inline void
view_told(struct view *v, size_t position)
{
	v->at[position].untold = false;
}
size_t view_position(const struct view *, uint32_t uid);   /* count: not there */

/* Adds untagged responses (with their CRLF) for what has changed since, as far as it may be told;
 * the rest keeps.  How many new messages were told: the last of the view. */
enum view_news { VIEW_EXPUNGES = 1, VIEW_NEW = 2, VIEW_FLAGS = 4, VIEW_ALL = 7 };
size_t view_tell(struct view *, const struct folder *, unsigned news, bool with_uid, struct text *out);

/* "* 3 FETCH (", "* 3 FETCH (UID 17 " or "* 17 UIDFETCH (" */
void view_open_fetch(const struct view *, size_t position, bool with_uid, struct text *out);
/* " MODSEQ (n)" for who asked for that */
void view_add_modseq(const struct view *, size_t position, struct text *out);

/* "(\Seen $label1)" */
void view_add_flags(struct keywords *, unsigned flags, bool recent, uint64_t keywords, struct text *out);
/* FLAGS and PERMANENTFLAGS responses */
void view_tell_flags(struct view *, struct folder *, struct text *out);

#endif
