/* SPDX-License-Identifier: ISC */
/*
 * child.h - a command as a child: what it has when it begins, how its end is waited for, how it is ended
 *
 * For those that run what a user or an administrator named, one at a time, and feed or hear it meanwhile (local, pipe, spawn,
 * programs.h).  Who it is, its arguments and its environment are theirs to say, before and behind this.
 */
#ifndef SERVICE_CHILD_H
#define SERVICE_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/task.h"

/* In the child: these are its descriptors 0, 1 and 2, and it has no others; no signal is blocked, ignored or caught; its files are
 * its user's alone; it has a process group of its own.  Its directory is that, or / where it cannot go there; NULL: as it was.
 * False: then it must not run. */
bool child_begin(int input, int output, int errors, const char *directory);

/* From here on the end of a child interrupts ppoll() with this mask, and nothing else. */
void child_watch(sigset_t *while_waiting);

/* By force, with what it started; *status is waitpid's. */
WAITS void child_end(pid_t, int *status);

#endif
