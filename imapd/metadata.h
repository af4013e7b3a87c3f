/* SPDX-License-Identifier: ISC */
/*
 * metadata.h - annotations of mailboxes and of the server (RFC 5464), special uses (RFC 6154)
 */
#ifndef IMAPD_METADATA_H
#define IMAPD_METADATA_H

#include "session.h"
#include "store/attributes.h"

/* The server's own lie among INBOX's, below this, as Dovecot has them. */
#define METADATA_SERVER "vendor/vendor.dovecot/pvt/server/"

enum { METADATA_ENTRY_MOST = 255, METADATA_LINE_REST = 2048 };

/* "/private/comment" of a mailbox ("" is INBOX; NULL the server): its key; false: no such name.  Private ones are kept in
 * the user's own Maildir, also those of others' mailboxes; shared ones in the mailbox's. */
bool metadata_key(struct imap_session *, struct space *, const char *folder, struct span entry, bool make_guid,
	struct text *key);

/*
 * How a mailbox is called in a key of one's own file: its GUID, and for mailboxes of others "GUID@alice".  The GUID alone is what its
 * owner says: he could give that of a mailbox of somebody else's.  Owned by the arena.
 */
char *metadata_mailbox(struct arena *, const struct space *, const char *guid);

/* The way back: "/private/comment", of the mailbox that is called so or of the server. */
bool metadata_of_key(struct span key, struct span *guid, bool *server, struct text *entry);

/* MAILBOXID (RFC 8474) */
bool imap_folder_guid(struct imap_session *, struct space *, const char *folder, char guid[40]);

/* RFC 5464, 3.2: something that may have a value; a path is also what entries are below ("/shared/vendor/token"). */
bool metadata_is_entry(struct span);
bool metadata_is_path(struct span);

/* NO [METADATA MAXSIZE n], for a SETMETADATA with a value that is not even read */
void metadata_too_long(struct imap_session *);

/* RENAME INBOX leaves its annotations and gives the new mailbox the same (RFC 5464, 4.1). */
WAITS int metadata_copy(struct imap_session *, const char *from, const char *to);
/* Those of a mailbox that was deleted. */
WAITS void metadata_forget(struct imap_session *, struct space *, const char *guid);

/* "* METADATA box (entry value ...)" for LIST-METADATA (RFC 9590) */
void metadata_tell(struct imap_session *, const struct attributes *, struct span name, struct space *, const char *folder,
	const struct argument *entries);

/* The use that CREATE or SETMETADATA gave one's own mailbox, else the configuration; empty: none. */
struct span special_use_of(struct imap_session *, const struct attributes *, const char *folder,
	struct span name);
bool special_use_is_known(struct span);

#endif
