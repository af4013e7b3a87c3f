/* SPDX-License-Identifier: ISC */
/*
 * header.h - header fields of a message in memory (RFC 5322, 2.2), and a writer of them
 *
 * Lines end in CRLF or LF (Maildir): both are taken everywhere. Offsets are into the
 * span that was given.  A header ends at the first empty line, or with the message.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"
#include "mail/address.h"

#define HEADER_SIZE_LIMIT  (256 * 1024)   /* described of one header, bytes */
#define HEADER_FIELD_LIMIT 1000           /* and fields */

struct header_field {
	struct span name; /* as written, blanks before ":" off; empty: the line is no field */
	/* raw: folds are there, blanks around it and the last line end are not */
	struct span value;
	size_t      start, end;  /* the whole field in the message, its last line end included */
};

/*
 * The next field at *at (0 at first), *at moves behind it.  False at the empty line
 * (*at is then the body's offset) or the end of the message.  A line that is neither a
 * field nor a continuation is given with an empty name: cleanup ends the header there, as
 * Postfix does; others skip it.  The walk itself is not bounded; callers count.
 */
bool header_next(struct span message, size_t *at, struct header_field *);

/* Offset of the body: behind the empty line. *header_end (may be NULL) is where the fields end.
 * header_is_over(line): the line alone is not a field (for streams). */
size_t header_body_offset(struct span message, size_t *header_end);
bool header_line_is_field(struct span line);
/* First field of that name within the limits; false: none. */
bool header_find(struct span message, const char *name, struct header_field *);

void header_unfold(struct span value, struct text *out);        /* line ends off, blanks kept */
/* the same, trimmed, in the arena */
struct span header_unfolded(struct arena *, struct span value);

/*
 * The header without the fields that make up most of it and that hardly anybody asks for
 * (Received, signatures, verdicts): what a cache keeps.  Asked for a field that
 * header_is_skimmed_off denies, it answers as the header does, within the limits above.  False:
 * it is too large for that (what was added is then nothing).
 */
bool header_skim(struct span header, struct text *out);
bool header_is_skimmed_off(struct span name);

/* What cleanup, sendmail -t and rewriting ask about a name. 0: nothing special. */
enum header_flags {
	/* holds sender addresses: From Sender Reply-To Return-Path Errors-To ... */
	HEADER_SENDER    = 1,
	HEADER_RECIPIENT = 2,    /* holds recipient addresses: To Cc Bcc Apparently-To ... */
	HEADER_RESENT    = 4,
	/* sendmail -t takes recipients from it: To Cc Bcc, or their Resent- */
	HEADER_EXTRACT   = 8,
	/* message_drop_headers by default: Bcc Resent-Bcc Content-Length Return-Path */
	HEADER_DROP      = 16,
	HEADER_MIME      = 32,   /* Content-*, MIME-Version */
	HEADER_TRACE     = 64,   /* Received, Delivered-To, Return-Path: new ones go above */
};
unsigned header_flags(struct span name);
#define HEADER_ADDRESSES (HEADER_SENDER | HEADER_RECIPIENT)

/*
 * Writers add whole fields with CRLF. The value may hold neither CR, LF nor NUL and the
 * name must be a name (RFC 5322, 3.6.8): else -1 and nothing is added.  header_add_folded
 * breaks at blanks before column 78 where it can; header_add_raw takes a value that is already
 * folded right (every CRLF or LF followed by a blank), and checks that.
 */
int header_add(struct text *out, const char *name, struct span value, struct fault *);
int header_add_folded(struct text *out, const char *name, struct span value, struct fault *);
int header_add_raw(struct text *out, const char *name, struct span value, struct fault *);
int header_add_format(struct text *out, const char *name, struct fault *, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* "To: a@b, Name <c@d>": one address to a fold; names quoted as needed; groups kept. */
int header_add_list(struct text *out, const char *name, const struct address_list *,
                    struct fault *);

/* "Display Name" as a phrase: plain, quoted, or RFC 2047 encoded when not ASCII. */
void header_quote_phrase(struct span utf8, struct text *out);

#endif
