/* SPDX-License-Identifier: ISC */
/*
 * quota.h - how much mail a user may keep, under Dovecot's names, counted in maildirsize
 *
 *   quota            maildir:User quota[:noenforcing]          (count: is taken as maildir:)
 *   quota_rule       MAILBOX:LIMIT[:LIMIT ...]; also quota_rule2 ... quota_rule9
 *                    MAILBOX  * for all, ? where the user has no rule of his own, a name, a pattern with * and ?
 *                    LIMIT    storage=1G (bare: KiB), bytes=.., messages=.., ignore; +N and N% are
 *                             added to (taken of) what * says; of * and ? alone also mailboxes=.., which Dovecot
 *                             does not have: how many there may be, INBOX among them (RFC 9208, 5.3)
 *   quota_grace      the last message that is delivered may go over by this: 10%, 50M
 *
 * A user's own rules (userdb's quota_rule=..., quota_rule2=...) come as "name=value" joined by TAB
 * and take the place of the settings of that name.  Behind them quota_set=*:LIMIT... may stand, the last of which holds: limits
 * that an administrator gave him, instead of all that rules say of *; "quota_set=" takes that back.  Without any limit in rules, those in the first
 * line of maildirsize hold: Courier's users keep theirs.  What we copied there from rules is marked, and goes with the rules.
 *
 * maildirsize (Maildir++) is "<bytes>S,<count>C", then lines "<bytes> <count>" whose sum is the
 * use.  Whoever puts mail there or takes it off adds a line in the same step (maildir_size_add);
 * nobody scans for that.  It is counted anew when it is missing, broken, 5,120 bytes long, has other limits,
 * when it says "over" and is not fresh, and by QUOTA_EXACT when a directory changed after it.  So what
 * others do to the files (rm, a restored backup) heals.
 *
 * Whoever is killed between files and their line leaves a sum that is wrong, and the next line makes the file look
 * newer than that.  Therefore nobody is refused on a sum, but on a count (QUOTA_SURE): one line, marked as ours, with the
 * time at which counting began, and no directory changed since.  It stays in the file, so that a mailbox which is full and
 * at rest is counted once.
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include "config/param.h"
#include "store/maildir.h"

enum { QUOTA_RULES = 9, QUOTA_FILE_MOST = 5120, QUOTA_FRESH_SECONDS = 15 * 60 };

struct quota_settings {
	const char *root, *grace, *rule[QUOTA_RULES], *exceeded_message;
	int64_t     largest;          /* bytes of one message; 0: any */
	bool        tempfail;         /* agents: 4.2.2 instead of 5.2.2 */
};
extern struct quota_settings quota_settings;

#define QUOTA_RULE_ROW(name, i) RAW(name, &quota_settings.rule[i], "", "how much a mailbox may hold: *:storage=1G:messages=10000")
#define QUOTA_ROWS                                                                                                       \
	RAW("quota", &quota_settings.root, "", "maildir:NAME counts mail and limits it by quota_rule; empty: no quota"),     \
	QUOTA_RULE_ROW("quota_rule", 0), QUOTA_RULE_ROW("quota_rule2", 1), QUOTA_RULE_ROW("quota_rule3", 2),                 \
	QUOTA_RULE_ROW("quota_rule4", 3), QUOTA_RULE_ROW("quota_rule5", 4), QUOTA_RULE_ROW("quota_rule6", 5),                \
	QUOTA_RULE_ROW("quota_rule7", 6), QUOTA_RULE_ROW("quota_rule8", 7), QUOTA_RULE_ROW("quota_rule9", 8),                \
	RAW("quota_grace", &quota_settings.grace, "10%", "by how much the last message that is delivered may go over"),     \
	BYTES("quota_max_mail_size", &quota_settings.largest, "0", "0", "", "largest message that may be saved; 0: any"),    \
	RAW("quota_exceeded_message", &quota_settings.exceeded_message, "Quota exceeded (mailbox for user is full)",       \
		"what is said when a mailbox is full"),                                                                          \
	BOOLEAN("quota_full_tempfail", &quota_settings.tempfail, "no", "a full mailbox defers mail instead of returning it")

/* Are the settings sound?  Once after loading. */
int quota_settings_check(const struct quota_settings *, struct fault *);

struct quota;

/* *out NULL: there is no quota.  A rule of the user's that cannot be read is FAULT_INPUT. */
int  quota_make(const struct quota_settings *, struct span user_rules, struct quota **out, struct fault *);
void quota_free(struct quota *);                          /* NULL is fine */
const char *quota_name(const struct quota *);             /* of the root, for clients: "User quota" */
const char *quota_user_rules(const struct quota *);       /* as quota_make was given them; the rest is the settings' */
bool quota_ignores(const struct quota *, const char *folder);

struct quota_use { int64_t bytes, count, bytes_limit, count_limit; };   /* limits: 0 none */
struct quota_mailboxes { int64_t count, limit; };

enum quota_look { QUOTA_QUICK, QUOTA_EXACT, QUOTA_SURE };
WAITS int quota_look(const struct quota *, struct maildir *, enum quota_look, struct quota_use *, struct fault *);
/* Counts anew now. */
WAITS int quota_recount(const struct quota *, struct maildir *, struct quota_use *, struct fault *);

/* May `count` messages of `bytes` in all, the largest of which has `largest`, be put there?
 * FAULT_DENIED with error EDQUOT: it is full; with EFBIG: too large a message. */
enum quota_how { QUOTA_SAVING, QUOTA_DELIVERING };
WAITS int quota_check(const struct quota *, struct maildir *, const char *folder, int64_t bytes, int64_t count,
	int64_t largest, enum quota_how, struct fault *);

/* How many mailboxes there are; counted only where they are limited. */
WAITS int quota_mailboxes(const struct quota *, struct maildir *, struct quota_mailboxes *, struct fault *);
/* May another be made?  FAULT_DENIED with error EDQUOT: no. `q` NULL: yes. */
WAITS int quota_check_mailbox(const struct quota *q, struct maildir *, const char *folder, struct fault *);

/* Total and pure: false: it is none, count anew. */
bool quota_parse(struct span maildirsize, struct quota_use *, size_t *lines);

#endif
