/* SPDX-License-Identifier: ISC */
/*
 * policy.h - policy delegation: an outside program decides (SMTPD_POLICY_README)
 *
 * name=value lines and an empty one go out, "action=..." and an empty line
 * come back; the action is what an access table could answer.  The stream is
 * dialed by dialer and kept for the session.
 */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct session;
struct policy;

struct policy_options {
	char   *endpoint;             /* "inet:127.0.0.1:10023", "unix:private/policy" */
	int64_t timeout, retry_delay; /* ms; 0: the parameter's */
	int64_t max_idle, max_ttl;    /* ms of a kept connection; -1: the parameter's */
	int     tries, request_limit;
	char   *default_action, *context;
};

/* "unix:private/policy" or { unix:private/policy, timeout=10s, default_action=DUNNO, ... } */
int policy_options_parse(struct span, struct policy_options **, struct fault *);

void policies_free(struct policy *);

#endif
