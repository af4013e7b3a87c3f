/* SPDX-License-Identifier: ISC */
/*
 * account.h - what a recipient may keep and how it is filtered: the settings, and authd's word on what is his own
 *
 * For local and virtual, which know by themselves where a mailbox is and whose. authd is asked where the site has users
 * (auth_userdb), or a quota: for quota_rule= and sieve= and their like.
 */
#ifndef LOCAL_ACCOUNT_H
#define LOCAL_ACCOUNT_H

#include "config/list.h"
#include "config/param.h"
#include "ipc/ask_auth.h"
#include "local/errand.h"

extern struct list account_userdb;
#define ACCOUNT_ROWS LIST("auth_userdb", &account_userdb, "", "where users are: their own quota_rule= and sieve= are obeyed")

struct account { struct auth_user who; struct quota *quota; };   /* owned: account_free */

/* -1: an outcome says why not now. */
WAITS int account_find(struct span user, struct account *out, struct outcome *);
/* Of an errand to a Maildir, whose home is set: as long as the account is. */
void account_apply(const struct account *, struct errand *);
void account_free(struct account *);

#endif
