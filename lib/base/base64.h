/* SPDX-License-Identifier: ISC */
/*
 * base64.h - the one base64 codec (RFC 4648, 4), and hex
 *
 * base64_decode is strict: whole quadruples, right padding, zero pad bits, no
 * blanks.  base64_decode_mime skips what is not in the alphabet and takes what
 * it can get, for bodies (RFC 2045, 6.8).
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/fault.h"
#include "base/text.h"

void base64_encode(struct span, struct text *out);          /* one line, padded */
int  base64_decode(struct span, struct text *out, struct fault *);
void base64_decode_mime(struct span, struct text *out);
void hex_encode(struct span, struct text *out);             /* lower case */
int  hex_decode(struct span, struct text *out, struct fault *);

#endif
