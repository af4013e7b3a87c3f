/* SPDX-License-Identifier: ISC */
/*
 * milter.h - a session with mail filters (MILTER_README; protocol versions 2 to 6)
 *
 * Whoever receives mail makes a struct milters for each session and tells it what
 * happens, in SMTP's order; each milter of the list is asked in turn until one
 * objects:
 *
 *   milters_connect -> milters_helo -> [ milters_mail -> milters_rcpt* -> milters_data ->
 *   milters_message | milters_abort ]* -> milters_close
 *
 * Every call WAITS for the milters, within their time-outs, and answers
 *
 *   MILTER_PASS     go on
 *   MILTER_REPLY    milters_reply() is the whole SMTP reply, 4xx, 5xx or 421 (then hang up); lines
 *                   but the last end in CRLF
 *   MILTER_DISCARD  take the message, and throw it away
 *   MILTER_HOLD     go on, and put the message on hold
 *
 * A milter that is not there, dies, is silent for too long or talks nonsense is
 * logged once, and from then on does what its milter_default_action says, to the end of the
 * session: no mail passes it by.  What it wanted changed so far is forgotten.
 *
 * Milters see the message as prepare (ipc/submit.h) gives it; content.h has how
 * their changes meet each other. Connections come from dialer.
 */
#ifndef MILTER_MILTER_H
#define MILTER_MILTER_H

#include "ipc/submit.h"
#include "milter/settings.h"

enum milter_verdict { MILTER_PASS, MILTER_REPLY, MILTER_DISCARD, MILTER_HOLD };

/* The value of a macro, "j" or "{client_addr}": false when there is none (now). */
typedef bool milter_macro(void *context, const char *name, struct text *value);

struct milters;

/* NULL when there is no list, or an empty one; all else takes NULL and passes. specs are borrowed. */
struct milters *milters_open(const struct milter_specs *specs, milter_macro *macro, void *context, bool soft_bounce);
WAITS void milters_close(struct milters *);            /* says good-bye; NULL is fine */

/* address: "192.0.2.1", "2001:db8::1"; anything else is of an unknown family */
WAITS enum milter_verdict milters_connect(struct milters *, struct span name, struct span address, unsigned port);
WAITS enum milter_verdict milters_helo(struct milters *, struct span name);
/* "<address>" and its ESMTP parameters */
WAITS enum milter_verdict milters_mail(struct milters *, const struct span *arguments, size_t count);
/* `rejected`: we have refused it already; only milters that asked for such are told, and all answers are lost. */
WAITS enum milter_verdict milters_rcpt(struct milters *, const struct span *arguments, size_t count, bool rejected);
WAITS enum milter_verdict milters_data(struct milters *);
WAITS enum milter_verdict milters_unknown(struct milters *, struct span command);

/*
 * The prepared submission, and its descriptor.  Edits are added for submit_commit, a hold that was asked
 * for among them.  -1 (as MILTER_REPLY would) never comes: troubles of our own are MILTER_REPLY, 451 or 552.
 */
WAITS enum milter_verdict milters_message(struct milters *, const struct submission *, int fd, int64_t size_limit, struct text *edits);
WAITS void milters_abort(struct milters *);            /* what became of MAIL came to nothing */

/* True when somebody wants to see the next message: without one, prepare may commit. */
bool milters_look(const struct milters *);
bool milters_want_rejected(const struct milters *);
const char *milters_reply(const struct milters *);     /* after MILTER_REPLY */

/*
 * Mail that did not come by SMTP (non_smtpd_milters): the session is played.  0 with the edits; 1 it is
 * to be thrown away; -1: FAULT_DENIED refused for good, else not now; status ("5.7.1") says how.
 * Logs what milters decide.
 */
struct milter_mail {
	const struct submission      *submission;      /* prepared */
	int                           fd;
	const struct submit_envelope *envelope;
	const struct submit_rcpt     *rcpts;
	size_t                        n_rcpts;
	int64_t                       size_limit;
	const char                   *myhostname;
	bool                          soft_bounce;
};
WAITS int milters_judge(const struct milter_specs *, const struct milter_mail *, struct text *edits, char status[16], struct fault *);

#endif
