/* SPDX-License-Identifier: ISC */
/*
 * search_index.h - the index that answers SEARCH for strings, and its making while nobody waits
 *
 * Files postern.search.* in the mailbox's directory (or where INDEX= of mail_location says; search/shelf.h), a cache that may be
 * deleted at any time.  It tells of each message: the string is there, it is not, or nothing is known and the message must be
 * read.  Messages that came since, and those that outside programs renamed, are of the last kind; so answers are always those
 * that reading everything would give.
 *
 * It is made by the sessions of the mailbox's owner, as he: when a SEARCH had to read many messages, or an index exists and
 * there are many new messages; then message by message, while the session waits for its client, at most half of the time;
 * for a while after the client left; or by `postern index`.  One session at a time (shelf_lock).  Memory: a message and
 * INDEX_BATCH_BYTES of a segment; in joining segments about four times INDEX_SEGMENT_BYTES.
 */
#ifndef IMAPD_SEARCH_INDEX_H
#define IMAPD_SEARCH_INDEX_H

#include "search.h"
#include "session.h"

enum {
	INDEX_WANTED_FROM = 20,              /* messages: fewer are as easily read */
	INDEX_BATCH_MESSAGES = 1000, INDEX_BATCH_BYTES = 2 << 20,
	INDEX_SEGMENT_BYTES = 8 << 20,       /* joined up to that */
	INDEX_PAUSE_MS = 10                  /* after as much work */
};

struct search_index;

/* Fills in `known` of the keys that have strings, as far as the index knows; NULL where it is not asked, as when there are
 * few messages to be searched.  Good until the command ends. */
WAITS void search_index_ask(struct imap_session *, struct folder *, const struct view *, size_t messages, struct search_key *program);

/* For the selected mailbox: a search has read so many messages for their strings. */
void search_index_wants(struct imap_session *, size_t read);
/* When the session idles: an index that is there is kept up. */
WAITS void search_index_keep_up(struct imap_session *);
/* Works for a few milliseconds unless the client says something; false: there is nothing to do. */
WAITS bool search_index_work(struct imap_session *);
/* The same until there is nothing to do, the client says something, or it is that late. */
WAITS void search_index_wait(struct imap_session *, int64_t deadline);
/* The client is gone: for a while longer. */
WAITS void search_index_linger(struct imap_session *);

/* At the end of a mailbox: what was made so far is kept. NULL is fine. */
WAITS void search_index_free(struct search_index *);

/* Of the mailbox, whole.  For `postern index`. */
WAITS void do_xindex(struct imap_session *);

#endif
