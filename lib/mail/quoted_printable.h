/* SPDX-License-Identifier: ISC */
/*
 * quoted_printable.h - RFC 2045, 6.7
 *
 * Decoding is tolerant: a "=" that starts nothing stays.  Encoding gives lines of at most
 * 76 bytes that end in CRLF, and takes CRLF or LF as line ends (text).
 */
#ifndef MAIL_QUOTED_PRINTABLE_H
#define MAIL_QUOTED_PRINTABLE_H

#include "base/text.h"

void quoted_printable_decode(struct span, struct text *out);
void quoted_printable_encode(struct span, struct text *out);

#endif
