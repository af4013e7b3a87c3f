/* SPDX-License-Identifier: ISC */
/*
 * facts.h - what SORT, THREAD and SENTSINCE ask of a header, worked out once
 *
 * facts_make writes them down as the index keeps them (store/index.h), and all who ask read what was written
 * down, so that an answer is the same with the index and without.  Whoever changes what a fact is (the
 * base subject, its folding, what is a date) gives FACTS_FORM another letter: older ones are then not known.
 */
#ifndef IMAPD_FACTS_H
#define IMAPD_FACTS_H

#include "base/text.h"

#define FACTS_FORM "b"

enum { FACTS_MOST = 8192 };      /* bytes; the index does not get more of one message */

struct header_facts {
	bool        has_sent, is_reply;
	int64_t     sent, sent_day;      /* of Date: seconds; days as written (mail/date.h) */
	struct span subject;             /* base subject (sort.h) */
	struct span id;                  /* of Message-ID, without its angles; empty: none */
	struct span references;          /* of References, else In-Reply-To: ids, each ends with ">", oldest first */
};

void facts_make(struct span header, struct text *out);

/* Total; spans point into the bytes. */
bool facts_decode(struct span, struct header_facts *);

/* Takes the next id off the front. */
bool facts_next_reference(struct span *references, struct span *id);

#endif
