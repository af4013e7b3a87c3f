/* SPDX-License-Identifier: ISC */
/*
 * office.h - the words of office documents: docx, xlsx, pptx (ECMA-376), odt, ods, odp (ISO 26300)
 *
 * These are ZIP archives (APPNOTE.TXT) of XML.  Texts, notes, comments, shared strings and titles are read; numbers and
 * formulas in cells are not.  What is encrypted, of ZIP64 or damaged is passed over.
 */
#ifndef SEARCH_OFFICE_H
#define SEARCH_OFFICE_H

#include "base/text.h"

enum {
	OFFICE_ENTRIES_MOST = 2000,            /* looked at, of an archive */
	OFFICE_RATIO_MOST = 200,               /* bytes out of one byte of an archive's member */
	OFFICE_UNPACKED_MOST = 16 << 20        /* bytes of XML, of an archive */
};

bool office_is(struct span bytes);                         /* begins as an archive does */
/* Adds words in UTF-8.  At most *budget bytes are unpacked, and taken off it; those that are read
 * for nothing, too. */
void office_text(struct span bytes, size_t *budget, struct text *out);

#endif
