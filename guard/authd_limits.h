/* SPDX-License-Identifier: ISC */
/*
 * authd_limits.h - limits that administrators gave users by SETQUOTA (RFC 9208), kept in the file of quota_set
 *
 * A line a change, the last of a user holds; "-": none of ours any more, what the configuration says:
 *
 *   anna@example.com *:bytes=1048576:messages=100
 *   anna@example.com -
 *
 * The file is opened before the sandbox closes and only ever grows: what was answered is in it and on stable storage, and what
 * a crash has cut is a line without its end, which is not believed and is cut off by the next change.  Lines that do not hold
 * any more are thrown away at a start, when they are most of a large file.
 *
 * Several processes may have it open (the one before a reload ends slowly): each reads what others have added, and changes it,
 * under its lock; one whose file was replaced meanwhile refuses.  A monitor, in which whoever reads or writes has his turn.
 */
#ifndef GUARD_AUTHD_LIMITS_H
#define GUARD_AUTHD_LIMITS_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum { LIMITS_FILE_MOST = 64 << 20, LIMITS_TIDY_FROM = 1 << 20 };

/* "file:/PATH", or "": none are kept.  Before the sandbox.  Only root's own file in a directory that nobody else can write to is
 * opened.  only_looks: says what is wrong and changes nothing, for a process that ends then; another one may be using it. */
int  limits_prepare(const char *spec, bool only_looks, struct fault *);
bool limits_are_kept(void);
/* Sets *rule: 1; 0 the user has none; -1 it cannot be told. */
WAITS int limits_find(const char *user, struct text *rule, struct fault *);
/* Durable when it returns 0; `rule` empty: the configuration holds again. */
WAITS int limits_set(const char *user, struct span rule, struct fault *);
void limits_close(void);                    /* for tests */

#endif
