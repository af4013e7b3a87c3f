/* SPDX-License-Identifier: ISC */
/*
 * message.h - what SEARCH looks at in a message, piece by piece
 *
 * A piece is the whole of a header field or of a body part, decoded (RFC 2045, 2047, 2231), in UTF-8, folded
 * (mail/casemap.h), lines ending in LF; a string is in a message when it is in one of its pieces.  Whoever scans and
 * whoever builds an index (segment.h) take the same pieces, so that both find the same.
 *
 *   header field    "Subject: ..." whole, as TEXT finds it; `value` is where its value begins, for HEADER and its kin
 *   MIME header     of a part, the same; names of files once more where RFC 2231 hides them
 *   body            text and message parts, headers of messages inside; XML and JSON; HTML twice, as it is written
 *                   and as it is read (markup.h); office documents (office.h)
 *
 * Bounds: SEARCH_PART_MOST bytes of a part as it is written, SEARCH_UNPACKED_MOST bytes out of all archives of a message;
 * what is beyond is not searched.  Memory: about eight times the part.
 */
#ifndef SEARCH_MESSAGE_H
#define SEARCH_MESSAGE_H

#include "mail/mime.h"

enum { SEARCH_PART_MOST = 16 << 20, SEARCH_UNPACKED_MOST = 64 << 20 };

enum search_zone {
	ZONE_HEADER = 1, ZONE_FROM = 2, ZONE_TO = 4, ZONE_CC = 8, ZONE_BCC = 16, ZONE_SUBJECT = 32, ZONE_MIME = 64, ZONE_BODY = 128,
	ZONE_TEXT = 255,                                   /* all: SEARCH TEXT */
	ZONE_FIELDS = 63                                   /* the message's own header */
};

struct search_piece {
	unsigned    zone;        /* one of the above */
	struct span name;        /* of a header field */
	struct span text;        /* folded; borrowed until the visit ends */
	size_t      value;       /* offset in text, of a header field */
};

/* False: enough, no more pieces are wanted. */
struct search_visitor {
	bool (*visit)(void *context, const struct search_piece *);
	void  *context;
	struct span field;       /* of the header's fields those of that name alone; empty: all */
};

/* Zone of the fields of that name; ZONE_HEADER for those that have none of their own. */
unsigned search_zone_of(struct span field);

/* Both false: a visit was. The first needs no more than the header. */
bool search_header(struct span header, const struct search_visitor *);
bool search_body(const struct mime *, unsigned zones, const struct search_visitor *);

/* A string to look for, in the same form. */
void search_string(struct span utf8, struct text *out);

#endif
