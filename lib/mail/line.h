/* SPDX-License-Identifier: ISC */
/*
 * line.h - line ends: the one file that decides them
 *
 * All four take a stream in spans of any cut and add to a text; what has been
 * given is the same for every cut.  A decoder or encoder is a plain struct,
 * zero plus its start call; nothing to free.
 *
 *   line_decoder   SMTP DATA from the wire (RFC 5321, 4.1.1.4 and 4.5.2)
 *   line_encoder   content to the wire (SMTP, LMTP, POP3), or to CRLF without dots (IMAP, BDAT)
 *   line_unix      content to LF (Maildir, mbox, pipe)
 */
#ifndef MAIL_LINE_H
#define MAIL_LINE_H

#include "base/text.h"

/*
 * Only CR LF . CR LF ends the data, whatever the mode.  A bare LF is a line end and comes
 * out as CRLF; the mode says what the caller must do about it (counts are kept):
 * smtpd_forbid_bare_newline = no, normalize: nothing; note: log; reject: refuse and hang up.
 * A bare CR comes out as a blank (cleanup_replace_stray_cr_lf) unless keep_cr; CRs right
 * before a line end are dropped, as Postfix does.
 */
enum bare_newline {
	BARE_NEWLINE_NO, BARE_NEWLINE_NORMALIZE, BARE_NEWLINE_REJECT, BARE_NEWLINE_NOTE
};

struct line_decoder {
	enum bare_newline mode;
	bool     keep_cr;
	bool     over;           /* the end of data was seen */
	bool     refuse;         /* mode reject, and there was a bare LF: reply, hang up */
	bool     eight_bit;      /* a byte above 127 was seen */
	uint64_t bare_lf, bare_cr;
	uint64_t bytes, lines;   /* that came out */
	size_t   longest;        /* longest line, without its end */
	int      state;          /* the rest is line.c's */
	bool     dot;
	size_t   pending_cr, column;
};

void line_decoder_start(struct line_decoder *, enum bare_newline);
/* How many bytes were used: all, unless over (then the rest is the next command). */
size_t line_decode(struct line_decoder *, struct span in, struct text *out);

struct line_encoder {
	bool     dots;           /* stuff leading dots; line_encode_end adds ".\r\n" */
	bool     keep_cr;        /* a bare CR stays (IMAP literals must); else a blank */
	size_t   limit;          /* lines are broken before this many bytes by CRLF and a blank
	                            (smtp_line_length_limit); 0: never */
	bool     broke;          /* a line was broken */
	uint64_t bytes, lines;
	bool     cr;             /* the rest is line.c's */
	size_t   column;
};

void line_encoder_start(struct line_encoder *, bool dots, size_t limit);
void line_encode(struct line_encoder *, struct span in, struct text *out);
/* With dots or a limit: the missing last line end, unless the content was empty; with dots: the
 * final dot.  With neither (IMAP) nothing is added. */
void line_encode_end(struct line_encoder *, struct text *out);

struct line_unix {
	bool     escape_from;    /* mbox: "From " at the start of a line becomes ">From " */
	uint64_t bytes;
	bool     cr;             /* the rest is line.c's */
	size_t   column;
	size_t   matched;
};

void line_unix_start(struct line_unix *, bool escape_from);
void line_unix_feed(struct line_unix *, struct span in, struct text *out);
void line_unix_end(struct line_unix *, bool final_newline, struct text *out);

/* As many bytes as the span has with every bare LF counted as CRLF. */
uint64_t line_crlf_size(struct span);
/* Those bytes. */
void line_add_crlf(struct span, struct text *out);
/* Takes a line and its end (CRLF or LF) off the front; the line is without it. False when empty. */
bool line_next(struct span *rest, struct span *line);

#endif
