/* SPDX-License-Identifier: ISC */
/*
 * imap_config.h - parameters of imapd, under Dovecot's names where it has one
 */
#ifndef IMAPD_IMAP_CONFIG_H
#define IMAPD_IMAP_CONFIG_H

#include "config/param.h"

struct imap_config {
	const char *mail_location;
	int64_t     max_line_length;          /* bytes of a command without its message */
	int64_t     max_message;              /* bytes of APPEND */
	int         max_keyword_length;
	int64_t     idle_notify_interval;     /* ms */
	int64_t     hibernate_timeout;        /* ms of idling until the process goes away; 0: never */
	int64_t     timeout;                  /* ms without a command; RFC 3501, 5.4: 30 minutes at least */
	const char *separator, *prefix;       /* of the one namespace */
	const char *acl;                      /* "vfile": dovecot-acl files are kept and bind; empty: not */
	int         message_limit, save_limit;   /* messages in one command (RFC 9738); 0: any number */
	int         notify_mailboxes;         /* that NOTIFY watches at most */
	const char *acl_shared_dict;          /* "file:/PATH": who shares with whom */
	const char *acl_anyone;               /* "allow": rights for all may be given */
	const char *shared_namespace, *public_namespaces;      /* spaces.h */
	bool        private_seen;             /* in others' mailboxes each has a \Seen of his own */
	struct list access_groups;            /* supplementary groups of sessions */
	int64_t     search_index_limit;       /* bytes of a mailbox's index; 0: none is made */
	const char *server_admin, *server_comment;             /* METADATA of the server; empty: none */
	const char *special_use;              /* "Drafts=\\Drafts ..." */
};

extern struct imap_config imap_config;
extern const struct param imap_params[];

/* Bad combinations that bounds cannot say; once after loading. */
int imap_config_check(struct fault *);

#endif
