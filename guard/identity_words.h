/* SPDX-License-Identifier: ISC */
/*
 * identity_words.h - Dovecot's %-variables in a query for a user, and in what is made of its answer
 *
 *   %u %{user}    the name      %n %{username}   its part before the @     %d %{domain}   behind it, or nothing
 *   %s %{service} imap, smtp    %r %{rip}        the client's address      %l %{lip}      ours
 *   %Lu %Un ...   in lower or upper case         %%  a percent sign
 *   %$ %{ldap:x}  and other names that the caller knows (`others`)
 *
 * What is put in goes through `quote`; the rest is the administrator's.  The password is no variable: it would
 * stand in a server's log.  Pure.
 */
#ifndef GUARD_IDENTITY_WORDS_H
#define GUARD_IDENTITY_WORDS_H

#include "guard/remote_words.h"

/* Further variables: "$", or what stands in braces with a colon in it.  False: there is no such.  With out == NULL that
 * alone is asked. */
typedef bool identity_others(void *context, struct span name, struct text *out);

struct identity_words {
	struct span      user, service, remote, local;
	identity_others *others;          /* NULL: none */
	void            *context;
};

int identity_words_check(const char *words, identity_others *, void *context, struct fault *);
int identity_words_expand(const char *words, const struct identity_words *, remote_quote *, void *context, struct text *out, struct fault *);

#endif
