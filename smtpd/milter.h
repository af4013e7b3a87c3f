/* SPDX-License-Identifier: ISC */
/*
 * milter.h - mail filters of a session: smtpd_milters
 *
 * Each function says to the milters what has happened, and answers true when that was refused: the reply is
 * in session.refusal, and it is logged ("milter-reject").  A hold or a discard is noted in
 * the transaction.  Without milters all of it is nothing.
 */
#ifndef SMTPD_MILTER_H
#define SMTPD_MILTER_H

#include "config/faults.h"
#include "session.h"

void milter_settings_prepare(struct faults *);                 /* smtpd_milters and smtpd_milter_maps, at start */

WAITS bool milter_at_connect(struct session *);                /* chooses the milters of this client */
WAITS bool milter_at_hello(struct session *);
WAITS bool milter_at_mail(struct session *, struct span argument);
WAITS bool milter_at_rcpt(struct session *, const struct smtp_rcpt *, struct span argument, bool rejected);
WAITS bool milter_at_data(struct session *);
WAITS bool milter_at_unknown(struct session *, struct span verb);
bool milter_will_look(const struct session *);                 /* at the message: prepare must not commit */
WAITS bool milter_at_end(struct session *, struct text *edits);   /* after prepare */
WAITS void milter_reset(struct session *);                     /* the transaction came to nothing, or to its end */
WAITS void milter_end(struct session *);

#endif
