/* SPDX-License-Identifier: ISC */
/*
 * mailbox.h - a session comes from its login program and becomes the mailbox's owner
 *
 * For imapd and pop3d, in a process that was forked for this session: the
 * ticket is redeemed at authd, which alone says who that is; then the process
 * becomes that user for good and is confined to the mailbox, and to those of others that are shared with him and were
 * settled by then. Root opens nothing.
 */
#ifndef SERVICE_MAILBOX_H
#define SERVICE_MAILBOX_H

#include "config/list.h"
#include "ipc/ask_auth.h"
#include "net/conn.h"

struct mailbox_session {
	struct auth_user user;          /* .mail: "maildir:/home/a/Maildir" */
	char             session[64], tag[160], peer[64];
	struct conn     *conn;          /* to the client, through the login program; owned */
	bool             utf8;          /* the client said so before login (ipc/login.h) */
	struct text      capabilities;  /* the same; owned */
	int              control;       /* the talk with it, for sleep (ipc/login.h); owned */
	int              limits;        /* of an administrator: the talk with authd by which he sets limits; else -1; owned */
	int              programs;      /* by which the user's programs are run (programs.h), or -1; owned */
	struct text      state;         /* of a session that slept and goes on; owned; empty: a new one */
};

/* mail_access_groups: names or numbers, looked up in prepare(); sessions that begin after it are in these, too, so that they
 * reach mailboxes that are shared by the file system's groups. */
int mailbox_access_groups(const struct list *, struct fault *);

/* How the owner, who this process is by now, is confined. authd may be asked who others are (ask_auth_owner) until that
 * returns; no byte of the client was read yet. */
typedef int mailbox_confine(void *context, const struct auth_user *, int authd, struct fault *);
WAITS int mailbox_receive_confined(int sock, mailbox_confine *, void *context, struct mailbox_session *, struct fault *);

/* To his mailbox. 0; -1: refused (the login program was told and it is logged). Closes sock. */
WAITS int mailbox_receive(int sock, struct mailbox_session *, struct fault *);

#endif
