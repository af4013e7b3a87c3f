/* SPDX-License-Identifier: ISC */
/*
 * authd_helper.h - processes that were prepared before authd's sandbox closed
 *
 * Pools. *Crypt helpers* spend the CPU that a password hash costs, as
 * auth_owner and in a sandbox without anything. *System helpers* keep what
 * authd was started as (root): they ask PAM (in a child a request, which is
 * thrown away), look into the system's users, and open a passwd-file again that
 * was named at start. A request takes a helper for itself; while all are busy
 * up to HELPER_QUEUE requests wait, and the next is FAULT_TIME.
 *
 *   check  stored=.. password=..                    | verdict yes|no|error reason=..
 *   token  index=0 token=..                          | verdict yes reason=<whose> | no reason=..      (a crypt helper's)
 *   pam    service=.. user=.. password=.. peer=..   | verdict ...
 *   command index=0 user=.. password=.. service=.. peer=.. local=.. login=yes     | ended status=.. reply=..  |  verdict error reason=..
 *                                                      (of a pool of its own: a command that takes its time keeps nobody else)
 *   passwd user=..                                  | user uid=.. gid=.. home=..  |  none
 *   open   index=0                                  | file file=<descriptor>  |  none
 */
#ifndef GUARD_AUTHD_HELPER_H
#define GUARD_AUTHD_HELPER_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct oauth;
int helpers_start(const char *const *files, size_t n_files, struct oauth *const *tokens, size_t n_tokens, bool system_needed, bool commands_needed, struct fault *);   /* forks: before any task */

WAITS int helper_check(struct span stored, struct span password, struct fault *);     /* 1 0 -1 */
WAITS int helper_token(size_t index, struct span token, struct text *user, struct fault *);   /* 1 0 -1 */
struct command_question;
WAITS int helper_command(size_t index, const struct command_question *, struct text *reply, struct fault *);      /* 1 0 -1 */
WAITS int helper_pam(const char *service, const char *user, const char *password, struct span peer, struct fault *);
WAITS int helper_passwd(const char *user, uid_t *uid, gid_t *gid, struct text *home, struct fault *);   /* 0; 1 none; -1 */
WAITS int helper_open(size_t index, int *fd, struct fault *);

#endif
