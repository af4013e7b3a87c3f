/* SPDX-License-Identifier: ISC */
/*
 * content.h - the bytes of one message while it is fetched or searched
 *
 * Loaded when first needed: only the header, or all.  Lines end as on disk (LF
 * mostly); whatever goes to a client is told with CRLF by content_send.
 */
#ifndef IMAPD_CONTENT_H
#define IMAPD_CONTENT_H

#include <sys/stat.h>

#include "mail/mime.h"
#include "session.h"

struct content {
	struct imap_session *session;
	struct folder       *folder;      /* the selected one, unless set */
	uint32_t             uid;
	struct arena        *arena;       /* of this message */
	bool                 opened, has_header, has_all;
	int                  fd;
	struct stat          st;
	struct span          header, all;
	struct text          bytes;       /* when read */
	void                *map;         /* when mapped */
	size_t               map_len;
	struct mime         *mime, *header_mime;
};

void content_start(struct content *, struct imap_session *, uint32_t uid, struct arena *);
void content_end(struct content *);              /* resets the arena */

/* All -1 and why: error ENOENT when the message is gone. */
WAITS int content_open(struct content *, struct fault *);
WAITS int content_header(struct content *, struct span *, struct fault *);   /* with its empty line */
WAITS int content_all(struct content *, struct span *, struct fault *);
WAITS int content_mime(struct content *, struct mime **, struct fault *);
WAITS int content_header_mime(struct content *, struct mime **, struct fault *);   /* of the header alone */

/* Bytes of a message: as the name says, else counted; `full` with CRLF line ends. */
WAITS int content_size(struct imap_session *, struct folder *, uint32_t uid, bool full, struct arena *,
	uint64_t *size);

/* "{n}" CRLF and the bytes with CRLF line ends: of those, `count` from
 * `start` on.  NUL goes out as 0x80: a literal holds none (RFC 3501, 4.3). */
void content_send(struct imap_session *, struct span, uint64_t start, uint64_t count);

/* The same bytes as they are, for BINARY (RFC 3516): "~{n}" when NUL is among them. */
void content_send_binary(struct imap_session *, struct span, uint64_t start, uint64_t count);

#endif
