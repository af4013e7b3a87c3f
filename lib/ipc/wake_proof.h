/* SPDX-License-Identifier: ISC */
/*
 * wake_proof.h - the seal on the state of a session that sleeps (who keeps what: ipc/login.h, guard/authd_wake.h)
 *
 * Text in hexadecimal, with their NUL. HMAC-SHA256 (RFC 2104) and SHA-256.
 */
#ifndef IPC_WAKE_PROOF_H
#define IPC_WAKE_PROOF_H

#include "base/span.h"

enum { WAKE_HEX = 65 };

void wake_digest(struct span state, char out[WAKE_HEX]);
void wake_hmac(struct span key, struct span message, char out[WAKE_HEX]);
/* What goes with a state: the HMAC, by the session's key, of the state's digest. */
void wake_proof(struct span key, struct span state, char out[WAKE_HEX]);
bool wake_same(struct span, struct span);          /* in constant time */

#endif
