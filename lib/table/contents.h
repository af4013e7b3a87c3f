/* SPDX-License-Identifier: ISC */
/*
 * contents.h - values that name files, and stand for what is in them (postmap -F)
 *
 *   contents_read    the files named in `names`, separated by commas and blanks, added to
 *                    *out with a line end between them: -1 why
 *   contents_encode  the same, in base64, as a built table holds it
 */
#ifndef TABLE_CONTENTS_H
#define TABLE_CONTENTS_H

#include "base/fault.h"
#include "base/text.h"

int contents_read(struct span names, struct text *out, struct fault *);
int contents_encode(struct span names, struct text *out, struct fault *);

#endif
