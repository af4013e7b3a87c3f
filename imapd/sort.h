/* SPDX-License-Identifier: ISC */
/*
 * sort.h - the order of messages, and their threads (RFC 5256, RFC 5957)
 */
#ifndef IMAPD_SORT_H
#define IMAPD_SORT_H

#include "session.h"

enum sort_field {
	SORT_ARRIVAL, SORT_CC, SORT_DATE, SORT_FROM, SORT_SIZE, SORT_SUBJECT, SORT_TO,
	SORT_DISPLAY_FROM, SORT_DISPLAY_TO,
	SORT_RELEVANCY                                    /* RFC 6203, 6: the highest first */
};

struct sort_key { enum sort_field field; bool reverse; const unsigned char *scores; };   /* scores: by position, of RELEVANCY */

/* "(REVERSE DATE SUBJECT)"; each once, where it is named first. */
bool sort_parse(struct arena *, const struct argument *, struct sort_key **, size_t *count);

bool sort_by_relevancy(const struct sort_key *, size_t count);

/* Puts the positions into that order; the mailbox's own decides between equals. */
WAITS void sort_positions(struct imap_session *, struct folder *, const struct view *, const struct sort_key *,
	size_t key_count, size_t *positions, size_t count);

/* The subject without "Re:", "[list]", "(fwd)" (RFC 5256, 2.1), folded (mail/casemap.h);
 * *is_reply: something of that was there. */
void subject_base(struct span raw_value, struct text *out, bool *is_reply);

/* What threads are made of. */
struct thread_message {
	uint32_t    number;          /* as it will be told */
	int64_t     date;            /* sent, else arrived */
	struct span subject;         /* base */
	bool        is_reply;
	struct span id;              /* Message-ID without its angles; empty: none */
	struct span *references;     /* of References, else In-Reply-To; oldest first */
	size_t      reference_count;
};

enum thread_kind { THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS };

/* Pure: "(1 2)(3 (4)(5))" */
void thread_make(enum thread_kind, struct thread_message *, size_t count, struct text *out);

#endif
