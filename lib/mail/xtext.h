/* SPDX-License-Identifier: ISC */
/*
 * xtext.h - "+XX" quoting of ESMTP values (RFC 3461, 4), and of UTF-8 addresses (RFC 6533, 3)
 *
 * Decoders refuse what the grammar does not allow and what would decode to
 * CR, LF, NUL or another control: such bytes never get further.
 */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/fault.h"
#include "base/text.h"

void xtext_encode(struct span, struct text *out);
int  xtext_decode(struct span, struct text *out, struct fault *);          /* ASCII result */

/* utf-8-addr-xtext: as xtext, with \x{HEX} for what is not ASCII; and
 * utf-8-addr-unitext, where UTF-8 stands as it is. Decoding takes both. */
void xtext_utf8_encode(struct span, struct text *out);
int  xtext_utf8_decode(struct span, struct text *out, struct fault *);

#endif
