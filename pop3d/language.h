/* SPDX-License-Identifier: ISC */
/*
 * language.h - UTF8 and LANG (RFC 6856), as pop3-login and pop3d have them in common
 *
 * UTF8 is said before login and holds for the session; it travels with it (ipc/login.h).  To whoever did not say
 * it nothing but ASCII is sent in headers (surrogate.h).  Our texts are English, whatever language is chosen: LANG
 * lists no other, and there is nothing to remember.
 */
#ifndef POP3D_LANGUAGE_H
#define POP3D_LANGUAGE_H

#include "base/text.h"
#include "config/param.h"

struct utf8_config {
	bool        enable;
	const char *username_chars;      /* authd's: whether names of users may be UTF-8 at all */
};
#define POP3_UTF8_ROWS(c) \
	BOOLEAN("pop3_utf8_enable", &(c)->enable, "yes", \
		"UTF8 (RFC 6856): clients that do not ask for it get headers in ASCII (RFC 6857), by a copy that is made as it is sent; no: all get messages as they are"), \
	RAW("auth_username_chars", &(c)->username_chars, "", "characters that a user name may have; empty: all that no path and no log line is made of")

/* Lines of CAPA, the same before login and after (2, 3.1), without the last line end.  UTF8 has the argument USER (2.2)
 * unless the site allows no such names: names and passwords are compared byte by byte, as they are by IMAP, with
 * what passwd-file or database hold; nobody prepared those by SASLprep, so neither is what is compared with them. */
void language_capabilities(const struct utf8_config *, struct text *out);

/* The answer to LANG, without the last line end.  Total; a range is matched by lookup (RFC 4647, 3.4). */
void language_answer(struct span argument, struct text *out);

#endif
