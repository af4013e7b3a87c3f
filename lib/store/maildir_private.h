/* SPDX-License-Identifier: ISC */
/*
 * maildir_private.h - shared by maildir.c and delivery.c alone
 */
#ifndef STORE_MAILDIR_PRIVATE_H
#define STORE_MAILDIR_PRIVATE_H

#include "store/maildir.h"

struct quota;
struct lazy;
struct maildir {
	char *path;
	int   root;
	const struct quota *quota;    /* borrowed; NULL: none */
	const struct lazy  *lazy;     /* borrowed; NULL: none */
	char *index;                  /* where it lies, for who has it not open; NULL: not to be looked at */
	char  origin[17];             /* of another: whose, as the index tells them apart */
	int   private;                /* directory of this user's own \Seen (seen.h); -1: in the file names */
};

/* The base name that every try of one message to one recipient makes. */
void maildir_repeatable_name(const struct maildir_message *, struct text *out);

#endif
