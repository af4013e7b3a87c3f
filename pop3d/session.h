/* SPDX-License-Identifier: ISC */
/*
 * session.h - POP3 after login: TRANSACTION and UPDATE (RFC 1939, 5 and 6)
 *
 * The messages are those of INBOX when the session began. What was DELE'd goes
 * at QUIT and only then; a lost connection deletes nothing. Runs as the owner.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "config/param.h"
#include "language.h"
#include "net/conn.h"
#include "store/dotlock.h"
#include "surrogate.h"

struct pop3_config {
	const char *uidl_format, *deleted_flag;
	bool        no_flag_updates, lock_session, reuse_xuidl, save_uidl, fast_size_lookups;
	struct utf8_config utf8;
	int64_t     timeout, login_delay, expire;
};
extern struct pop3_config pop3_config;
extern const struct param pop3_params[];

struct pop3_user {
	const char *name, *home, *mail, *session;
	const char *quota;                     /* his own rules (store/quota.h) */
	const char *capabilities;              /* lines of CAPA that are of the time before login, each with its end */
	bool        utf8;                      /* he said UTF8 (RFC 6856) */
};

int pop3_config_check(struct fault *);
WAITS int pop3_session(const struct pop3_user *, struct conn *, struct fault *);

/* For the files of pop3d. */
struct drop_message {
	uint32_t    uid;
	uint64_t    size;             /* as far as is known, what RETR sends, without the final dot: with CRLF, of the surrogate, if that is sent */
	bool        sized;            /* its name tells its size with CRs */
	bool        on_disk;          /* pop3_fast_size_lookups: `size` is that of the file, and no better is asked for */
	bool        looked;           /* `size` is true (look.c) */
	bool        surrogate;        /* is sent instead of it */
	struct looked found;          /* when it was looked at */
	uint64_t    order;            /* uidlist field O, else after those with one */
	struct span base, guid;       /* in the drop's arena */
	struct span uidl;             /* uidlist field P, else with pop3_reuse_xuidl the header X-UIDL, or empty: by the format */
	bool        deleted, seen, has_field;   /* P */
};

struct folder;
struct maildir;
struct drop {
	struct arena        *arena;
	struct maildir      *maildir;
	struct quota        *quota;    /* what is counted; NULL: no quota */
	struct lazy         *lazy;     /* where deleted messages go; NULL: they are gone */
	struct folder       *folder;
	struct drop_message *messages;
	size_t               count;
	uint32_t            *uids;     /* all of the folder when it was opened, hidden ones, too */
	size_t               uid_count;
	struct source        source;   /* the message that was opened last */
	struct surrogates    known;    /* what earlier sessions looked at, */
	bool                 known_read, looked_all;   /* once it was asked for; STAT or LIST was answered */
	size_t               fresh;        /* messages that were looked at, and not remembered yet */
	size_t               unreadable;   /* messages whose size could not be had */
	struct dotlock       lock;     /* pop3_lock_session */
	bool                 ascii;    /* who did not say UTF8: surrogates are sent */
	int                  hidden;   /* number of the keyword pop3_deleted_flag; -1: none */
};

/* FAULT_TIME: another session has it (pop3_lock_session); FAULT_DENIED: too early (pop3_login_delay). */
WAITS int drop_open(const struct pop3_user *, struct drop *, struct fault *);
void drop_close(struct drop *);
void drop_uidl(const struct drop *, const struct drop_message *, struct text *out);
WAITS int drop_read(struct drop *, const struct drop_message *, struct fault *);      /* into `source` */
WAITS int drop_look(struct drop *, struct drop_message *, struct fault *);      /* one that was read just now */
WAITS int drop_size(struct drop *, struct drop_message *, struct fault *);      /* reads it, if it must; -1: no message's own fault */
WAITS int drop_look_all(struct drop *, struct fault *);   /* the same for all; what cannot be read now stays unknown */
WAITS void drop_look_end(struct drop *);
WAITS int drop_update(struct drop *, size_t *deleted, struct fault *);    /* at QUIT: removes and marks */
WAITS int drop_mark_seen(struct drop *, struct fault *);                  /* a session that was lost */

#endif
