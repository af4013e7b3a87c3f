/* SPDX-License-Identifier: ISC */
/*
 * casemap.h - i;unicode-casemap (RFC 5051): what SEARCH, SORT and THREAD compare by (RFC 5255)
 *
 * Every character gets its titlecase and is then decomposed wholly, so that "GROSSE", "groSSe" are one and "e" is found
 * in "É" ("E" and an accent).  The result is UTF-8 and is compared by octets.  ASCII becomes upper case.  What is
 * not valid UTF-8 becomes U+FFFD, byte for byte.
 */
#ifndef MAIL_CASEMAP_H
#define MAIL_CASEMAP_H

#include "base/text.h"

void casemap_add(struct span utf8, struct text *out);

#endif
