/* SPDX-License-Identifier: ISC */
/*
 * footer.h - what is added to, and put in place of, replies that say no
 *
 * smtpd_reject_filter_maps replaces a whole reply; smtpd_reject_footer_maps or
 * smtpd_reject_footer add lines to it: "\n" begins one, "\c" at the start goes on
 * in the last line, $name is expanded (postconf(5)).  The code and the status of
 * the last line stand before each line that is added.
 */
#ifndef SMTPD_FOOTER_H
#define SMTPD_FOOTER_H

#include "base/task.h"
#include "base/text.h"

struct session;

/* True when *out is what to say instead of `reply`; lines end with CRLF but the last. */
WAITS bool footer_dress(struct session *, struct span reply, struct text *out);

/* smtpd_expansion_filter's escapes undone: once, at start. */
void footer_prepare(void);

#endif
