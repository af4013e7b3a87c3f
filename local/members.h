/* SPDX-License-Identifier: ISC */
/*
 * members.h - what stands in an alias, a .forward or an :include: file
 *
 * aliases(5) and local(8): members are separated by commas, addresses by blanks too, in files also by
 * line ends; "#" begins a comment line of a file.
 *
 *   user, user@domain, Name <user@domain>      an address
 *   |command  "|command with, commas"  |"..."  a command
 *   /file/name  /directory/                    a mailbox
 *   :include:/file/name                        more members in that file
 *   \user                                      that user's mailbox, without aliases or .forward
 *
 * Pure and total: what makes no sense is counted in `faulty` and left out.
 */
#ifndef LOCAL_MEMBERS_H
#define LOCAL_MEMBERS_H

#include "base/arena.h"

enum { MEMBERS_MAX = 100000 };

enum member_kind { MEMBER_ADDRESS, MEMBER_COMMAND, MEMBER_FILE, MEMBER_INCLUDE };

struct member {
	enum member_kind kind;
	struct span      value;      /* address: internal form; command: without "|" */
};

struct members {
	struct member *at;           /* in the arena */
	size_t         count;
	size_t         faulty;
	bool           cut;          /* there were more than MEMBERS_MAX */
};

enum members_form { MEMBERS_OF_ALIAS, MEMBERS_OF_FILE };

void members_parse(struct arena *, struct span in, enum members_form, struct members *);

#endif
