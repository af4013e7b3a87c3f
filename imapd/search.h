/* SPDX-License-Identifier: ISC */
/*
 * search.h - search programs (RFC 3501, 6.4.4)
 *
 * FUZZY (RFC 6203): strings below it match as words that are alike (search/fuzzy.h), and give scores; other keys match
 * as ever and give 100.  A message's relevancy is the mean of what the keys that made it match gave,
 * of an OR the better.
 *
 * Parsed into a tree, strings already in UTF-8 and folded (mail/casemap.h); matched against one
 * message at a time, cheap keys (flags, UIDs, sizes, dates) before those that
 * read the message.
 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "base/fault.h"
#include "grammar.h"
#include "sequence.h"

enum { SEARCH_DEPTH = 64 };

enum search_kind {
	SEARCH_ALL, SEARCH_NOT, SEARCH_OR, SEARCH_AND,
	SEARCH_FLAG, SEARCH_KEYWORD, SEARCH_RECENT,
	SEARCH_SEQUENCE, SEARCH_UID,                      /* also UIDAFTER, UIDBEFORE: RFC 9738 */
	SEARCH_LARGER, SEARCH_SMALLER,
	SEARCH_MODSEQ, SEARCH_EMAILID, SEARCH_THREADID,   /* RFC 7162, RFC 8474 */
	SEARCH_SAVED_SUPPORTED,                           /* RFC 8514 */
	SEARCH_SAVED_BEFORE, SEARCH_SAVED_ON, SEARCH_SAVED_SINCE,
	SEARCH_OLDER, SEARCH_YOUNGER,                     /* RFC 5032 */
	SEARCH_SAVED_RESULT,                              /* "$": RFC 5182 */
	SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE,
	SEARCH_SENT_BEFORE, SEARCH_SENT_ON, SEARCH_SENT_SINCE,
	SEARCH_HEADER, SEARCH_BODY, SEARCH_TEXT
};

struct search_key {
	enum search_kind   kind;
	struct search_key *first, *second;     /* NOT, OR, AND (a list by next) */
	struct search_key *next;
	unsigned           flag;
	struct sequence    sequence, asked;    /* asked: before it was resolved (search_context.h) */
	int64_t            number;             /* size, or day since 1970 */
	struct span        field, text;        /* text: folded UTF-8; keyword */
	unsigned char     *known;              /* of each message of the view: enum search_verdict; NULL: nothing is */
	/* RFC 6203 */
	struct fuzzy      *fuzzy;              /* below FUZZY, of a string with words: search/fuzzy.h; else NULL */
	unsigned char     *known_scores;       /* beside `known` */
	unsigned char     *score;              /* one: what it gave the message that matched last. OR: which of the two did (a bit each) */
	unsigned char     *scores;             /* of the program, for each message of the view, if they are wanted; else NULL */
};

/* What a program asks of its surroundings. */
struct search_needs {
	bool charset_bad;        /* the fault is an unknown charset (NO [BADCHARSET]), not BAD */
	bool modseq;             /* MODSEQ is among the keys: results tell it (RFC 7162, 3.1.5) */
	bool numbers;            /* message numbers are */
	bool fuzzy;              /* FUZZY is among the keys */
	bool no_filter;          /* the fault is a FILTER that is not defined (RFC 5466) */
	struct span filter;      /* its name */
	bool filtered;           /* FILTER is among the keys */
	bool filter_charset;     /* the fault is that, with a charset that is not UTF-8 */
};

/* Who knows named filters: the program's arguments, or NULL. */
struct search_filters {
	const struct argument *(*find)(void *context, struct span name);
	void *context;
};

int search_parse(struct arena *, const struct argument *, const struct search_filters *,
	struct search_key **, struct search_needs *, struct fault *);
/* The same of a program whose charset stands before it (SORT, THREAD); empty: UTF-8. */
int search_parse_with(struct arena *, struct span charset, const struct argument *,
	const struct search_filters *, struct search_key **, struct search_needs *, struct fault *);

/* Where a key that has a string looks: search/message.h. */
unsigned search_key_zones(const struct search_key *);

/* Does it have to read messages?  So that it is asked last. */
bool search_reads(const struct search_key *);       /* it, or one behind it */
bool search_key_reads(const struct search_key *);   /* it alone */

#endif
