/* SPDX-License-Identifier: ISC */
/* imapsieve_private.h - a command's scripts on their way through its messages: imapsieve.c and imapsieve_act.c alone */
#ifndef IMAPD_IMAPSIEVE_PRIVATE_H
#define IMAPD_IMAPSIEVE_PRIVATE_H

#include "imapsieve.h"
#include "service/sieve_programs.h"

struct imapsieve {
	struct imap_session          *s;
	const struct imapsieve_event *event;
	struct arena                 *arena, *message_arena;
	struct sieve_user             owner;
	struct sieve_limits           limits;
	struct text                   email;
	struct span                   to, from;            /* mailboxes, in UTF-8 */
	struct sieve_script          *scripts[2 * IMAPSIEVE_RULES_MOST + 1];
	const char                   *paths[2 * IMAPSIEVE_RULES_MOST + 1];
	size_t                        count;
	struct folder                *folder;              /* where the messages are */
	bool                          is_selected;
	struct sieve_programs         programs;
	uint32_t                      uid;                 /* this message */
	struct span                   flags;               /* of it, before any script: "\Seen $a" */
	int64_t                       begun;               /* CPU time */
};

void imapsieve_complain(struct imapsieve *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* imapsieve_act.c: what a script's name of a mailbox means: owned; NULL and why. */
char *imapsieve_find(struct imapsieve *, struct span name, struct space **, struct fault *);
WAITS bool imapsieve_may_insert(struct imapsieve *, struct space *, const char *folder);
WAITS int  imapsieve_program(struct imapsieve *, const struct sieve_program *, struct text *output, struct fault *);
WAITS void imapsieve_act(struct imapsieve *, const struct sieve_result *);

#endif
