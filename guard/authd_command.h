/* SPDX-License-Identifier: ISC */
/*
 * authd_command.h - checkpassword:PATH of auth_passdb and auth_userdb: a command of the administrator's says who somebody is
 *
 * https://cr.yp.to/checkpwd/interface.html, as Dovecot has it: "user NUL password NUL NUL" on descriptor 3, and as last argument the
 * program that it shall run when all is well (checkpassword-reply), which writes what USER, HOME, EXTRA and the variables that
 * EXTRA names say to descriptor 4: "name=value" joined by TAB.  In the environment stand PROTO, SERVICE, TCPREMOTEIP, TCPLOCALIP
 * and ORIG_UID; AUTHORIZED=1 when nobody logs in and no password is told (a userdb, a master user): a command that knows the user
 * sets AUTHORIZED=2, and one that does not know of this is not believed.
 *
 * Exit codes: 0; 1 and those of vpopmail (3 12 13 15 20 21 22 23) no; anything else, and 111, is trouble.
 *
 * It runs in a prepared helper (authd_helper.h) as authd was started (root), in a session of its own, for at most auth_checkpassword_timeout.
 */
#ifndef GUARD_AUTHD_COMMAND_H
#define GUARD_AUTHD_COMMAND_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum { COMMAND_REPLY_MAX = 8192, COMMAND_WORDS_MAX = 32 };

/* "/path" or "{/path word ..}": at start. */
int command_parse(struct span, struct arena *, char *words[COMMAND_WORDS_MAX + 2], struct fault *);

struct command_question {
	struct span user, password, service, peer, local;
	bool        login;               /* else AUTHORIZED=1 */
	int64_t     ms;                  /* how long it may take */
};
/* In a helper: the exit status, or -1 and why. */
WAITS int command_run(char *const words[], const char *reply_path, const struct command_question *, struct text *reply, struct fault *);

/* 1 yes, 0 no, -1 trouble. Pure. */
int command_verdict(int status, struct span reply, struct fault *);

/* The next field of a reply, unescaped into the arena; false at the end. What is no field is passed over. Pure. */
bool command_field(struct arena *, struct span *rest, struct span *name, struct span *value);

#endif
