/* SPDX-License-Identifier: ISC */
/*
 * postfix_queue.h - the bytes of Postfix's queue files and logs: read and written
 *
 * A queue file of Postfix (3.x) is a row of records: a type, a length in base 128 (low
 * digits first), the bytes.
 *
 *   C size ...      first, of fixed length: what lies where, and the SMTPUTF8 flags
 *   T time, c, A name=value, F full name, S sender, W warning time, V verp, L filter, > redirect
 *   O original, A dsn_orig_rcpt=, A notify_flags=, then R recipient, D one that is done
 *   M               here the content begins: N a line, L a part of a line, without line ends
 *   X               here it is over; again envelope records, and E, the end
 *   p offset        go on there (0: here): how content is edited in place; w: padding
 *
 * What sendmail puts into maildrop has no C, and begins with T.
 *
 * The logs in bounce/, defer/ and trace/ are paragraphs of name=value lines.
 *
 * Everything here is pure, total, and takes linear time: what goes round is found out.
 * Source: files that Postfix 3.7 wrote, as its postcat -v -o shows them.
 */
#ifndef QUEUE_POSTFIX_QUEUE_H
#define QUEUE_POSTFIX_QUEUE_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/text.h"

enum {
	POSTFIX_SIZE_RECORD = 97,       /* the C record, whole */
	POSTFIX_LINE_PART = 2048        /* longer lines are written in L records */
};

/* trace_flags; ret_flags; the SMTPUTF8 flags: any of them means that it is needed */
enum { POSTFIX_TRACE_PROBE = 256, POSTFIX_TRACE_VERIFY = 512, POSTFIX_TRACE_REPORT = 1024 };
enum { POSTFIX_RET_FULL = 1, POSTFIX_RET_HEADERS = 2 };

struct postfix_rcpt {
	struct span address, original, orcpt;   /* internal form; original and orcpt may be empty */
	int         notify;                     /* the bits of enum submit_notify */
	bool        done;
	int64_t     at;                         /* of its record: the logs name it by that */
};

/* Spans point into the file. Empty: absent. */
struct postfix_message {
	bool        is_drop;                    /* of maildrop, as sendmail writes it */
	int64_t     arrival_us;
	struct span sender, full_name, filter, redirect, verp;
	struct span envid;                      /* decoded */
	struct span encoding, client_name, client_address, client_port, helo, protocol;
	struct span sasl_method, sasl_user, sasl_sender, origin;
	int         ret, trace;                 /* as above */
	bool        smtputf8, warned;
	struct postfix_rcpt *rcpts;             /* in the arena */
	size_t      n_rcpts;
	int64_t     content_at;                 /* behind the M record */
	int64_t     content_size;               /* with LF for each line end */
};

/* FAULT_INPUT for whatever a Postfix would not have written. */
int postfix_message_parse(struct span file, struct arena *, struct postfix_message *, struct fault *);

/* The file begins as Postfix's do: a C record, or the T of maildrop. */
bool postfix_file_begins(struct span);

/*
 * The content of a parsed message, record by record: zero it, set at = content_at.
 *   1: *part, and whether a line end follows it; 0: the end; -1 (not after postfix_message_parse)
 */
struct postfix_content { int64_t at, passed; };
int postfix_content_next(struct span file, struct postfix_content *, struct span *part, bool *ends, struct fault *);

/* ---- logs ---- */

struct postfix_reason {
	struct span recipient, original, orcpt, status, action, reason, mta, diagnostic;
	int64_t     at;                         /* of the recipient's record; 0 unknown */
	int         notify;
};
/* Takes the next paragraph off the front: false at the end. Lines that it does not know are passed over. */
bool postfix_reason_next(struct span *rest, struct postfix_reason *);
void postfix_reason_print(const struct postfix_reason *, struct text *out);

/* ---- writing ---- */

void postfix_put(struct text *out, char type, struct span value);
void postfix_put_attribute(struct text *out, const char *name, struct span value);   /* nothing when empty */
void postfix_put_number(struct text *out, const char *name, int64_t);                /* nothing when 0 */
/* Content in CRLF as N and L records. `partial`: within a line; start with false, and end with postfix_put_line_end. */
void postfix_put_content(struct text *out, struct span, bool *partial);
void postfix_put_line_end(struct text *out, bool partial);
/* The C record: size of the content, where it lies, recipients, flags. */
void postfix_put_size(struct text *out, int64_t size, int64_t content_at, size_t rcpts, bool smtputf8);

#endif
