/* SPDX-License-Identifier: ISC */
/*
 * line.h - logical lines of main.cf, master.cf and table sources
 *
 * Empty lines and lines whose first non-blank is # are skipped wherever they
 * stand; a line that starts with a blank goes on with the one before, its
 * line end taken out and its blanks kept.
 */
#ifndef CONFIG_LINE_H
#define CONFIG_LINE_H

#include "base/span.h"
#include "base/text.h"

struct line {
	struct text text;      /* owned; good until the next call */
	int         number;    /* of its first physical line */
	int         last;      /* of the last physical line read */
};

bool config_line_next(struct span *rest, struct line *);     /* start with a zeroed line */
void line_free(struct line *);

#endif
