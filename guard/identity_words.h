/* SPDX-License-Identifier: ISC */
/*
 * identity_words.h - Dovecot's %-variables in a query for a user
 *
 *   %u %{user}    the name      %n %{username}   its part before the @     %d %{domain}   behind it, or nothing
 *   %s %{service} imap, smtp    %r %{rip}        the client's address      %l %{lip}      ours
 *   %Lu %Un ...   in lower or upper case         %%  a percent sign
 *
 * What is put in goes through `quote`; the rest is the administrator's.  The password is no variable: it would
 * stand in a server's log.  Pure.
 */
#ifndef GUARD_IDENTITY_WORDS_H
#define GUARD_IDENTITY_WORDS_H

#include "guard/remote_words.h"

struct identity_words {
	struct span user, service, remote, local;
};

int identity_words_check(const char *words, struct fault *);
int identity_words_expand(const char *words, const struct identity_words *, remote_quote *, void *context, struct text *out, struct fault *);

#endif
