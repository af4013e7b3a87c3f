/* SPDX-License-Identifier: ISC */
/*
 * login.h - a login program hands a session to a user's process, and takes it back while the client idles
 * asks: imap-login pop3-login.  answers: imapd, pop3d (services "imap" and "pop3", type unix).
 *
 *   session  ticket=.. session=.. peer=.. local=.. tls=yes tag=.. input=<bytes read ahead> stream=<descriptor>
 *            [utf8=yes] [capabilities=<lines of CAPA>] [user=.. token=.. proof=.. state=..]
 *                                      | begun pid=..   |  refused reason=..
 *
 * The stream is one end of a socket pair; the login program moves bytes between it
 * and the client (TLS stays there).  The connection itself stays open for as long as the
 * session lives in that process, and then the process asks:
 *
 *   sleep    user=.. token=.. proof=.. state=.. notice=.. bye=.. stats=.. interval=<ms> [watch=<descriptor>]
 *                                      | slept          |  awake
 *   gone                                  after "slept": no byte had come; the process ends
 *   stay                                  after "slept": a byte had come; nothing has happened
 *   leave                              | left
 *   back     input=<bytes>                after "left": the process ends, and the client is nobody again (RFC 8437)
 *
 * After "left" the process is given no further byte either: what it finds in its stream is `input`, which the client
 * said to whoever hears it next: the login program, as before the login.
 *
 * Between "slept" and "gone" or "stay" the login program gives the process no further byte, so
 * what the process finds in its stream after "slept" is all there is.  From "gone" on the login program
 * holds the state; it hands it to a new process (a session with token, proof and
 * state, its ticket empty) when the client sends a byte or `watch` (inotify; may be absent) becomes readable.  While the
 * client sleeps it is sent `notice` each interval, and `bye` when it must go: bytes
 * as they go on the wire.
 *
 * Who keeps what proof: the token names user and time and is made by authd at the redeeming of the ticket, with a key that
 * only authd and that process know; proof is an HMAC by that key over the state.  The login program
 * can present the state as it was given to it, once, for that user: what it could do with the live stream.  It
 * cannot change it nor make one (guard/authd_wake.h).
 */
#ifndef IPC_LOGIN_H
#define IPC_LOGIN_H

#include "ipc/frame.h"

enum { LOGIN_STATE_MAX = 49152, LOGIN_NOTICE_MAX = 512, LOGIN_BACK_MAX = 32768 };

struct login_session {
	struct span ticket, session, peer, local, tag, input;
	struct span user, token, proof, state;    /* of one that slept; else empty */
	bool        tls;
	bool        utf8;             /* what POP3 said before login (RFC 6856); in IMAP ENABLE comes after it */
	struct span capabilities;     /* of POP3 before login, which must be told after it, too (RFC 2449, 5); or empty */
	int         stream;           /* owned by the receiver */
};
/* *control is the open connection, owned. */
WAITS int login_hand_over(const char *service, const struct login_session *, int64_t *pid, int *control, struct fault *);
/* The server's side: 0; 1 closed; -1. Spans are borrowed from the frame. */
WAITS int login_receive(int sock, struct frame *, struct login_session *, struct fault *);
WAITS int login_begun(int sock, struct fault *);
WAITS int login_refuse(int sock, const char *reason, struct fault *);

struct login_sleep {
	struct span user, token, proof, state, notice, bye, stats;
	int64_t     interval;
	int         watch;            /* -1: none; owned by the receiver */
};
/* The process's side: 0 "slept", 1 "awake": nothing has happened. */
WAITS int login_sleep_ask(int control, const struct login_sleep *, struct fault *);
WAITS int login_sleep_end(int control, bool gone, struct fault *);

WAITS int login_leave_ask(int control, struct fault *);           /* 0: "left" */
WAITS int login_back(int control, struct span input, struct fault *);

/* The login program's side, which never waits: the next frame, if there is one. */
enum login_said { LOGIN_SAID_NOTHING, LOGIN_SAID_SLEEP, LOGIN_SAID_GONE, LOGIN_SAID_STAY, LOGIN_SAID_LEAVE, LOGIN_SAID_BACK, LOGIN_SAID_END };
/* Spans are borrowed from the frame; *input is of LOGIN_SAID_BACK. */
enum login_said login_hear(int control, struct frame *, struct login_sleep *, struct span *input);
void login_sleep_answer(int control, bool slept);
void login_leave_answer(int control);

#endif
