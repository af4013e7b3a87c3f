/* SPDX-License-Identifier: ISC */
/*
 * message.h - the bytes of a message, by descriptor, offset and length
 *
 * A message is a sequence of pieces of one descriptor: ranges of the content
 * as received, and of bytes inserted by edits, which lie in the same file.
 * Nobody outside lib/queue knows file names. Content is in wire form: CRLF,
 * dots unstuffed. In a frame pieces are text: "512+1200,3000+80".
 */
#ifndef QUEUE_MESSAGE_H
#define QUEUE_MESSAGE_H

#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

struct piece { int64_t at, len; };

struct message_content {
	int           fd;            /* borrowed, or owned by whoever says so */
	struct piece *pieces;        /* owned: free() */
	size_t        n_pieces;
	int64_t       size;          /* sum of the pieces */
};

int  message_pieces_parse(struct span, struct message_content *, struct fault *);   /* fd untouched; bounded at 10,000 */
void message_pieces_print(const struct message_content *, struct text *);
void message_content_free(struct message_content *);       /* pieces only, not fd */

/* Reads on from *position (0 at first): at most limit bytes of one piece, into
 * `into` (replaced). 0 with into->len == 0 is the end. */
int  message_read(const struct message_content *, int64_t *position, size_t limit, struct text *into, struct fault *);
/* The header, to the empty line or `limit`. */
int  message_header(const struct message_content *, size_t limit, struct text *out, struct fault *);

#endif
