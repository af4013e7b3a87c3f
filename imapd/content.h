/* SPDX-License-Identifier: ISC */
/*
 * content.h - the bytes of one message while it is fetched or searched
 *
 * Loaded when first needed: only the header, or all.  Lines end as on disk (LF
 * mostly); whatever goes to a client is told with CRLF by content_send.
 *
 * With a batch (set behind content_start) what the index knows needs no file:
 * content_record, content_date, content_full_size, content_fields, content_facts, content_sent; what they
 * had to work out is given to the index by content_end.
 */
#ifndef IMAPD_CONTENT_H
#define IMAPD_CONTENT_H

#include <sys/stat.h>

#include "facts.h"
#include "mail/mime.h"
#include "session.h"
#include "store/index.h"

struct content_date { bool has; int64_t seconds, day; };   /* day as written (mail/date.h) */

struct content {
	struct imap_session *session;
	bool                 global;         /* message/global is a message: for who speaks IMAP4rev2 */
	struct folder       *folder;      /* the selected one, unless set */
	uint32_t             uid;
	struct arena        *arena;       /* of this message */
	bool                 opened, begun, has_header, has_all;
	int                  fd;
	struct stat          st;
	struct span          header, all;
	struct text          bytes;       /* when read */
	void                *map;         /* when mapped */
	size_t               map_len;
	struct mime         *mime, *header_mime;
	struct index_batch  *batch;       /* borrowed; NULL: no cache */
	bool                 has_hash;
	uint64_t             hash;        /* of its base name, for the index */
	struct index_record  record;
	struct index_numbers known;          /* by the index */
	unsigned             looked, learnt;   /* 1 << part of the record: asked of the index; new to it */
	bool                 looked_row, learnt_row, no_fields;
	bool                 facts_last;  /* those that content_facts gave are good until the batch ends */
};

void content_start(struct content *, struct imap_session *, uint32_t uid, struct arena *);
void content_end(struct content *);              /* resets the arena */

/* All -1 and why: error ENOENT when the message is gone. */
WAITS int content_begin(struct content *, struct fault *);         /* it can be read */
WAITS int content_header(struct content *, struct span *, struct fault *);   /* with its empty line */
WAITS int content_all(struct content *, struct span *, struct fault *);
WAITS int content_mime(struct content *, struct mime **, struct fault *);
WAITS int content_header_mime(struct content *, struct mime **, struct fault *);   /* of the header alone */

/* What the index knows of that part of it; may be added to by content_learn. */
struct index_record *content_record(struct content *, enum index_part);
void content_learn(struct content *, enum index_part);
WAITS int content_date(struct content *, int64_t *seconds, struct fault *);          /* INTERNALDATE */
WAITS int content_full_size(struct content *, uint64_t *bytes, struct fault *);      /* RFC822.SIZE */
/* Enough of the header for fields that header_is_skimmed_off (mail/header.h) denies: all of it,
 * when that is as easy. */
WAITS int content_fields(struct content *, struct span *, struct fault *);
WAITS int content_sent(struct content *, struct content_date *, struct fault *);    /* Date: */
WAITS int content_facts(struct content *, struct header_facts *, struct fault *);           /* borrowed until content_end, or facts_last */

/* Bytes of a message: as the name says, else counted; `full` with CRLF line ends. */
WAITS int content_size(struct imap_session *, struct folder *, uint32_t uid, bool full, struct arena *,
	uint64_t *size);

/* "{n}" CRLF and the bytes with CRLF line ends: of those, `count` from
 * `start` on.  NUL goes out as 0x80: a literal holds none (RFC 3501, 4.3).
 * A slice (NULL: none) that is known is of these bytes: it is gone on from, and moved. */
void content_send(struct imap_session *, struct span, uint64_t start, uint64_t count, struct slice *);

/* The same bytes as they are, for BINARY (RFC 3516): "~{n}" when NUL is among them. */
void content_send_binary(struct imap_session *, struct span, uint64_t start, uint64_t count);

#endif
