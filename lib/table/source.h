/* SPDX-License-Identifier: ISC */
/*
 * source.h - the text of tables: postmap(1) and aliases(5) syntax
 *
 *   key  value            postmap; a key with blanks stands in "double quotes"
 *   name: value, value    aliases; a name may be quoted as an RFC 5322 local part
 *
 * Pure.  A bad line is told and skipped, so that one typing error does not
 * take every address with it; who builds a table decides what it is worth.
 */
#ifndef TABLE_SOURCE_H
#define TABLE_SOURCE_H

#include "base/fault.h"
#include "base/text.h"

enum source_syntax { SOURCE_POSTMAP, SOURCE_ALIASES };

struct source_reader {
	/* Spans are borrowed for the call; keys are as written (not folded). -1 stops. */
	int  (*pair)(void *context, int line, struct span key, struct span value, struct fault *);
	/* A bad or doubtful line: a sentence without the place. */
	void (*complaint)(void *context, int line, const char *sentence);
	void  *context;
};

/* The number of bad lines that were skipped, or -1 and why when pair() stopped it. */
int source_read(struct span text, enum source_syntax, const struct source_reader *, struct fault *);

#endif
