/* SPDX-License-Identifier: ISC */
/*
 * cleanup.h - one message on its way into the queue
 *
 * The files of cleanup in the order in which a message meets them:
 *
 *   cleanup.c            what the program is
 *   cleanup_session.c    the conversation of ipc/submit.h
 *   cleanup_header.c     the header as a list of items: dropped, rewritten, completed
 *   cleanup_checks.c     header_checks and its kin
 *   cleanup_strict.c     which bytes and which MIME are taken
 *   cleanup_utf8.c       is it mail that only SMTPUTF8 can carry?
 *   cleanup_envelope.c   sender and recipients: rewritten, expanded, without duplicates
 *   cleanup_pieces.c     items to pieces, and the edits of milters
 */
#ifndef QMGR_CLEANUP_H
#define QMGR_CLEANUP_H

#include "base/arena.h"
#include "base/strmap.h"
#include "config/list.h"
#include "ipc/submit.h"
#include "queue/queue_file.h"

struct cleanup_config {
	const char *always_bcc, *undisclosed_recipients_header, *remote_header_rewrite_domain;
	struct list smtputf8_autodetect_classes;
	struct list sender_bcc_maps, recipient_bcc_maps, message_drop_headers;
	struct list milter_header_checks, header_checks, mime_header_checks, nested_header_checks, body_checks;
	bool        always_add_missing_headers, enable_original_recipient;
	int64_t     body_checks_size_limit, queue_minfree;
	int         duplicate_filter_limit;
	const char *message_strip_characters, *message_reject_characters;
	bool        strict_8bitmime, strict_headers, strict_body, strict_mime_encoding_domain, disable_mime_input_processing;
	int         mime_nesting_limit, header_from_format;
	const char *full_name_encoding_charset;
};
enum header_from_format { FROM_STANDARD, FROM_OBSOLETE };
extern struct cleanup_config cleanup_config;
extern struct queue         *cleanup_queue;

/*
 * A stretch of the message, in order: bytes of the content as received, or
 * bytes of our own.  An item of the header is one whole field.
 */
struct item {
	struct span name;               /* of a header field; empty: body */
	int64_t     start, end;         /* in the content (0: its first byte), when not ours */
	bool        ours;
	struct span bytes;              /* ours: the field with its last line end; in the arena */
	struct span value;              /* raw, for checks and edits */
	struct piece piece;             /* ours: where it was written, when len > 0 */
	bool        dropped;
};
struct items {
	struct item *at;                /* owned */
	size_t       count, room;
};
void items_add(struct items *, const struct item *);
void items_insert(struct items *, size_t at, const struct item *);

struct message {
	struct arena          *arena;
	struct queue_id        id;
	struct queue_draft    *draft;
	bool                   has_file;        /* the client was given the draft's descriptor */
	struct submit_origin   origin;          /* spans in the arena */
	struct submit_envelope envelope;
	struct queue_rcpt     *rcpts;           /* owned; as submitted, then (after prepare) as resolved */
	size_t                 n_rcpts, rcpts_room;
	struct strmap         *seen;            /* duplicate elimination */
	struct items           header, body;
	struct text            head;            /* the header's bytes: items' values point here */
	int64_t                body_start;      /* in the content */
	bool                   no_empty_line;   /* the header ended without one: we add it */
	struct span            filter, redirect;
	bool                   redirect_late;   /* by a milter's header, when all recipients were resolved */
	bool                   hold, discard;
	char                   status[16];      /* why it is refused */
	struct text            edits;
};

/* All three return -1 with m->status set ("5.6.0", "4.3.0") and the text for the client in `why`. */
int message_refuse(struct message *, const char *status, struct fault *, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
WAITS int message_read_header(struct message *, struct fault *);       /* into items */
WAITS int message_complete_header(struct message *, struct fault *);   /* drop, rewrite, count hops, add */
WAITS int message_check(struct message *, struct fault *);             /* header_checks ... body_checks */
/* cleanup_strict.c */
int cleanup_strict_open(struct fault *);                               /* reads the settings */
WAITS int message_check_characters(struct message *, int64_t *length, struct fault *);     /* first of all; may shorten it */
WAITS int message_check_mime(struct message *, struct fault *);
WAITS int message_check_edit(struct message *, struct item *, struct fault *);   /* milter_header_checks */
WAITS int message_resolve_sender(struct message *, struct fault *);
WAITS int message_resolve(struct message *, struct fault *);           /* recipients */
void message_add_rcpt(struct message *, const struct queue_rcpt *);    /* copied into the arena */
WAITS int message_redirect(struct message *, struct fault *);        /* to m->redirect alone, though they are resolved */
WAITS int message_resolve_copy(struct message *, struct fault *);    /* the last recipient, though the others are */
void message_forget_rcpt(struct message *, const struct queue_rcpt *);        /* it may be added once more */
WAITS int message_add_resolved(struct message *, const struct queue_rcpt *, bool expand, struct fault *);
WAITS int message_apply_edits(struct message *, struct fault *);
/* cleanup_utf8.c: must every server on the way know SMTPUTF8 (RFC 6531, 3.2)? */
bool message_needs_utf8(const struct message *);
/* Writes what is ours behind the content; the pieces are in c (free with message_content_free). */
WAITS int message_pieces(struct message *, struct message_content *c, struct fault *);

WAITS int cleanup_checks_open(struct fault *);                         /* before the sandbox */
WAITS void cleanup_session(int sock);
void cleanup_notice(const char *queue_id);

#endif
