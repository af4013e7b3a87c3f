/* SPDX-License-Identifier: ISC */
/*
 * acl.h - who may do what with a mailbox: dovecot-acl in its directory
 *
 *   user=carol lrws          group=staff lr       group-override=x l
 *   owner lrwstipekxa        authenticated l      anyone l        anonymous l
 *   -user=carol w            takes away           "user=a b" lr   with blanks
 *   user=dave lr :word ...   rights without a letter are kept as they are
 *
 * What one may: of anyone, authenticated, group, owner, user, group-override the last that is named
 * counts, without what the negative entries of any of them take.  The owner has everything unless he
 * is named, and lookup and administration always.
 */
#ifndef STORE_ACL_H
#define STORE_ACL_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"
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

/* Of the owner, or of another user (groups are not known here). */
unsigned acl_rights(const struct acl *, const char *user, bool owner);

/* No file is an empty list. */
WAITS int acl_read(struct maildir *, const char *folder, struct acl *, struct fault *);
/* kind: '=' sets, '+' adds, '-' takes off; an entry without rights is removed.  Durable. */
WAITS int acl_change(struct maildir *, const char *folder, struct span id, bool negative, char kind,
	unsigned rights, struct fault *);
/* A new mailbox has its parent's list. */
WAITS int acl_inherit(struct maildir *, const char *folder, struct fault *);

/* "lrs", and RFC 2086's c (k, x) and d (e, t); false: another letter. */
bool acl_letters_parse(struct span, unsigned *rights);
void acl_letters_add(unsigned rights, struct text *out);         /* without c and d */

#endif
