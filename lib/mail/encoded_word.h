/* SPDX-License-Identifier: ISC */
/*
 * encoded_word.h - =?charset?Q?...?= in header values (RFC 2047), to and from UTF-8
 */
#ifndef MAIL_ENCODED_WORD_H
#define MAIL_ENCODED_WORD_H

#include "base/text.h"

/* Of an unfolded or raw value; blanks between two encoded words vanish, what is no encoded word
 * stays (bytes that are not UTF-8 become U+FFFD). */
void encoded_word_decode(struct span, struct text *out);
/* UTF-8 as encoded words of at most 75 bytes, a blank between them; ASCII stays as it is. */
void encoded_word_encode(struct span utf8, struct text *out);

#endif
