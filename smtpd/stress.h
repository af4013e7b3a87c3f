/* SPDX-License-Identifier: ISC */
/*
 * stress.h - limits that get tighter when all sessions of the service are taken
 *
 * stress is "yes" for a session that takes the last place (STRESS_README): what the
 * parameters then are is worked out once, at start.  A session keeps the limits it began with.
 */
#ifndef SMTPD_STRESS_H
#define SMTPD_STRESS_H

#include "config/faults.h"

struct limits {
	bool    stressed;
	int64_t timeout, starttls_timeout;
	int     hard_error_limit, junk_command_limit;
	bool    per_request_deadline;
};

/* From the settings alone: for one session that nobody waits for (sendmail -bs). */
void limits_prepare(void);

/* From the settings, and again with stress=yes: at start. */
void stress_prepare(struct faults *);

/* For a session that begins now. */
const struct limits *limits_now(void);

#endif
