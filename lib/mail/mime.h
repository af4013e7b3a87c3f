/* SPDX-License-Identifier: ISC */
/*
 * mime.h - the parts of a message in memory (RFC 2045, 2046, 2183, 2231)
 *
 * The message is borrowed (a mapped file, say) and must outlive the tree, whose spans point
 * into it or into the arena.  Lines end in CRLF or LF.  Nothing fails: what is beyond a bound is
 * left out of the description, never of the message, and `cut` is set.  One pass, no recursion.
 *
 * Sizes: offsets count bytes of the span; *_size counts every bare LF as CRLF, which is what
 * IMAP and POP3 tell.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"
#include "base/text.h"

#define MIME_PART_LIMIT  10000
#define MIME_DEPTH_LIMIT 100
#define MIME_PARAM_LIMIT 64

struct mime_param {
	struct span name;        /* lower case, without "*0*" */
	struct span value; /* unquoted, continuations joined; RFC 2231 encoding still there if */
	bool        extended;    /* charset'language'%XX (IMAP tells the name with "*" then) */
};

struct mime_params {
	struct mime_param *at;
	size_t             count;
};

struct mime_part {
	/* of a multipart; of message/rfc822 the one inside */
	struct mime_part  *parent, *next, *children;
	unsigned           depth;                    /* root 0 */
	unsigned           child_count;
	bool               is_multipart; /* with a boundary: has (perhaps no) children */
	bool               is_message; /* message/rfc822 (or global): one child, if within bounds */

	struct span        type, subtype;            /* as written; text plain when absent */
	struct mime_params params;
	struct span        encoding;                 /* as written, empty: none (7bit) */
	struct span        disposition;              /* empty: none */
	struct mime_params disposition_params;
	struct span        languages;                /* raw value of Content-Language, or empty */
	struct span        location, id, description, md5; /* unfolded, or empty */
	bool               has_content_type;

	size_t             start, body, end;         /* header [start, body), body [body, end) */
	uint64_t           header_size, body_size;
	uint64_t           header_lines, body_lines;
};

struct mime {
	struct span       message;
	struct mime_part *root;
	size_t            count;
	bool              cut;
	bool              global;
};

struct mime *mime_parse(struct arena *, struct span message);
/* The same, but message/global is a message, too, unless it is encoded (RFC 9051, 7.5.2). */
struct mime *mime_parse_global(struct arena *, struct span message);

/* Depth-first walk: the part after this one, NULL at the end. */
struct mime_part *mime_next(const struct mime_part *);

/* the empty line included */
struct span mime_header(const struct mime *, const struct mime_part *);
struct span mime_body(const struct mime *, const struct mime_part *);

/* A parameter as UTF-8 (RFC 2231 and, as many write, RFC 2047 decoded), in the arena; empty:
 * none. */
struct span mime_param_text(struct arena *, const struct mime_params *, const char *name);
bool mime_param_find(const struct mime_params *, const char *name, struct mime_param *);

/* The body with its transfer encoding undone; and, for text/, in UTF-8. */
void mime_decode_body(const struct mime *, const struct mime_part *, struct text *out);
void mime_decode_text(const struct mime *, const struct mime_part *, struct text *out);

/* One structured value: "text/plain; charset=x" */
void mime_parse_content_type(struct arena *, struct span value, struct span *type,
                             struct span *subtype, struct mime_params *);
void mime_parse_disposition(struct arena *, struct span value, struct span *kind,
                            struct mime_params *);

#endif
