/* SPDX-License-Identifier: ISC */
/*
 * outgoing.h - what a recipient's filter wants sent goes into the queue: redirects and answers
 *
 * All redirects of a delivery are one new message with the same sender, so that they are queued all
 * together or not at all; but where a script has edited the message in between each version is one, and none is
 * committed before all are prepared.  It gets Received:, Delivered-To: (by which one that comes back is known)
 * and X-Sieve headers.  An answer goes to the message's sender and to nobody else, whatever the child
 * said; its own sender is null, so that it is never answered itself.  So is that of a notice, which goes where the
 * script says.
 */
#ifndef LOCAL_OUTGOING_H
#define LOCAL_OUTGOING_H

#include "local/errand.h"

/* `user`: whose filter it was.  *o is replaced when something could not be queued: deferred or bounced. `sender`: of redirects. */
WAITS void outgoing_send(struct delivery *, const struct message_content *, const struct deliver_rcpt *, const char *user, struct span sender,
	const struct errand_result *, struct outcome *o);

#endif
