/* SPDX-License-Identifier: ISC */
/*
 * filename.h - names of messages in a Maildir
 *
 *   <base>[,S=<bytes>][,W=<bytes with CRLF>]:2,<flags>[,<foreign>]
 *
 * The identity of a message is everything before the first ':' (sizes
 * included).  Flags stand behind the last ":2,": D F R S T and a..z for
 * keywords 0..25 of dovecot-keywords; other letters are kept as they are.  A
 * second ',' starts a foreign set that is kept; in it "+26+31" are our own
 * keywords beyond the letters (numbers of postern-keywords).
 * Source: https://cr.yp.to/proto/maildir.html, Maildir++, Dovecot's files.
 */
#ifndef STORE_FILENAME_H
#define STORE_FILENAME_H

#include "base/text.h"

enum message_flag {
	MESSAGE_DRAFT = 1, MESSAGE_FLAGGED = 2, MESSAGE_ANSWERED = 4, MESSAGE_SEEN = 8,
	MESSAGE_DELETED = 16, MESSAGE_FLAGS = 31
};

enum { KEYWORD_LETTERS = 26, KEYWORDS_MAX = 64, FILE_NAME_OTHER = 64 };

struct file_name {
	struct span base;                    /* borrowed: the identity */
	bool        has_size, has_full_size;
	uint64_t    size, full_size;         /* S=, W= */
	bool        has_info;                /* ":2," is there */
	unsigned    flags;                   /* enum message_flag */
	uint64_t    keywords;                /* bit n is keyword n */
	char        other[FILE_NAME_OTHER];  /* unknown letters, in their order */
	size_t      n_other;
	struct span foreign;                 /* borrowed: behind the second ','; may hold our +n */
};

/* Total: every string is some name. */
void file_name_parse(struct span name, struct file_name *out);
void file_name_parse_info(struct span name, struct file_name *out);      /* all but the sizes */

/* `like` gives base, other letters and foreign set; flags and keywords are new. */
void file_name_format(const struct file_name *like, unsigned flags, uint64_t keywords,
	struct text *out);

/* Dovecot's order of unknown files: seconds, M microseconds, the rest. */
int file_name_compare(struct span base_a, struct span base_b);
uint64_t file_name_number(struct span base);     /* the seconds: of two with different ones, the less comes first */

#endif
