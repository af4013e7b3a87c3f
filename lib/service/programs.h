/* SPDX-License-Identifier: ISC */
/*
 * programs.h - programs of the administrator's directories, run as a user, for a process that may not exec
 *
 * What parses scripts and messages is confined and runs nothing.  So a service that is root forks, before its own sandbox
 * closes, a *keeper*: it stays root, reads nothing but what its service's processes say while they are root themselves, and
 * keeps for each user process one end of a socket pair, with the identity that goes with it.  Only when something comes there
 * it forks a *runner*, which becomes that user for good and runs programs, one after the other.  So nobody's process runs
 * another's programs, and an idle session costs a descriptor.
 *
 *   to the keeper   user   uid= gid= name= group=.. user= home= socket=<descriptor>
 *   to the runner   text   bytes=..                         any number, before run
 *                   run    kind= name= arg=.. env=.. output=yes|no [message=<descriptor>; else the text]
 *                          | output bytes=..  ...  | done status= said=..  | failed reason=..
 *
 * A program gets of us: standard input (the message, or the text; line ends as the setting says), output (which is kept, or
 * goes nowhere), standard error (its beginning goes to the log), an environment of few names, the user's home as its directory,
 * and so much time.  It is a regular file in the directory of its kind that not everybody may write.
 *
 * USER, HOME and the directory are what root said when it opened the socket.  Whoever asks for the program may say HOST, SENDER,
 * RECIPIENT and ORIG_RECIPIENT, each once, and no other name: one who was taken over would make any program his own by
 * LD_PRELOAD, BASH_ENV or PATH, outside of his sandbox.  He may still ask for any program of any kind with arguments of his own,
 * also for those that only the administrator's scripts can name: a program must not believe what it is told.
 *
 *   programs_prepare   before the sandbox: forks the keeper, unless no directory is set
 *   programs_open      while still root: the socket for one user's process, and who he is
 *   programs_leave     user_become does it: a process that is a user must not be able to name another
 *   programs_run       as that user, confined
 */
#ifndef SERVICE_PROGRAMS_H
#define SERVICE_PROGRAMS_H

#include "base/task.h"
#include "base/text.h"
#include "service/privilege.h"

enum { PROGRAM_KINDS_MOST = 4, PROGRAM_TEXT_MOST = 1 << 20, PROGRAM_OUTPUT_MOST = 64 << 20, PROGRAM_SAID_MOST = 500 };

struct program_kind {
	const char *directory;         /* absolute; "": there are no programs of this kind */
	int64_t     limit_ms;
	bool        lf;                /* its input has lines that end in LF; else in CRLF */
};

struct program_run {
	size_t             kind;       /* index of what was given to programs_prepare */
	struct span        name;
	const struct span *args, *environment;     /* "NAME=value", of the names above */
	size_t             n_args, n_environment;
	int                message;    /* a file, read from its beginning; -1: none */
	struct span        text;       /* else this is the input */
};

/* `kinds` must last.  FAULT_INPUT: a directory is none. */
int  programs_prepare(const struct program_kind *kinds, size_t count, struct fault *);
bool programs_are_there(void);
/* `user` and `home` ("": none) are USER and HOME.  -1: there is no keeper, or it cannot be told (which is logged). */
int  programs_open(const struct identity *, const char *user, const char *home);
void programs_leave(void);
/* 0 it exited with 0; 1 with another status or by a signal; -1 it could not be run, or took too long.  *output (NULL: not wanted) grows;
 * *said (may be NULL) is what it wrote to standard error.  Where no answer came in time, or none that makes sense, the socket is shut
 * for good, and nothing is run by it any more. */
WAITS int programs_run(int sock, const struct program_run *, struct text *output, struct text *said, struct fault *);

#endif
