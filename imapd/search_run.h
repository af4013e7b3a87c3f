/* SPDX-License-Identifier: ISC */
/*
 * search_run.h - running search programs, and telling what they found
 */
#ifndef IMAPD_SEARCH_RUN_H
#define IMAPD_SEARCH_RUN_H

#include "fetch_items.h"
#include "search.h"
#include "session.h"

/* Sets get to know what '*' is.  Message numbers beyond the end match nothing (RFC 7377, 2). */
void search_resolve(struct search_key *, const struct view *);

/* Positions in the view of what matches, ascending; in the session's arena. */
WAITS void search_run(struct imap_session *, struct folder *, const struct view *,
	struct search_key *, size_t **positions, size_t *count);
/* What the program's sets leave to be looked at: what RFC 9738 counts. Positions, ascending; NULL: all of the view. */
void search_candidates(struct imap_session *, const struct view *, const struct search_key *, size_t **positions, size_t *count);
/* False and NO [MESSAGELIMIT] answered: too many messages to be sorted. */
bool search_may_sort(struct imap_session *, const struct search_key *);
/* The same of only those (NULL: all). */
WAITS void search_run_among(struct imap_session *, struct folder *, const struct view *,
	struct search_key *, const size_t *among, size_t among_count, size_t **positions, size_t *count);

/* "RETURN (MIN ALL ...)" (RFC 4731, RFC 5182, RFC 5267, RFC 9394) */
struct search_return {
	bool    given;               /* there was a RETURN, or the client speaks rev2 */
	bool    min, max, all, count, save, partial, context, update, relevancy;
	int64_t from, to;            /* PARTIAL */
	bool    fetches;             /* UPDATE (...): RFC 5465, 7 */
	struct fetch_items items;
};

/* Takes it from *a, if it is there; -1: BAD was answered. */
int search_return_parse(struct imap_session *, const struct argument **a, struct search_return *);

/* The filters of this user: /private/filters/values/name or /shared/... of the server (RFC 5466). */
struct search_filters search_filters_of(struct imap_session *);

/* Could that be one?  It may name filters that are still to be made. */
bool search_is_program(struct imap_session *, struct span text);

/* RELEVANCY, as a result or as an order, with a program without FUZZY: BAD was answered (RFC 6203, 4 and 6). */
bool search_may_score(struct imap_session *, bool relevancy, const struct search_needs *);

/* What the tagged answer and errors of a search program have in common.  True: it was NO, not BAD. */
bool search_refuse(struct imap_session *, const struct search_needs *);

/* "* ESEARCH (TAG "a") UID ...".  `found` in the order of the answer; `mailbox` for RFC 7377. */
struct search_found {
	const struct view *view;
	const size_t      *positions;
	size_t             count;
	const unsigned char *scores;     /* by position; with RELEVANCY */
	bool               uid, sorted, modseq;
	struct span        mailbox;      /* empty: none is named */
	uint32_t           validity;
};
void search_tell(struct imap_session *, const struct search_return *, const struct search_found *);
/* "$" becomes what was found, as SAVE together with MIN and MAX means it (RFC 5182, 2.4). */
void search_forget_saved(struct imap_session *);
void search_save(struct imap_session *, const struct search_return *, const struct search_found *);

/* "* OK [INPROGRESS ("tag" 5 100)]" every ten seconds (RFC 9585) */
struct progress { struct imap_session *session; int64_t next; };
void progress_start(struct progress *, struct imap_session *);
void progress_tell(struct progress *, size_t done, size_t all);

#endif
