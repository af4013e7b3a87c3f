/* SPDX-License-Identifier: ISC */
/*
 * acl.h - who may do what with a mailbox: dovecot-acl in its directory
 *
 *   user=carol lrws          group=staff lr       group-override=x l
 *   owner lrwstipekxa        authenticated l      anyone l        anonymous l
 *   -user=carol w            takes away           "user=a b" lr   with blanks
 *   user=dave lr :word ...   rights without a letter are kept as they are
 *
 * What one may: of anyone, authenticated, group, owner, user, group-override the last kind that names him
 * counts (of several groups all), without what the negative entries of any of them take.  The owner has
 * everything unless he is named (what anyone or a group may does not bind him), and lookup and
 * administration always.  A mailbox without a file gives others nothing.
 *
 * An administrator's list for all mailboxes (acl = vfile:PATH) has lines "PATTERN ID RIGHTS", the name as
 * clients of the user say it, '*' and '?' in it.  Where it names somebody, owner or not, only it counts for him.
 * All as measured of Dovecot 2.3.19.
 */
#ifndef STORE_ACL_H
#define STORE_ACL_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"
#include "config/param.h"
#include "store/maildir.h"

#define ACL_LETTERS "lrwstipekxa"      /* RFC 4314, 2.1, in Dovecot's order */
#define ACL_FILE    "dovecot-acl"

enum acl_right {
	ACL_LOOKUP = 1, ACL_READ = 2, ACL_WRITE = 4, ACL_WRITE_SEEN = 8, ACL_WRITE_DELETED = 16, ACL_INSERT = 32,
	ACL_POST = 64, ACL_EXPUNGE = 128, ACL_CREATE = 256, ACL_DELETE = 512, ACL_ADMIN = 1024, ACL_ALL = 2047
};
enum { ACL_ENTRIES = 1000, ACL_FILE_MOST = 1 << 18 };

struct acl_entry {
	char    *id;              /* "user=carol", "owner"; owned */
	bool     negative;
	unsigned rights;
	char    *words;           /* behind " :", owned; NULL: none */
};

struct acl {
	struct acl_entry *at;     /* owned */
	size_t            count;
};

void acl_parse(struct span file, struct acl *);                 /* total: what is no entry is left out */
void acl_format(const struct acl *, struct text *out);
void acl_free(struct acl *);
struct acl_entry *acl_find(const struct acl *, struct span id, bool negative);     /* NULL: none */

struct acl_who {
	const char *user;
	const char *groups;       /* "staff,sales"; NULL: none */
	bool        owner;
};
unsigned acl_rights(const struct acl *, const struct acl_who *);

/* The lines of the administrator's list that name a mailbox, as a list (owned). */
void acl_global_select(struct span file, struct span mailbox, struct acl *);
/* Both together. */
unsigned acl_rights_under(const struct acl *global, const struct acl *, const struct acl_who *);

/* What programs that deliver know of it (imapd has these parameters among its own). */
struct acl_settings { const char *acl, *separator, *prefix; };
extern struct acl_settings acl_settings;

#define ACL_ROWS \
	RAW("acl", &acl_settings.acl, "", \
		"vfile[:FILE]: rights of dovecot-acl files bind and clients may change them (RFC 4314); FILE: an administrator's list, " \
		"\"PATTERN ID RIGHTS\" a line, that binds before them"), \
	STRING("imap_namespace_separator", &acl_settings.separator, ".", "between the levels of a mailbox name: . or /"), \
	STRING("imap_namespace_prefix", &acl_settings.prefix, "", "before every name but INBOX; \"INBOX.\" shows names as Courier does")

/* For prepare(): whether each is one of these. */
int acl_settings_check(const struct acl_settings *, struct fault *);
/* The same: whether the list that acl names is there, and not for root alone. */
WAITS int acl_global_check(const char *setting, struct fault *);
/* The administrator's list of a setting "vfile:/PATH[:cache_secs=N]", read as the user; nothing where it names none. */
WAITS int acl_read_global(const char *setting, struct text *out, struct fault *);

/* No file is an empty list. */
WAITS int acl_read(struct maildir *, const char *folder, struct acl *, struct fault *);
/* kind: '=' sets, '+' adds, '-' takes off; an entry without rights is removed.  Durable. */
WAITS int acl_change(struct maildir *, const char *folder, struct span id, bool negative, char kind,
	unsigned rights, struct fault *);
/* A new mailbox has the list of the nearest above that there is; `of_inbox`: where there is none, INBOX's. */
WAITS int acl_inherit(struct maildir *, const char *folder, bool of_inbox, struct fault *);

/* A list that was cached by Dovecot of all mailboxes with such files: it makes it anew. */
void acl_forget_list(struct maildir *);

/* "lrs", and RFC 2086's c (k, x) and d (e, t); false: another letter. */
bool acl_letters_parse(struct span, unsigned *rights);
void acl_letters_add(unsigned rights, struct text *out);         /* without c and d */

#endif
