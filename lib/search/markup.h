/* SPDX-License-Identifier: ISC */
/*
 * markup.h - the words of HTML and XML
 *
 * Tags vanish, so that "Hel<b>lo</b>" is one word; those that begin or end a block, a cell or a line become a line end;
 * scripts, styles and comments are left out; entities become characters; runs of blanks become one.  Input and output
 * are UTF-8, and the output is never longer than the input.  Total: whatever is no markup is text.
 */
#ifndef SEARCH_MARKUP_H
#define SEARCH_MARKUP_H

#include "base/text.h"

void markup_text(struct span utf8, struct text *out);

#endif
