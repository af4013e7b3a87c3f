/* SPDX-License-Identifier: ISC */
/*
 * imapsieve.h - scripts that run when messages come into a mailbox by IMAP, or their flags change (RFC 6785)
 *
 * Whose: those of the administrator (imapsieve_mailboxN_*, Pigeonhole's names), and with imapsieve_url the one that
 * /shared/imapsieve/script of the mailbox, or of the server, names among the user's own.  They run when what the command
 * asked for has been done, before its answer, and can never make it fail: what goes wrong is in the log.  What they do runs
 * no scripts.  The CPU time for a message is bounded (sieve_max_cpu_time), and that for a command by four times as much.
 *
 *   keep            the message stays; its flags become those of the script, if that said something of flags
 *   fileinto        it is copied; without :copy the message here is discarded; into the mailbox where it is: as keep
 *   discard         \Deleted, or with imapsieve_expunge_discarded gone; after a change of flags it stays, as in Pigeonhole
 *   pipe, execute   service/sieve_programs.h
 *
 * What would send mail (redirect, vacation, notify), needs an envelope, or changes the message (editheader, filter) is refused
 * when the script is read, with a line in the log.
 *
 * Where nothing of this is set a session pays nothing; where it is, a socket and, in its sandbox, the right to read the
 * directories of the scripts.  Scripts are read and checked for each command that they are for.
 */
#ifndef IMAPD_IMAPSIEVE_H
#define IMAPD_IMAPSIEVE_H

#include "config/list.h"
#include "session.h"
#include "sieve/settings.h"

enum { IMAPSIEVE_RULES_MOST = 16 };
struct imapsieve_rule { const char *name, *from, *causes, *before, *after; };
struct imapsieve_config {
	struct imapsieve_rule rules[IMAPSIEVE_RULES_MOST];
	const char           *url;
	bool                  expunge_discarded, autocreate, autosubscribe;
};
extern struct imapsieve_config imapsieve_config;

#define IMAPSIEVE_RULE_ROWS(n)                                                                                    \
	RAW("imapsieve_mailbox" #n "_name", &imapsieve_config.rules[n - 1].name, "", "mailboxes (as clients name them; * and % match) that the rule is for; the first number without is the end"), \
	RAW("imapsieve_mailbox" #n "_from", &imapsieve_config.rules[n - 1].from, "", "only for what was copied or moved from there; empty or *: any"), \
	RAW("imapsieve_mailbox" #n "_causes", &imapsieve_config.rules[n - 1].causes, "", "of APPEND COPY FLAG, those that the rule is for; empty: all"), \
	RAW("imapsieve_mailbox" #n "_before", &imapsieve_config.rules[n - 1].before, "", "script that runs before the user's: file:/PATH; its directory becomes readable to sessions"), \
	RAW("imapsieve_mailbox" #n "_after", &imapsieve_config.rules[n - 1].after, "", "script that runs after the user's")
#define IMAPSIEVE_ROWS                                                                                            \
	IMAPSIEVE_RULE_ROWS(1), IMAPSIEVE_RULE_ROWS(2), IMAPSIEVE_RULE_ROWS(3), IMAPSIEVE_RULE_ROWS(4),            \
	IMAPSIEVE_RULE_ROWS(5), IMAPSIEVE_RULE_ROWS(6), IMAPSIEVE_RULE_ROWS(7), IMAPSIEVE_RULE_ROWS(8),            \
	IMAPSIEVE_RULE_ROWS(9), IMAPSIEVE_RULE_ROWS(10), IMAPSIEVE_RULE_ROWS(11), IMAPSIEVE_RULE_ROWS(12),         \
	IMAPSIEVE_RULE_ROWS(13), IMAPSIEVE_RULE_ROWS(14), IMAPSIEVE_RULE_ROWS(15), IMAPSIEVE_RULE_ROWS(16),        \
	RAW("imapsieve_url", &imapsieve_config.url, "", "sieve://HOST: where users keep their scripts, as told by IMAPSIEVE=; with it METADATA may name a script of theirs; empty: administrators' alone"), \
	BOOLEAN("imapsieve_expunge_discarded", &imapsieve_config.expunge_discarded, "no", "what a script discards is gone at once, not \\Deleted"), \
	BOOLEAN("lda_mailbox_autocreate", &imapsieve_config.autocreate, "no", "fileinto makes mailboxes"),       \
	BOOLEAN("lda_mailbox_autosubscribe", &imapsieve_config.autosubscribe, "no", "and subscribes to those that it makes")

bool imapsieve_is_on(void);
/* The settings, and the keeper of programs: before the sandbox closes. */
int imapsieve_prepare(struct fault *);
/* As the user, before he is confined: what he must be able to read. */
int imapsieve_settle(const struct auth_user *, struct list *reads, struct fault *);

enum imapsieve_cause { IMAPSIEVE_APPEND, IMAPSIEVE_COPY, IMAPSIEVE_FLAG };
struct imapsieve_event {
	enum imapsieve_cause cause;
	struct space        *in, *from;            /* from NULL: the same */
	const char          *folder, *from_folder;
	const uint32_t      *uids;                 /* in `folder`, */
	uint32_t             validity;             /* while it has this UIDVALIDITY */
	size_t               count;
	const struct span   *changed;              /* FLAG: of each message; empty: nothing changed, no script */
};
/* Might there be a script for it?  What costs something for its sake need not be done else. */
WAITS bool imapsieve_wants(struct imap_session *, const struct imapsieve_event *);
WAITS void imapsieve_run(struct imap_session *, const struct imapsieve_event *);

/* STORE: flags as they were; then what of them was changed. */
struct imapsieve_flags { unsigned flags; uint64_t keywords; };
WAITS struct imapsieve_flags *imapsieve_flags_before(struct imap_session *, const uint32_t *uids, size_t count);   /* NULL: nobody wants to know */
WAITS void imapsieve_flags_after(struct imap_session *, const uint32_t *uids, size_t count, const struct imapsieve_flags *before);

/* " IMAPSIEVE=sieve://..." where a user's scripts run */
void imapsieve_add_capability(struct text *out);

#endif
