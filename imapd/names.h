/* SPDX-License-Identifier: ISC */
/*
 * names.h - mailbox names between client and store
 *
 * A client's name is modified UTF-7 with imap_namespace_separator between its
 * levels and imap_namespace_prefix before it; INBOX in any case is INBOX.
 * Names that begin with the prefix of another space (spaces.h) are in that: "shared/alice/Work", and "shared/alice"
 * (or "shared/alice/INBOX") for her INBOX.
 * Older Courier kept directories in UTF-8: such a directory is used when the
 * mUTF-7 one is not there, and told in mUTF-7.
 */
#ifndef IMAPD_NAMES_H
#define IMAPD_NAMES_H

#include "session.h"

/* RFC 6855, 3; RFC 9051, 5.1: names are UTF-8 once that was enabled. */
bool name_is_utf8(const struct imap_session *);

/* Whose it is, and its owned storage name, "" for INBOX; FAULT_INPUT when it cannot be a name, ENOENT when it is in the
 * place of others' mailboxes, but nobody's whom this session sees. */
int name_find(struct imap_session *, struct span name, struct space **, char **folder, struct fault *);
/* The same of a name in modified UTF-7, whatever the client has enabled. */
int name_find_stored(struct imap_session *, struct span name, struct space **, char **folder, struct fault *);
/* The mailbox that an argument names, owned; NULL: it was answered. */
char *name_take(struct imap_session *, const struct argument *, struct space **);
/* The same of one that is there, else NO with that code: NONEXISTENT, or TRYCREATE where something is to be put into it. */
char *name_take_existing(struct imap_session *, const struct argument *, const char *code, struct space **);
void name_of(const struct space *, const char *folder, struct text *out);
/* Of one's own mailboxes alone. */
int name_to_folder(struct imap_session *, struct span name, char **folder, struct fault *);
void name_of_folder(const char *folder, struct text *out);
/* Is it (in modified UTF-7) in the place of others' or everybody's mailboxes, whether there are any or not? */
bool name_is_foreign(struct span name);
/* Is it what their names begin with: "shared" of "shared/alice/Work"? */
bool name_is_above_foreign(struct span name);
/* As it is told in a response: an atom when it can be one. */
void name_add(struct span name, struct text *out);
/* The same to a client that may have enabled UTF-8 (RFC 6855, RFC 9051). */
void name_tell(const struct imap_session *, struct span name, struct text *out);
/* "* LIST (attributes) "." name", with what the client called it where that is another name (RFC 9051, 6.3.9.7) */
void name_tell_other(struct imap_session *, struct span said, struct span name, const char *attributes);
/* A pattern of LIST: '*' matches anything, '%' anything without a separator; INBOX in any case. */
bool name_matches(struct span pattern, struct span name);
/* "." in quotes */
void name_add_separator(struct text *out);

#endif
