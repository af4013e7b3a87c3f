/* SPDX-License-Identifier: ISC */
/*
 * imap_body.h - ENVELOPE, BODY, BODYSTRUCTURE and sections (RFC 3501, 6.4.5 and 7.4.2)
 */
#ifndef MAIL_IMAP_BODY_H
#define MAIL_IMAP_BODY_H

#include "base/fault.h"
#include "mail/mime.h"

/* A string is quoted when it can be, else a literal {n}CRLF... */
void imap_add_string(struct span, struct text *out);
/* Decimal: where thousands are told, a format costs more than all else. */
void imap_add_number(uint64_t, struct text *out);

void imap_envelope(struct span message_or_header, struct text *out);      /* with its parentheses */
void imap_body(const struct mime *, struct text *out); /* BODY: no extension data */
void imap_bodystructure(const struct mime *, struct text *out);

enum imap_section_kind {
	SECTION_ALL,             /* "" or "1.2": the message, or a part's body */
	SECTION_HEADER, SECTION_TEXT, SECTION_MIME,
	SECTION_HEADER_FIELDS, SECTION_HEADER_FIELDS_NOT
};

#define IMAP_SECTION_DEPTH 100
#define IMAP_SECTION_FIELDS 1000

struct imap_section {
	enum imap_section_kind kind;
	const uint32_t        *path;         /* part numbers */
	size_t                 depth;
	const struct span     *fields;       /* with SECTION_HEADER_FIELDS* */
	size_t                 field_count;
};

/* What stands between the brackets: 1.2.HEADER.FIELDS (From "To"); field names as atoms or quoted
 * (a literal among them must be made quoted by the caller). */
int imap_section_parse(struct arena *, struct span, struct imap_section *, struct fault *);
/* As it is told back in the response, without brackets. */
void imap_section_add(const struct imap_section *, struct text *out);

struct imap_found {
	bool        exists;      /* false: there is no such part: NIL */
	bool        is_text;     /* text holds it (header fields chosen); else the range */
	size_t      offset, length;
	struct text text;        /* owned: text_free */
};

/* The part that a path names, for its decoded bytes; NULL: there is none. */
const struct mime_part *imap_section_part(const struct mime *, const struct imap_section *);

/* HEADER.FIELDS and HEADER.FIELDS.NOT of a message's own header (with its empty line or without), which need no tree. */
void imap_section_fields(struct span header, const struct imap_section *, struct text *out);

void imap_section_find(const struct mime *, const struct imap_section *, struct imap_found *);

#endif
