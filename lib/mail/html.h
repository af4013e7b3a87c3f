/* SPDX-License-Identifier: ISC */
/*
 * html.h - the words of an HTML text: tags become blanks, entities characters; scripts and styles are left out
 *
 * For previews, filters and searches: not a parser, and nothing to show to a browser.  Linear, total.
 */
#ifndef MAIL_HTML_H
#define MAIL_HTML_H

#include "base/text.h"

void html_text(struct span utf8, struct text *out);

#endif
