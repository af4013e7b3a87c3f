/* SPDX-License-Identifier: ISC */
/*
 * ask_verify.h - "does this address exist?", and what was learned before
 * asks: smtpd postscreen qmgr.  answers: verify (guard/verify.c).
 *
 *   query     address=user@example.com      | state=ok|defer|bounce|unknown text=..     (smtpd)
 *   update    address=.. state=ok|defer|bounce text=..   | noted                        (qmgr: what a probe met)
 *   recall    client=192.0.2.1              | found value=..  |  missing                (postscreen)
 *   remember  client=192.0.2.1 value=..     | noted                                     (postscreen)
 *
 * "unknown": a probe is on its way; ask again in a moment.  A probe is a message with origin "verify".
 */
#ifndef IPC_ASK_VERIFY_H
#define IPC_ASK_VERIFY_H

#include "ipc/frame.h"

enum verify_state { VERIFY_OK, VERIFY_DEFER, VERIFY_BOUNCE, VERIFY_UNKNOWN };

const char *verify_state_name(enum verify_state);
bool        verify_state_find(struct span, enum verify_state *);

#define VERIFY_ORIGIN "verify"           /* of submit_origin and queue_envelope: a probe */

WAITS int ask_verify(struct span address, enum verify_state *, struct text *text, struct fault *);
WAITS int ask_verify_update(struct span address, enum verify_state, struct span text, struct fault *);
/* Sets *value: 0 found, 1 not, -1 */
WAITS int ask_recall(struct span client, struct text *value, struct fault *);
WAITS int ask_remember(struct span client, struct span value, struct fault *);

/* The server's end: serves one connection. */
struct verify_server {
	void *context;
	WAITS int (*query)(void *, struct span address, enum verify_state *, struct text *text, struct fault *);
	WAITS int (*update)(void *, struct span address, enum verify_state, struct span text, struct fault *);
	WAITS int (*recall)(void *, struct span client, struct text *value, struct fault *);
	WAITS int (*remember)(void *, struct span client, struct span value, struct fault *);
};
WAITS void verify_serve(int sock, const struct verify_server *);

#endif
