/* SPDX-License-Identifier: ISC */
/*
 * sieve_programs.h - what Sieve scripts run (pipe, filter, execute), by programs.h
 *
 * A program knows of the message's way HOST, SENDER, RECIPIENT and ORIG_RECIPIENT, as Pigeonhole tells it, beside USER and HOME, and
 * has no other environment.
 */
#ifndef SERVICE_SIEVE_PROGRAMS_H
#define SERVICE_SIEVE_PROGRAMS_H

#include "service/programs.h"
#include "sieve/sieve.h"
#include "store/maildir.h"

/* The settings, and the keeper: before the sandbox closes. */
int sieve_programs_prepare(struct fault *);

/* How long all programs of one message may take together, in ms; 0: there are none. */
int64_t sieve_programs_time(void);

struct sieve_programs {
	int                      sock;         /* of programs_open */
	const struct sieve_host *host;
	int                      message;      /* as it came, a file */
	struct maildir          *maildir;      /* in whose tmp/ what was edited is written down; NULL: that is refused */
	struct text              said;         /* what the last one wrote to standard error; owned */
};

/* As sieve_host's run_program; of a pipe, too. */
WAITS int sieve_programs_run(struct sieve_programs *, const struct sieve_program *, struct text *output, struct fault *);

#endif
