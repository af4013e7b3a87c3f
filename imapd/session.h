/* SPDX-License-Identifier: ISC */
/*
 * session.h - one IMAP session of a user who is known (RFC 3501)
 *
 * imap_session speaks on `c` until LOGOUT, a lost connection, silence or
 * service_stopping-like `stop`.  It runs as the owner of the mail, in a process
 * of its own; the caller has authenticated the user, become him, and closed
 * the sandbox.  0: the session ended (whatever way); -1 and why: the mailbox
 * could not be opened, and the client was told BYE.
 *
 * With `tag` the answer to the login is given first ("tag OK [CAPABILITY ...]
 * Logged in"), without it a PREAUTH greeting.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/task.h"
#include "grammar.h"
#include "net/conn.h"
#include "store/folder.h"
#include "store/location.h"
#include "slice.h"
#include "spaces.h"
#include "view.h"

/* What works after login; a login program adds its own (STARTTLS, AUTH=...). */
#define IMAP_CAPABILITIES "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT " \
	"UIDPLUS MOVE NOTIFY SPECIAL-USE CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT " \
	"THREAD=REFERENCES THREAD=REFS ESORT PARTIAL CONTEXT=SEARCH CONTEXT=SORT SAVEDATE OBJECTID PREVIEW STATUS=SIZE INPROGRESS UIDONLY UIDBATCHES " \
	"BINARY MULTIAPPEND CATENATE URL-PARTIAL REPLACE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS LIST-METADATA METADATA " \
	"UTF8=ACCEPT SEARCH=FUZZY MULTISEARCH FILTERS I18NLEVEL=1 IMAP4rev2"

struct imap_means;
struct imapsieve_means { int programs; };     /* the socket of service/programs.h, or -1 */
struct imap_user {
	const char *name, *home;      /* for %u, %h and the log */
	const char *mail;             /* userdb's own mail=, or NULL: mail_location */
	const char *quota;            /* userdb's own rules (store/quota.h), or NULL */
	const char *session;          /* id for the log, may be empty */
	const char *tag;              /* of the login command; NULL: PREAUTH */
	const struct imap_means *means;   /* to sleep by (sleep.h); NULL: it cannot */
	struct spaces *spaces;        /* of others; NULL: none */
	const struct imapsieve_means *imapsieve;   /* scripts run for its commands (imapsieve.h); NULL: none */
	const int     *limits;        /* of an administrator: the talk by which he sets limits (ipc/ask_auth.h); NULL: he cannot */
};

/* Opens what libc opens late (charsets, time zone, locale): before the sandbox closes. */
void imap_prepare(void);

WAITS int imap_session(const struct imap_user *, struct conn *c, struct fault *);

/* ---- for the files of imapd ---- */

enum imap_state { IMAP_AUTHENTICATED = 1, IMAP_SELECTED = 2 };

struct imap_counts { uint64_t expunged, appended, bodies, body_bytes, headers, header_bytes; };

struct index;
struct command_input;
struct notify;
struct search_context;
struct search_index;

struct imap_session {
	const struct imap_user *user;
	struct conn            *conn;
	struct maildir         *maildir;
	struct index           *index;       /* NULL: no cache */
	struct quota           *quota;       /* NULL: none */
	struct lazy            *lazy;        /* NULL: what is expunged is gone */
	struct folder          *folder;      /* NULL: nothing is selected */
	struct space           *in;          /* whose it is */
	struct space            mine;        /* as a space; borrows maildir and quota */
	struct spaces          *spaces;      /* of others (spaces.h); borrowed; NULL: none */
	struct view             view;
	struct manner           manner;
	uint32_t               *saved;       /* "$" of RFC 5182: UIDs, ascending; owned */
	size_t                  saved_count;
	struct search_index    *search;      /* of the selected mailbox, when used (search_index.h) */
	char                   *index_directory; /* INDEX= of mail_location; NULL: none; owned */
	struct notify          *notify;      /* NULL: NOTIFY was not used (notify.h) */
	struct search_context  *contexts;    /* searches that are kept up to date (search_context.h) */
	uint32_t               *own;         /* UIDs that this client put into the selected mailbox, untold; owned */
	size_t                  own_count;
	struct arena           *arena;       /* of one command */
	struct command          command;
	struct text             out;         /* untagged responses being made */
	struct fault            why;
	const char             *end;         /* for the log; set when over */
	bool                    compressed;
	bool                    keeps_awake; /* something that sleep.c does not carry is in use */
	bool                    asleep;      /* it goes on in another process: this one ends without a word */
	uint64_t                bytes_in, bytes_out;   /* of the processes before this one */
	bool                    over;
	bool                    answered;    /* the tagged response is out */
	bool                    numbered;    /* the command names messages by number although it is a UID command */
	struct command_input   *input;       /* of this command; for APPEND, which reads on */
	struct span             rest;        /* of an APPEND or REPLACE: what follows the mailbox */
	struct imap_counts      counts;
	struct slice            slice;       /* of a section that is fetched in parts */
	struct text             spare;       /* room for the next message's bytes (content.c), until the command ends */
};

/* "IMAP4rev1 ..." with what depends on the configuration and the session */
void imap_add_capabilities(const struct imap_session *, struct text *out);

/* Untagged lines; lost connections are noticed at the end of the command. */
void imap_say(struct imap_session *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The line ends with that. */
void imap_end_line(struct imap_session *, struct span last);
void imap_send(struct imap_session *, struct span);
void imap_flush_out(struct imap_session *);           /* s->out to the client */

/* The tagged response; once a command.  `line` is "OK ...", "NO [X] ...", "BAD ..." */
void imap_finish(struct imap_session *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a fault, with the response code that fits it. */
void imap_finish_fault(struct imap_session *, const char *what);

/* Brings folder and view up to date and tells what changed; the second then finishes. */
void imap_sync(struct imap_session *);
void imap_finish_synced(struct imap_session *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void imap_add_stats(const struct imap_session *, struct text *out);   /* "in=.. out=.. ..." of the log */
void imap_bad_arguments(struct imap_session *);       /* tagged BAD */

/* Handlers, by RFC 3501's families */
void do_capability(struct imap_session *);
void do_noop(struct imap_session *);
void do_logout(struct imap_session *);
void do_unauthenticate(struct imap_session *);
void do_id(struct imap_session *);
void do_enable(struct imap_session *);
void do_namespace(struct imap_session *);
void do_idle(struct imap_session *);
void do_select(struct imap_session *);
void do_examine(struct imap_session *);
void do_close(struct imap_session *);
void do_unselect(struct imap_session *);
void do_status(struct imap_session *);
void do_create(struct imap_session *);
void do_delete(struct imap_session *);
void do_rename(struct imap_session *);
void do_subscribe(struct imap_session *);
void do_unsubscribe(struct imap_session *);
void do_list(struct imap_session *);
void do_lsub(struct imap_session *);
void do_getmetadata(struct imap_session *);
void do_setmetadata(struct imap_session *);
void do_getquota(struct imap_session *);
void do_getquotaroot(struct imap_session *);
void do_setquota(struct imap_session *);
void do_setacl(struct imap_session *);
void do_deleteacl(struct imap_session *);
void do_getacl(struct imap_session *);
void do_listrights(struct imap_session *);
void do_myrights(struct imap_session *);
void do_compress(struct imap_session *);
void do_esearch(struct imap_session *);
void do_notify(struct imap_session *);
void do_cancelupdate(struct imap_session *);
void do_uidbatches(struct imap_session *);
void do_append(struct imap_session *);
void do_replace(struct imap_session *);
void append_drain(struct imap_session *);   /* literals that nobody took */
void do_expunge(struct imap_session *);
void do_search(struct imap_session *);
void do_sort(struct imap_session *);
void do_thread(struct imap_session *);
void do_fetch(struct imap_session *);
void do_store(struct imap_session *);
void do_copy(struct imap_session *);
void do_move(struct imap_session *);

void imap_deselect(struct imap_session *);

/* The messages that a command's set names ("$" too): positions, ascending, and their UIDs.
 * -1: it is none, and BAD was answered. */
int imap_choose(struct imap_session *, const struct argument *set, size_t **positions, size_t *count);
/* A sequence-set argument; "$" becomes the UIDs (or with `numbers` the message numbers) saved. */
bool imap_parse_set(struct imap_session *, const struct argument *, bool uids, struct sequence *);

/* RFC 9738: cut down to the highest imap_message_limit, if there are more; *lowest is the UID of the last. */
bool imap_limit(struct imap_session *, size_t **positions, size_t *count, uint32_t *lowest);
/* Where another code stands in the tagged response. */
void imap_say_limit(struct imap_session *, uint32_t lowest);
int imap_save_limit(void);                          /* of COPY and APPEND; 0: none */

/* RFC 9394: from the from-th to the to-th of them, negative from the end. */
void imap_page(int64_t from, int64_t to, size_t **positions, size_t *count);

/* A command that shows that the client knows mod-sequences (RFC 7162, 3.1). */
void imap_use_modseq(struct imap_session *);
void imap_tell_highest(struct imap_session *);      /* so that it knows where it begins (3.1) */
/* "[HIGHESTMODSEQ n] " where something was expunged, for who knows mod-sequences (RFC 7162, 3.2.7 and 3.2.9); else "" */
const char *imap_highest_code(struct imap_session *);
/* False and BAD answered: the selected mailbox was told to have none (RFC 7162, 3.1.2.2). */
bool imap_has_modseq(struct imap_session *);

/* "* VANISHED (EARLIER) ..." for what was expunged since, of the UIDs in `known` (NULL: all). */
void imap_tell_vanished(struct imap_session *, uint64_t since, struct sequence *known);

/* Opens with history (store/history.h). */
WAITS int imap_open_folder(struct imap_session *, const char *name, unsigned options, struct folder **);
WAITS int imap_open_in(struct imap_session *, struct space *, const char *name, unsigned options, struct folder **);
/* As far as this user can see. */
WAITS bool imap_exists(struct imap_session *, struct space *, const char *folder);

#endif
