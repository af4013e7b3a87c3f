/* SPDX-License-Identifier: ISC */
/*
 * charset.h - other people's character sets, to UTF-8
 *
 * utf-8, us-ascii, iso-8859-1 and windows-1252 are done here; all others by iconv(3).  In a
 * sandbox iconv can open only what is open already (FACTS.md 2): a program calls
 * charset_prepare() before it confines itself, which opens the mail charsets and keeps them.
 * What cannot be converted becomes U+FFFD; the result is always valid UTF-8.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/text.h"

void charset_prepare(void);
/* False: the charset is unknown, and bytes above 127 became U+FFFD. */
bool charset_to_utf8(struct span charset, struct span in, struct text *out);

bool utf8_valid(struct span);               /* RFC 3629: no overlong forms, no surrogates */
bool utf8_printable(struct span);           /* valid, and no control: C0, DEL, C1 */
bool span_is_ascii(struct span);            /* no byte above 127 */
/* Length of the valid sequence at the front (1 to 4), or 0. */
size_t utf8_length(struct span);
void utf8_add(uint32_t code_point, struct text *out);

#endif
