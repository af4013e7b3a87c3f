/* SPDX-License-Identifier: ISC */
/*
 * login.h - a login program hands a session to a user's process
 * asks: imap-login pop3-login.  answers: imapd, pop3d (services "imap" and "pop3", type unix).
 *
 *   session  ticket=.. session=.. peer=.. local=.. tls=yes tag=.. input=<bytes read ahead> stream=<descriptor>
 *                                      | begun pid=..   |  refused reason=..
 *
 * The stream is one end of a socket pair; the login program pumps between it
 * and the client (TLS stays there).
 */
#ifndef IPC_LOGIN_H
#define IPC_LOGIN_H

#include "ipc/frame.h"

struct login_session {
	struct span ticket, session, peer, local, tag, input;
	bool        tls;
	int         stream;           /* owned by the receiver */
};
WAITS int login_hand_over(const char *service, const struct login_session *, int64_t *pid, struct fault *);
/* The server's side: 0; 1 closed; -1. Spans are borrowed from the frame. */
WAITS int login_receive(int sock, struct frame *, struct login_session *, struct fault *);
WAITS int login_begun(int sock, struct fault *);
WAITS int login_refuse(int sock, const char *reason, struct fault *);

#endif
