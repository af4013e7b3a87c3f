/* SPDX-License-Identifier: ISC */
/*
 * grammar.h - one IMAP command as a tree (RFC 3501, 9)
 *
 * The input is the whole command without its last line end; a literal stands
 * in it as it came: "{5}" CRLF and five bytes.  Pure, iterative, bounded: lists
 * GRAMMAR_DEPTH deep, GRAMMAR_ARGUMENTS in all.  NUL is refused everywhere but
 * in a literal8 among the values of SETMETADATA.
 * Spans point into the input or the arena.
 *
 * grammar_parse fills `tag` as soon as it is known, also when it fails, so
 * that a BAD can name it (empty: there is none).
 */
#ifndef IMAPD_GRAMMAR_H
#define IMAPD_GRAMMAR_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

enum { GRAMMAR_DEPTH = 32, GRAMMAR_ARGUMENTS = 10000, GRAMMAR_TAG = 128 };

enum argument_type {
	ARGUMENT_ATOM,           /* also flags, sets, NIL, and in FETCH "BODY[...]<..>" whole */
	ARGUMENT_QUOTED,         /* text without quotes and backslashes */
	ARGUMENT_LITERAL,
	ARGUMENT_LIST
};

struct argument {
	enum argument_type type;
	struct span        text;
	struct argument   *children, *next;   /* of a list; of the list it is in */
	size_t             count;             /* of children */
};

struct command {
	struct span      tag, verb;
	bool             uid;                 /* "UID FETCH": verb is FETCH */
	struct argument *arguments;
	size_t           count;
};

int grammar_parse(struct arena *, struct span in, struct command *, struct fault *);

/* A parenthesised or bare list of arguments, as in a command (for sections and the like). */
int grammar_parse_list(struct arena *, struct span in, struct argument **, size_t *count, struct fault *);

bool argument_is_astring(const struct argument *);            /* or an atom */
bool argument_is_atom(const struct argument *, const char *word);   /* that word, any case */

/* Does the line end in "{n}" or "{n+}"?  *at is where that starts. */
bool grammar_literal(struct span line, uint64_t *size, bool *plus, size_t *at);

/* Is `in` an APPEND or a REPLACE whose mailbox is named in full?  *end is behind that name: what
 * follows (flags, dates, messages: RFC 3502, RFC 4469) has a grammar of its own and is streamed. */
bool grammar_append(struct span in, size_t *end);

#endif
