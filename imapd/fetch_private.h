/* SPDX-License-Identifier: ISC */
/*
 * fetch_private.h - one FETCH, between the files that answer it
 *
 *   fetch_items.c    what it asks for
 *   do_fetch.c       the command: which messages, \Seen, how it ends; and FETCH responses that no command asked for
 *   fetch_message.c  one message's response
 *   fetch_content.c  what of it comes out of the message's bytes
 */
#ifndef IMAPD_FETCH_PRIVATE_H
#define IMAPD_FETCH_PRIVATE_H

#include "content.h"
#include "fetch_items.h"
#include "session.h"

struct fetching {
	struct imap_session *session;
	struct fetch_items   items;
	struct arena        *arena;          /* of one message */
	struct index_batch  *batch;          /* NULL: no cache */
	bool                 missing;        /* a message was gone */
	bool                 made_seen;      /* some became \Seen by this: FLAGS are told of all (view_take) */
	bool                 unknown_encoding;   /* BINARY of what nobody can decode (RFC 3516, 4.3) */
	bool                 changed_since, vanished;
	uint64_t             since;
	bool                 limited;        /* RFC 9738: only the highest, and those downwards */
	uint32_t             lowest;
	bool                 partial;        /* RFC 9394 */
	int64_t              from, to;
};

/* What is known of a message without its file, from its name or the cache. */
struct facts {
	uint32_t              uid;
	const struct message *message;     /* by find_message */
	struct content        content;
	char                  email_id[33];
};

/* Tells the message at that position of the view; one that is gone is `missing`.  -1: session->why */
WAITS int fetch_message(struct fetching *, size_t position);

/* Is the file still to be had?  Asked before the response is begun, for the
 * items that need it: half a response cannot be taken back. */
WAITS bool fetch_is_at_hand(struct fetching *, struct facts *, struct fault *);

/* ENVELOPE, BODY or BODYSTRUCTURE, kept as they are told. */
WAITS int fetch_described(struct fetching *, struct facts *, enum fetch_item_kind, struct text *out, struct fault *);

/* The others tell their label, too. */
WAITS int fetch_section(struct fetching *, struct facts *, const struct fetch_item *, struct fault *);
WAITS int fetch_binary(struct fetching *, struct facts *, const struct fetch_item *, struct fault *);
WAITS int fetch_preview(struct fetching *, struct facts *, struct fault *);

#endif
