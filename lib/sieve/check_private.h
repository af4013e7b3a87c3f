/* SPDX-License-Identifier: ISC */
/*
 * check_private.h - shared by the files that check a script alone
 *
 *   check.c            nodes, blocks, require, include; one script and those that it includes
 *   check_arguments.c  arguments against the row of the command or test
 *   check_meaning.c    what the signatures cannot say
 */
#ifndef SIEVE_CHECK_PRIVATE_H
#define SIEVE_CHECK_PRIVATE_H

#include "sieve/sieve_private.h"

struct compiled { struct span key; struct sieve_script *script; bool open; };

struct loop { const struct node *node; struct loop *outer; int depth; };

struct checker {
	struct arena              *arena;
	const struct sieve_loader *loader;
	const struct sieve_limits *limits;
	struct sieve_script       *script;
	struct fault              *why;
	struct compiled           *all;        /* shared by all scripts of one compilation */
	size_t                    *n_all;
	struct warnings           *warnings;   /* and these */
	uint64_t                   allowed;    /* extensions, of this script */
	int                        depth;
	struct loop               *loop;       /* foreverypart around what is checked */
	bool                       commands_begun;
};

/* -1, with the line of the node. */
int checker_fail(struct checker *, const struct node *, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What will not do what was meant: told when the script is put in place, and no error. */
void checker_warn(struct checker *, const struct node *, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* check_arguments.c: n->verb is known; encoded characters become what they mean; n->tags, n->values and n->at are
 * filled in. */
int check_strings(struct checker *, struct node *);
int check_arguments(struct checker *, struct node *);

/* check_meaning.c: behind check_arguments, in this order. */
int check_match(struct checker *, struct node *);        /* comparators, relations, patterns */
int check_special(struct checker *, struct node *);      /* each command's and test's own */
int check_parts(struct checker *, struct node *);        /* RFC 5703: what stands in a loop, and what needs :mime beside it */

static inline bool
has(const struct checker *c, int capability)
{
	return capability == CAP_NONE || (c->script->capabilities >> capability & 1);
}

static inline bool
is_constant(const struct checker *c, struct span s)
{
	return !has(c, CAP_VARIABLES) || span_find_text(s, SPAN("${")) < 0;
}

#endif
