/* SPDX-License-Identifier: ISC */
/*
 * mime_stream.h - a message that flows by: its fields and lines to a rule, its 8-bit parts to 7 bits
 *
 * For whoever passes a message on and must not hold it whole: it is given in spans of any cut and
 * comes out, with CRLF line ends, in a text that the caller empties.  Memory is bounded: a field
 * (header_limit; what is longer is cut, as Postfix's
 * header_size_limit does), a line of 4 KiB (longer lines
 * come in pieces), and a boundary for each level.
 *
 * The conversion (RFC 6152, 3; RFC 2045, 6) needs to know what comes, so it is two walks:
 *
 *   mime_stream_survey    says which leaf parts hold 8-bit bytes without an encoding that hides
 *                         them, and what else a sender wants to know before the first byte
 *   mime_stream_start     with `convert` = that survey: those parts become quoted-printable; what is
 *                         only labelled 8bit or binary is relabelled 7bit; all else is as it was.
 *                         A message without MIME gets its labels (charset unknown-8bit: RFC 1428)
 *
 * Multiparts and message/rfc822 are never encoded themselves; their parts are.  8-bit bytes in
 * headers, preambles, and behind nesting_limit stay.
 */
#ifndef MAIL_MIME_STREAM_H
#define MAIL_MIME_STREAM_H

#include "base/text.h"

/* Whose field: the message's own, one that describes a part (Content-*, and all in a part's
 * header), one of a message inside. */
enum mime_place { MIME_PRIMARY, MIME_PART_FIELD, MIME_NESTED };

struct mime_survey {
	bool        eight_bit;      /* some leaf is to be converted, or is labelled 8bit or binary */
	bool        declared;       /* a label says 8bit or binary */
	size_t      longest;        /* line, without its end */
	bool        bare;           /* a CR or LF that stands alone */
	bool        open_end;       /* the last line has no end */
	bool        line_dots;      /* some line begins with a dot */
	struct text marks;          /* a byte for each entity, in order: 1 to be encoded. mime_survey_free */
};
void mime_survey_free(struct mime_survey *);

struct mime_stream_settings {
	size_t header_limit;        /* 0: 102400 */
	size_t nesting_limit;       /* 0: 100 */
	const struct mime_survey *convert;   /* borrowed; NULL: nothing is converted */
	void  *context;
	/* A field with its folds, without the last line end: adds what shall stand there instead, line
	 * ends included. NULL: it stays. */
	void (*field)(void *context, enum mime_place, struct span field, struct text *out);
	/* A body line (or a piece of one) without its end; `first`: a segment begins here. True: it
	 * stays; false: what was added to out (whole lines) stands instead. NULL: it stays. */
	bool (*line)(void *context, bool first, struct span line, struct text *out);
};

struct mime_stream;
struct mime_stream *mime_stream_start(const struct mime_stream_settings *);
/* The same walk that only looks, with the same limits: `out` of the calls below is not touched and may
 * be NULL; the zeroed survey is the caller's and must outlive it. */
struct mime_stream *mime_stream_survey(const struct mime_stream_settings *, struct mime_survey *);
void mime_stream_feed(struct mime_stream *, struct span, struct text *out);
void mime_stream_end(struct mime_stream *, struct text *out);     /* what was still held; once */
void mime_stream_free(struct mime_stream *);                      /* NULL is fine */

#endif
