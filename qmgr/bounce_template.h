/* SPDX-License-Identifier: ISC */
/*
 * bounce_template.h - the administrator's own words for notices (bounce(5))
 *
 *   failure_template = <<EOF
 *   Charset: us-ascii
 *   From: MAILER-DAEMON (Mail Delivery System)
 *   Subject: Undelivered Mail Returned to Sender
 *   Postmaster-Subject: Postmaster Copy: Undelivered Mail
 *
 *   The mail system at $myhostname ...
 *   EOF
 *
 * failure_, delay_, success_ and verify_template, each at most once. In the text $name is a
 * parameter; $delay_warning_time_hours and its like are times in _seconds, _minutes, _hours,
 * _days or _weeks; $$ is a dollar. A name that nobody knows is an error. A template
 * without From, Subject ... takes the built-in ones.
 */
#ifndef QMGR_BOUNCE_TEMPLATE_H
#define QMGR_BOUNCE_TEMPLATE_H

#include "base/arena.h"
#include "config/main_cf.h"
#include "mail/dsn.h"

enum bounce_kind { BOUNCE_FAILURE, BOUNCE_DELAY, BOUNCE_SUCCESS, BOUNCE_VERIFY, BOUNCE_KINDS };

enum { BOUNCE_TEMPLATES_MAX = 1 << 20 };     /* bytes of a file */

struct bounce_templates {
	struct dsn_template of[BOUNCE_KINDS];           /* .text empty: not given */
};

/* Spans live in the arena. Pure but for the parameters that it expands; no main_cf: nothing is expanded. */
int bounce_templates_parse(struct span file, const struct main_cf *, struct arena *, struct bounce_templates *,
                           struct fault *);

/*
 * "bounce --templates [file]" and "--expanded-templates [file]", for postconf -t and -b: the words as a
 * template file (ours where it has none), or the texts as they would be sent. No file: bounce_template_file's.
 */
int bounce_templates_print(int argc, char **argv);

#endif
