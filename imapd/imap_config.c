/* SPDX-License-Identifier: ISC */
/*
 * imap_config.c - parameters of imapd
 */
#include "imap_config.h"

#include "base/mem.h"
#include "imapsieve.h"
#include "spaces.h"
#include "store/acl.h"
#include "store/delivered.h"
#include "store/lazy.h"
#include "store/quota.h"

#define SPECIAL_USE "Archive=\\Archive Drafts=\\Drafts Junk=\\Junk Sent=\\Sent Trash=\\Trash"

struct imap_config imap_config = {
	.mail_location = "maildir:%h/Maildir", .max_line_length = 65536, .max_message = 1 << 30,
	.max_keyword_length = 50, .idle_notify_interval = 120000, .hibernate_timeout = 0, .timeout = 1800000,
	.separator = ".", .prefix = "", .acl = "", .notify_mailboxes = 1000, .acl_shared_dict = "", .acl_anyone = "",
	.shared_namespace = "", .public_namespaces = "", .private_seen = true, .server_admin = "", .server_comment = "",
	.special_use = SPECIAL_USE,
	.search_index_limit = 1 << 30,
};

const struct param imap_params[] = {
	RAW     ("mail_location", &imap_config.mail_location, "maildir:%h/Maildir",
		"where a user's mail lies: maildir:PATH[:INDEX=PATH], with %u %n %d %h"),
	BYTES   ("imap_max_line_length", &imap_config.max_line_length, "64k", "8k", "16M",
		"longest IMAP command, the message of APPEND not counted"),
	BYTES   ("mail_max_size", &imap_config.max_message, "1G", "1k", "",
		"largest message that APPEND takes"),
	NUMBER  ("mail_max_keyword_length", &imap_config.max_keyword_length, "50", "1", "200",
		"longest keyword (IMAP flag of a user)"),
	DURATION("imap_idle_notify_interval", &imap_config.idle_notify_interval, "2m", "10s", "29m",
		"how often an idling client hears that the server is there"),
	DURATION("imap_hibernate_timeout", &imap_config.hibernate_timeout, "30s", "0s", "29m",
		"how long a client idles until its process goes away (and comes back when something happens); 0: never"),
	DURATION("imap_timeout", &imap_config.timeout, "30m", "1m", "24h",
		"how long a client may be silent (RFC 3501, 5.4)"),
	STRING  ("imap_namespace_separator", &imap_config.separator, ".",
		"between the levels of a mailbox name: . or /"),
	STRING  ("imap_namespace_prefix", &imap_config.prefix, "",
		"before every name but INBOX; \"INBOX.\" shows names as Courier does"),
	STRING  ("mail_server_admin", &imap_config.server_admin, "",
		"URI of the administrator (mailto:...), as METADATA tells it: /shared/admin of the server (RFC 5464)"),
	STRING  ("mail_server_comment", &imap_config.server_comment, "",
		"what METADATA tells of the server: /shared/comment"),
	DELIVERED_ROWS,
	NUMBER  ("imap_message_limit", &imap_config.message_limit, "0", "0", "10000000",
		"how many messages one command may name, as told by MESSAGELIMIT (RFC 9738); 0: any. Clients that do not know it see only the newest"),
	NUMBER  ("imap_save_limit", &imap_config.save_limit, "0", "0", "10000000",
		"the same of COPY and APPEND alone, as told by SAVELIMIT; 0: any"),
	NUMBER  ("imap_notify_mailboxes", &imap_config.notify_mailboxes, "1000", "1", "100000",
		"how many mailboxes one client may watch by NOTIFY (RFC 5465)"),
	RAW     ("acl", &imap_config.acl, "",
		"vfile[:FILE]: rights of dovecot-acl files bind and clients may change them (RFC 4314); FILE: an administrator's list, "
		"\"PATTERN ID RIGHTS\" a line, that binds before them"),
	RAW     ("acl_anyone", &imap_config.acl_anyone, "",
		"allow: users may give rights to anyone and authenticated, and see what others share so"),
	RAW     ("acl_shared_dict", &imap_config.acl_shared_dict, "",
		"file:PATH: Dovecot's dictionary of who shares with whom; users must be able to write it and its directory"),
	RAW     ("imap_shared_namespace", &imap_config.shared_namespace, "",
		"PREFIX=LOCATION of mailboxes that other users share, e.g. shared/%%u/=maildir:%%h/Maildir:INDEXPVT=~/Maildir/shared/%%u; "
		"%%u %%n %%d %%h are the owner's, %u ~/ ... this user's"),
	RAW     ("imap_public_namespaces", &imap_config.public_namespaces, "",
		"PREFIX=LOCATION;... of mailboxes that are nobody's, e.g. Public/=maildir:/var/mail/public; dovecot-acl in PATH holds for "
		"those without a list of their own"),
	BOOLEAN ("imap_private_seen", &imap_config.private_seen, "yes",
		"in mailboxes of others and of all each user has a \\Seen of his own (kept in postern-seen/ of his Maildir); no: only where "
		"a location says INDEXPVT=PATH"),
	LIST    ("mail_access_groups", &imap_config.access_groups, "",
		"groups that every session is in besides its user's own, for mailboxes shared by the file system's groups"),
	BYTES   ("imap_search_index_limit", &imap_config.search_index_limit, "1G", "0", "",
		"most that the index of a mailbox's words, for SEARCH, may take on disk; 0: none is made or used"),
	RAW     ("imap_special_use", &imap_config.special_use, SPECIAL_USE,
		"mailboxes (as clients name them) and what they are for (RFC 6154): NAME=\\Use ..."),
	IMAPSIEVE_ROWS,
	SIEVE_SCRIPT_ROWS,
	QUOTA_ROWS,
	LAZY_ROWS,
	END_OF_PARAMS
};

static bool
is_known_use(struct span use)
{
	static const char *const known[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent",
		"\\Trash", "\\Important"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(use, known[i]))
			return true;
	return false;
}

int
imap_config_check(struct fault *why)
{
	const struct acl_settings named = {imap_config.acl, imap_config.separator, imap_config.prefix};
	struct span uses = span_of(imap_config.special_use), use;

	if (acl_settings_check(&named, why) < 0)
		return -1;
	if (quota_settings_check(&quota_settings, why) < 0)
		return -1;
	if (lazy_settings_check(&lazy_settings, why) < 0)
		return -1;
	if (delivered_check(why) < 0)
		return -1;
	if (*imap_config.acl_anyone && strcmp(imap_config.acl_anyone, "allow") != 0)
		return fault_set(why, FAULT_INPUT, "acl_anyone = %s: only allow is known here", imap_config.acl_anyone);
	if (spaces_check(why) < 0)
		return -1;
	while (span_next(&uses, " \t", &use)) {
		ptrdiff_t at = span_find_last(use, '=');

		if (at < 1 || !is_known_use(span_from(use, (size_t)at + 1)))
			return fault_set(why, FAULT_INPUT, "imap_special_use: \"%.*s\" is not NAME=\\Use",
				SPAN_ARGS(use));
	}
	return 0;
}
