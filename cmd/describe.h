/* SPDX-License-Identifier: ISC */
/*
 * describe.h - what the programs say of themselves, asked with --describe
 *
 * Every ELF program of a directory is run with that one argument (no shell), its answer is
 * taken when it begins with "@program"; lib/service/describe.c has the grammar.
 * Nothing here is freed: commands are short.
 */
#ifndef CMD_DESCRIBE_H
#define CMD_DESCRIBE_H

#include "config/param.h"

struct description {
	char *program, *about, *role, *model, *tasks, *asks, *promises, *reads, *writes;
	struct param *params;        /* ends with END_OF_PARAMS; destinations are NULL */
	size_t        n_params;
};

struct descriptions {
	struct description *item;    /* by name of the program */
	size_t              count;
};

void descriptions_read(const char *directory, struct descriptions *);      /* sorted */

/* One program; false when it says nothing of itself. */
bool descriptions_ask(const char *path, struct descriptions *);
void descriptions_sort(struct descriptions *);

#endif
