/* SPDX-License-Identifier: ISC */
/*
 * filter_private.h - one message on its way through its recipient's scripts: shared by the files of the filter alone
 *
 *   filter.c           the order of things, and what a script may see of the world
 *   filter_scripts.c   which scripts there are
 *   filter_store.c     where the message goes
 *   filter_tell.c      what is to be sent, for the parent
 *   filter_program.c   programs that scripts run
 *   filter_mailbox.c   mailboxes by name, id, use and metadata
 *   filter_acl.c       what the recipient's own lists of rights let his mail do (RFC 4314)
 */
#ifndef LOCAL_FILTER_PRIVATE_H
#define LOCAL_FILTER_PRIVATE_H

#include "local/errand.h"
#include "local/filter_mailbox.h"
#include "local/memory.h"
#include "service/sieve_programs.h"
#include "sieve/settings.h"
#include "sieve/sieve.h"
#include "store/maildir.h"

enum { SCRIPTS_MAX = 64, REASON_MAX = 500, HEADERS_LOOKED_AT = 5000, REDIRECTED_MAX = 5 };

struct source { const char *name; struct span text; bool global; };

struct filter {
	struct worker           *worker;
	const struct errand     *e;
	struct maildir          *maildir;
	struct arena            *arena;
	struct sieve_user        user;
	struct sieve_place       place;
	const char              *global;          /* or NULL */
	struct source            sources[SCRIPTS_MAX];
	size_t                   n_sources;
	struct maildir_delivery *spool;
	struct span              message;         /* mapped */
	struct memory           *memory;          /* what was answered, and seen */
	struct text              done;            /* for the log */
	struct text              trouble;         /* for the user's log */
	const struct sieve_message *told_edited;  /* the last one */
	struct filter_mailboxes  mailboxes;
	struct sieve_programs    programs;        /* its message is the spool */
	struct text              global_acl;      /* the administrator's list of rights */
	int                      notices;
	bool                     is_global;       /* what is read now */
	bool                     acl_is_unknown;  /* it cannot be read */
};

void filter_warn(struct filter *, const char *text);          /* in the log */
/* What is wrong with a script: told to the user, and to the log. */
void filter_complain(struct filter *, const char *script, const char *what);
/* What lies where something is to be opened, or its rights, and no want of room: it will not be better at the next try. */
bool filter_is_lasting(const struct fault *);
/* Before the sandbox closes: 0, -1 not now. */
WAITS int filter_read_scripts(struct filter *, struct fault *);
/* To the Maildir, and to reading where included scripts lie. */
int  filter_confine(struct filter *, struct fault *);
int  filter_load_included(void *filter, bool global, struct span name, struct text *out, struct fault *);
/* The administrator's list, before the sandbox closes.  Where it cannot be read
 * INBOX alone takes mail, and the log says so: 0, -1 not now. */
WAITS int filter_read_acl(struct filter *, struct fault *);
/* acl = vfile. Mail comes in with its recipient's rights, whoever sent it: right "p" of a mailbox, "k" above a new one.
 * INBOX is never asked.  False and why. */
WAITS bool filter_may_post(struct filter *, const char *folder, struct fault *);
WAITS bool filter_may_create(struct filter *, const char *folder, struct fault *);
/* A mailbox that was just made begins with the list of the one above it. */
WAITS int  filter_begin_acl(struct filter *, const char *folder, struct fault *);
/* Folders, then INBOX: 0, -1 not now. */
WAITS int filter_store_all(struct filter *, struct sieve_result *, const char *script, bool *duplicate, struct fault *);
WAITS void filter_store_copy(struct filter *, const struct sieve_action *, struct span content);
/* True: a pipe failed that must not, and the message is to be kept. */
WAITS bool filter_pipe_all(struct filter *, const struct sieve_result *, const char *script);
WAITS int  filter_run_program(void *filter, const struct sieve_program *, struct text *output, struct fault *);
void filter_mark(struct filter *, const struct sieve_mark *);
WAITS void filter_tell_all(struct filter *, const struct sieve_host *, const struct sieve_result *, struct outcome *);
WAITS void filter_tell_trouble(struct filter *);

#endif
