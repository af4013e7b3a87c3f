/* SPDX-License-Identifier: ISC */
/*
 * flags.h - flags that a client names (RFC 3501, 2.3.2)
 */
#ifndef IMAPD_FLAGS_H
#define IMAPD_FLAGS_H

#include "base/fault.h"
#include "grammar.h"

struct named_flags {
	unsigned     flags;          /* enum message_flag */
	struct span *keywords;       /* in the arena */
	size_t       count;
};

/* A flag list, or flags that stand bare; FAULT_INPUT: one is none that may be set. */
int flags_parse(struct arena *, const struct argument *, struct named_flags *, struct fault *);

#endif
