/* SPDX-License-Identifier: ISC */
/*
 * spaces.h - whose mailboxes this session may see: one's own, other users', everybody's (RFC 2342)
 *
 * Which there are is settled once, by a process that has become the user and is not confined yet:
 *
 *  - the dictionary (acl_shared_dict) names those who share with this user or a group of his; authd says who they are
 *  - a Maildir of another is opened below his home without following links, and must belong to the uid that authd gave;
 *    what the user's uid and groups cannot open is not there
 *  - then the sandbox closes around one's own mailbox and those that are held open
 *
 * What may be done in them is asked of dovecot-acl for each command (acl.h).  Who begins to share is seen by the next session.
 */
#ifndef IMAPD_SPACES_H
#define IMAPD_SPACES_H

#include "ipc/ask_auth.h"
#include "store/acl.h"
#include "store/maildir.h"

enum { SPACES_OWNERS_MOST = 200 };

enum space_kind { SPACE_OWN, SPACE_SHARED, SPACE_PUBLIC };
struct space {
	enum space_kind kind;
	char           *prefix;      /* "shared/alice/", with the separator at its end; one's own: imap_namespace_prefix */
	char           *owner;       /* NULL: nobody's */
	struct maildir *maildir;
	struct quota   *quota;       /* of its owner; NULL: none */
};

struct spaces {
	struct space *at;            /* of others, in the order of NAMESPACE; owned */
	size_t        count;
	struct text   global;        /* the administrator's list */
	char         *groups;        /* of this user; owned */
	int           dictionary;    /* the directory of acl_shared_dict; -1: none */
};

/* "PREFIX=maildir:..." */
bool spaces_split(struct span, struct span *prefix, struct span *location);
/* "shared/", "": what all their prefixes begin with. */
struct span spaces_shared_stem(void);
/* The next of imap_public_namespaces off the front of *rest. */
bool spaces_next_public(struct span *rest, struct span *prefix, struct span *location);
int  spaces_check(struct fault *);                /* the configuration */
/* acl_shared_dict: the file's name in its directory; NULL: none */
const char *spaces_dictionary(void);

/* A mailbox_confine (service/mailbox.h): settles `context`, a struct spaces without a dictionary (-1), and closes the sandbox.
 * authd -1: nobody is asked, so there are no other users'. */
WAITS int spaces_settle(void *context, const struct auth_user *, int authd, struct fault *);
void spaces_free(struct spaces *);

#endif
