/* SPDX-License-Identifier: ISC */
/*
 * peer.h - asking another of our programs, over connections that are kept
 *
 * A service is named as in master.cf ("rewrite"); its socket lies in the
 * directory that peer_directory() was given once at start: the root of the
 * role in a chroot, else the full path.  Idle connections are kept in one
 * pool of the process (a monitor).
 *
 * peer_call is for requests that may be repeated: one frame out, one in.  When
 * a kept connection turns out dead it tries once more on a new one, and while
 * the service is away (no socket, or refused) it tries again until the
 * deadline, since master restarts what was killed.  A conversation of several
 * frames takes a connection with peer_take, and gives it back with peer_give
 * when it stands at the conversation's start again, or closes it.
 *
 *   FAULT_TIME    no answer before the deadline
 *   FAULT_PEER    hung up in the middle
 *   FAULT_DENIED  the answer was "refused": its reason is in the fault
 */
#ifndef IPC_PEER_H
#define IPC_PEER_H

#include <sys/types.h>

#include "ipc/frame.h"

void peer_directory(const char *path);
WAITS int peer_call(const char *service, struct frame *request_then_answer, int64_t deadline, struct fault *);
WAITS int peer_take(const char *service, int64_t deadline, int *sock, struct fault *);   /* owned */
void peer_give(const char *service, int sock);         /* given */
char *peer_path(const char *service);                  /* owned: of its socket */
/* SOCK_SEQPACKET by path. A deadline that is over: one try that does not wait. */
WAITS int peer_connect(const char *path, int64_t deadline, int *sock, struct fault *);

/* Uid of the process at the other end of a Unix socket: SO_PEERCRED or getpeereid. */
int peer_uid(int sock, uid_t *uid, struct fault *);
/* Its process, where the system tells: false where it does not. */
bool peer_pid(int sock, pid_t *pid);

/*
 * The server's side: reads frames and calls the handler that the table names,
 * in the states in which it is allowed; anything else is logged and closes.
 * A handler fills `answer` (frame_start) and returns the next state; -1 hangs
 * up; an answer left unstarted (verb not set) sends nothing.  States from PEER_RESTS on are as 0 in one thing: nobody waits
 * there for what comes next.
 */
enum { PEER_RESTS = 1000 };
struct peer_verb {
	const char *verb;
	int         from, until;                   /* states in which it may be asked */
	int (*handle)(void *conversation, struct frame *request, struct frame *answer, struct fault *);
};
/* When this descriptor is readable peer_serve hangs up between conversations
 * (in state 0, and where one rests), so that a process that wants to leave can; -1: never. */
void peer_stop_fd(int fd);
WAITS void peer_serve(int sock, const struct peer_verb *verbs, void *conversation);

/* An answer that says no: verb "refused", field "reason". */
void peer_refuse(struct frame *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
