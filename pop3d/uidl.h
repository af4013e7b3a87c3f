/* SPDX-License-Identifier: ISC */
/*
 * uidl.h - the text of UIDL, by pop3_uidl_format
 *
 * Dovecot's formats, so that nobody downloads twice:
 *
 *   %u %v      UID and UIDVALIDITY, in decimal; with X in hexadecimal (lower case)
 *   %f %g      base of the file name, GUID
 *   %08Xu      to eight digits with zeros; %8f the first eight bytes; U and L change case
 *   %{uid} %{uidvalidity} %{filename} %{guid}   the same by name, and with filters as in Dovecot 2.4:
 *              %{uid | hex(8)}, upper, lower
 *   %%         a percent sign
 *
 * Not known is %m (MD5 of mbox headers).
 */
#ifndef POP3D_UIDL_H
#define POP3D_UIDL_H

#include "base/text.h"

struct uidl_values {
	uint32_t    uid, validity;
	struct span base, guid;
};

/* Pure and total; false: the format has something else, or nothing that tells messages apart. */
bool uidl_format(const char *format, const struct uidl_values *, struct text *out);

#endif
