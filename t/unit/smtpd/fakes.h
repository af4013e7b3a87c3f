/* SPDX-License-Identifier: ISC */
/*
 * fakes.h - smtpd without the other programs
 *
 * Stands in for libipc's submit_* and ask_* and for lib/service: example.org is
 * local and knows "user" and "postmaster", relay.example is relayed for,
 * everything else is remote.  What was committed is kept for the test.
 */
#ifndef FAKES_H
#define FAKES_H

#include "base/text.h"

struct fakes {
	struct text content;          /* of the last committed message, as it stands in the descriptor */
	struct text sender, rcpts;    /* "a b " */
	struct text envid;
	int         opened, committed, aborted;
	bool        held;
	const char *fail;             /* "open", "content", "rcpt", "prepare", "commit" fail; NULL: none */
	const char *fail_status;
	int         rate;             /* that ask_rate tells */
	const char *policy;           /* what the policy server at the end of ask_dial answers */
	const char *password;         /* that AUTH takes; user is "user" */
};
extern struct fakes fakes;

/* Settings as main.cf's text says; faults end the program unless `may_fail`: then -1. */
int  fakes_configure(const char *main_cf, bool may_fail);
void fakes_reset(void);

#endif
