/* SPDX-License-Identifier: ISC */
/*
 * errand.h - one delivery, by a worker that has become the recipient
 *
 * An errand is, in this order, in one child process:
 *
 *   1. the header is looked through for Delivered-To: loop_address (a loop
 *      ends the errand: bounced, 5.4.6)
 *   2. the list files (.forward, or an :include: file) are looked for; the first
 *      that is there and is sound ends the errand, its members are the result
 *   3. the delivery by `kind`
 *
 * All of it with the rights of `who`, which is why .forward, the mailbox and a
 * command share one child.  Nothing of the user's is opened by root.
 */
#ifndef LOCAL_ERRAND_H
#define LOCAL_ERRAND_H

#include "local/members.h"
#include "local/outcome.h"
#include "local/worker.h"

enum errand_kind { ERRAND_LOOK, ERRAND_MAILDIR, ERRAND_MBOX, ERRAND_COMMAND };
enum lock_style { LOCK_FCNTL = 1, LOCK_FLOCK = 2, LOCK_DOT = 4 };

struct mbox_locking {
	unsigned style;              /* enum lock_style bits */
	int      attempts;
	int64_t  delay_ms, stale_ms;
};

struct errand {
	struct identity               who;
	const struct message_content *content;

	struct span        loop_address;         /* empty: not looked for */
	const char *const *lists;                /* absolute paths, NULL ended; NULL: none */
	bool               list_is_include;      /* it must be there */

	enum errand_kind   kind;
	const char        *user;                 /* for texts: whose */
	const char        *directory;            /* MAILDIR: its root; MBOX: where it lies */
	const char        *file;                 /* MBOX: its name in there */
	const char        *shown;                /* path or command in texts */
	const char        *done;                 /* text of success: "delivered to maildir" */
	struct span        from_line;            /* "From sender  date" and LF, or empty */
	struct span        prefix;               /* header lines, LF */
	int64_t            size_limit;           /* of the file; 0: none */
	/* MAILDIR */
	struct span        queue_id, recipient;
	struct span        same_message;         /* names it at every try; empty: queue_id does */
	int64_t            arrived;
	bool               first_try;            /* spares a look through cur/ */
	const struct quota *quota;               /* NULL: none */
	/* MAILDIR, through Sieve (filter.c): when `filtered` */
	bool               filtered;
	struct span        sender, original, auth;
	const char        *home;                 /* where scripts are looked for */
	const char        *own;                  /* the user's own parameters (sieve_settings_own), or NULL */
	const char        *groups;               /* acl_groups, or NULL */
	/* MAILDIR, filtered or not: user+detail, what is kept goes into the mailbox `detail` if it can; empty: into INBOX */
	struct span        detail;
	/* MBOX */
	struct mbox_locking locking;
	bool               must_own;             /* strict_mailbox_ownership */
	bool               dotlock_may_fail;     /* deliveries to /file/name */
	/* COMMAND */
	const char *const *argv, *const *environment;   /* NULL ended */
	const char        *work_directory, *root;        /* root: of chroot=, or NULL */
	int64_t            limit_ms;
	bool               quote_from, dots, blank_end;   /* pipe(8): > . B */
	struct span        eol;                  /* instead of LF, or empty */
};

/* What a filter wants sent (local/outgoing.h); of a child: believed in its form and number only. */
struct outgoing {
	bool        answer;                      /* to the sender, by nobody; else a redirect */
	bool        notice;                      /* an answer to others: by nobody, to `to` */
	struct span *to;
	size_t      n_to;
	struct span address;                     /* of a redirect */
	struct span content;                     /* of an answer: header and body, CRLF */
	size_t      edited;                      /* of a redirect: n, by the nth header in `edited`; 0 as the message came */
};
/* The header of a message that a filter has edited, instead of the message's first lines. */
struct edited { struct text header; int64_t lines; bool open; };
enum { OUTGOING_MAX = 101, OUTGOING_CONTENT_MAX = 60000, EDITED_MAX = 8, EDITED_HEADER_MAX = 600000, EDITED_PIECE = 60000,
	NOTICE_RECIPIENTS = 8 };

struct errand_result {
	bool           has_list;
	struct members list;                     /* in the arena */
	struct outcome outcome;                  /* when there is no list */
	struct outgoing *outgoing;               /* in the arena */
	size_t         n_outgoing;
	struct edited  edited[EDITED_MAX];       /* owned: errand_result_free */
	size_t         n_edited;
	struct span    user_log;                 /* for the user's own log: lines; empty: none */
};

/* Always gives a result: what goes wrong is an outcome. */
WAITS void errand_run(const struct errand *, struct arena *, struct errand_result *);

void errand_result_free(struct errand_result *);          /* but for the outcome */

/* In the child. *held: the Maildir, when that is all that had a say and the sandbox is closed around it; else NULL. */
struct maildir;
WAITS void maildir_work(struct worker *, const struct errand *, struct maildir **held, struct outcome *);
WAITS void maildir_again(struct worker *, const struct errand *, struct maildir *, struct outcome *);
/* In a child that has stayed (kept.h): steps 1 and 3, and the report. True: it stays once more. */
WAITS bool errand_again(struct worker *, const struct errand *, struct maildir *, bool may_stay);
/* filter.c, in the parent before the sandbox: what children would open late, and whether the settings are right. */
int filter_prepare(struct fault *);
/* In the child: 1 when there is no script, and nothing was done. */
WAITS int  filter_work(struct worker *, const struct errand *, struct maildir *, struct outcome *);
/* There is nothing at all where a script could be. Asks for names only: right in a closed sandbox, too. */
bool filter_is_absent(const struct errand *);
/* Another child adds the lines to the user's log. */
WAITS void filter_log(const struct errand *, struct span lines);
WAITS void mbox_work(struct worker *, const struct errand *, struct outcome *);
WAITS void command_work(struct worker *, const struct errand *, struct outcome *);

/* Feeds the content in LF form to `add`, prefix first. */
struct line_unix;
WAITS int errand_content(struct worker *, const struct errand *, struct line_unix *,
	int (*add)(void *, struct span, struct fault *), void *context, struct fault *);

/* status of a command as its exit status says (sysexits.h). */
void command_outcome(int wait_status, bool timed_out, const char *shown, struct span output,
	const char *done, struct outcome *);

#endif
