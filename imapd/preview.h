/* SPDX-License-Identifier: ISC */
/*
 * preview.h - the first words of a message (RFC 8970), and its EMAILID (RFC 8474)
 *
 * Of the first text part: plain text, or HTML without its tags.  Blanks are
 * joined; at most PREVIEW_CHARACTERS characters of UTF-8, without controls.
 */
#ifndef IMAPD_PREVIEW_H
#define IMAPD_PREVIEW_H

#include "mail/mime.h"

enum { PREVIEW_CHARACTERS = 200 };

void preview_make(const struct mime *, struct text *out);

/* 32 hex digits: the GUID where it is such, else the end of its SHA-1 (as Dovecot has it). */
void object_id_of(struct span guid, char out[33]);

#endif
