/* SPDX-License-Identifier: ISC */
/*
 * rules.h - a text of patterns from top to bottom, with if and endif
 *
 * What cidr:, regexp: and pcre: share.  Each logical line is "[!]pattern  result",
 * "if [!]pattern" or "endif"; `parse` reads the pattern (and result) of one.
 * Inside lib/table.
 */
#ifndef TABLE_RULES_H
#define TABLE_RULES_H

#include "table/table_type.h"

enum { RULES_MAX = 200000, RULES_DEPTH = 100 };

struct rule {
	bool   negative, is_if;
	size_t skip;            /* is_if: where to go on when it does not match */
	char  *result;          /* owned; NULL with is_if */
	void  *pattern;         /* the type's */
};

struct rules {
	struct rule *rule;
	size_t       count;
	void       (*free_pattern)(void *);
};

/* Takes the pattern off the front of *rest (leaving the result): NULL and why. */
typedef void *rules_parse(void *context, struct span *rest, struct fault *why);

/* Bad lines are logged with their place and skipped, as in Postfix; -1 only when the file
 * cannot be read or has too much in it. */
int  rules_read(struct table *, struct rules *, rules_parse *, void *context, struct fault *);
int  rules_parse_text(const char *path, struct span text, struct rules *, rules_parse *, void *context,
                      struct fault *);
void rules_free(struct rules *);

#endif
