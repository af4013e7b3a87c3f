/* SPDX-License-Identifier: ISC */
/*
 * rules.h - restrictions: may this client do that?
 *
 * A list is compiled once, at start: an unknown name, a missing argument or a
 * table that cannot be opened is a fault there, never ignored.  A rule answers
 *
 *   DUNNO    the next one decides
 *   PERMIT   this list is content; lists behind it still have their say
 *   REJECT   no: session.refusal is the whole reply, and it is logged
 *
 * Rules are named and mean what postconf(5) says.  reply texts: compat (vi) 5.
 */
#ifndef SMTPD_RULES_H
#define SMTPD_RULES_H

#include "base/task.h"
#include "config/faults.h"
#include "config/list.h"

struct session;
struct rule_list;

enum verdict { DUNNO, PERMIT, REJECT };
enum about { ABOUT_CLIENT, ABOUT_HELO, ABOUT_SENDER, ABOUT_RECIPIENT, ABOUT_DATA, ABOUT_END_OF_DATA, ABOUT_ETRN, ABOUTS };

void rules_classes(const struct list *names, struct faults *);     /* smtpd_restriction_classes: first */
struct rule_list *rules_compile(const char *parameter, const struct list *, enum about, struct faults *);
/* A list with a rule in it that stops relaying for strangers. */
bool rules_guard_relaying(const struct rule_list *);

WAITS enum verdict rules_at_connect(struct session *);
WAITS enum verdict rules_at_helo(struct session *);
WAITS enum verdict rules_at_mail(struct session *);
WAITS enum verdict rules_at_rcpt(struct session *);                /* session.t.recipient; all delayed ones too */
WAITS enum verdict rules_at_data(struct session *);
WAITS enum verdict rules_at_end_of_data(struct session *);
WAITS enum verdict rules_at_etrn(struct session *);
WAITS bool rules_is_local_client(struct session *);                /* local_header_rewrite_clients */

#endif
