/* SPDX-License-Identifier: ISC */
/*
 * ranks.h - numbers that are ordered as messages' subjects and addresses are
 *
 * SORT compares numbers alone (sort.c).  Of a mailbox of some size the index keeps them (store/index.h), so that neither
 * texts nor records are looked at while nothing new comes; what is new is put between two that are there, or, when that is much or there
 * is no room between them, all are numbered anew.  Without an index, or of a few messages, they are made for this once.
 */
#ifndef IMAPD_RANKS_H
#define IMAPD_RANKS_H

#include "search_run.h"
#include "sort.h"
#include "store/index.h"

enum { RANKS_KEPT_FROM = 100 };              /* messages: fewer are as easily looked at */

struct ranking {
	struct imap_session *session;
	struct folder       *folder;
	const struct view   *view;
	struct index_batch  *batch;          /* NULL: no cache */
	struct progress     *progress;
	enum sort_field      field;          /* of texts: neither a date nor SIZE nor RELEVANCY */
};

/* Of the messages at these positions, ascending. */
WAITS void ranks_of(const struct ranking *, const size_t *positions, size_t count, uint64_t *ranks);

#endif
