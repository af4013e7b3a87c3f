/* SPDX-License-Identifier: ISC */
/*
 * remote_words.h - %s and its kin: a query from a key, a result from a value (mysql_table(5), ldap_table(5) ...)
 *
 *   in a query                                in result_format
 *   %s   the key                              the value
 *   %u   its local part, or all of it         the value's local part, or all of it
 *   %d   its domain                           the value's domain
 *   %S %U %D   as %s %u %d                    of the key
 *   %1..%9     the key's domain, a label at a time from the right: %1 is "com"
 *   %%   a percent sign
 *
 * What is put in goes through `quote`, the rest is the administrator's. A word for which the key
 * (or value) has nothing suppresses the whole: there is no question, or no result.  Pure.
 */
#ifndef GUARD_REMOTE_WORDS_H
#define GUARD_REMOTE_WORDS_H

#include "base/fault.h"
#include "base/text.h"

enum { REMOTE_LABELS = 9 };

struct remote_request;
struct remote_key {
	struct span whole, user, domain;      /* borrowed; domain empty: no address */
	struct span label[REMOTE_LABELS];     /* from the right */
	size_t      labels;
	const struct remote_request *request; /* identity.h: this query, and fields by name; NULL: a table's lookup */
};

void remote_key_split(struct span, struct remote_key *);

/* Adds the quoted form: 0, or -1 why. */
typedef int remote_quote(void *context, struct span, struct text *out, struct fault *);
int remote_quote_none(void *context, struct span, struct text *out, struct fault *);

/* '' and nothing else: SQL's own, for those who have no backslashes. */
int remote_quote_sql(void *context, struct span, struct text *out, struct fault *);
int remote_quote_filter(void *context, struct span, struct text *out, struct fault *);   /* RFC 4515, 3 */
int remote_quote_dn(void *context, struct span, struct text *out, struct fault *);       /* RFC 4514, 2.4 */

/* A % with something else behind it: -1 why. */
int remote_words_check(const char *words, struct fault *);

/* 0; 1 suppressed (out is as it was); -1 why.  `value` is the key's own with queries. */
int remote_words_expand(const char *words, const struct remote_key *key, const struct remote_key *value,
                        remote_quote *, void *context, struct text *out, struct fault *);

#endif
