/* SPDX-License-Identifier: ISC */
/*
 * sleep.h - an idling session ends as a process and goes on in another (imap_hibernate_timeout)
 *
 * What the client was told (the view with its flags, the keywords of FLAGS, what is enabled, "$", the tag of IDLE, COMPRESS, NOTIFY)
 * becomes a state of at most LOGIN_STATE_MAX bytes that the login program keeps (ipc/login.h; who
 * proves what: guard/authd_wake.h).  The new process opens the mailbox, takes the told
 * view from the state, and tells the difference: nothing twice, nothing missed.
 *
 * A session stays awake when something of it cannot be carried: a feature that has set s->keeps_awake (a search context, NOTIFY
 * of others' mailboxes or of too many, an administrator's talk with authd), a state that is too large, input that waits, a
 * mailbox without inotify.
 * Whoever adds something to the session that outlives a command carries it here or sets keeps_awake.
 */
#ifndef IMAPD_SLEEP_H
#define IMAPD_SLEEP_H

#include "session.h"

struct imap_means {                  /* of sleeping, from the login program and authd */
	int         control;         /* borrowed */
	const char *asked, *token, *key;      /* ipc/ask_auth.h */
	struct span state;           /* of one that goes on; else empty */
};

/* The told state, parsed. Arrays are owned. */
struct sleep_state {
	struct span   tag, mailbox, saved, dictionary;   /* borrowed from the bytes */
	struct span   notify;                            /* notify_told.h; empty: NOTIFY was not used */
	struct span   space;                             /* prefix of whose mailbox it is; empty: one's own */
	bool          selected, read_only, compressed;
	int64_t       validity;
	struct manner manner;
	uint64_t      keywords, modseq;
	struct message *at;         /* of the view */
	size_t        count;
	struct imap_counts counts;
	uint64_t      bytes_in, bytes_out;
	int64_t       began;                             /* clock_wall() of the login */
};
void sleep_state_write(const struct sleep_state *, struct text *out);
/* Total; -1: it is none, or has more than `most` messages. */
int  sleep_state_read(struct span, size_t most, struct sleep_state *out, struct fault *);
void sleep_state_free(struct sleep_state *);

/* 1: the login program has it: the process ends without a word. 0: the session goes on here. */
WAITS int imap_sleep(struct imap_session *, int watch);
/* Takes the state up; then do_idle_on. -1 and why: the session cannot go on. */
WAITS int imap_wake(struct imap_session *, struct fault *);
WAITS void idle_go_on(struct imap_session *);      /* do_idle.c */

#endif
