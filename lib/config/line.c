/* SPDX-License-Identifier: ISC */
/*
 * line.c - logical lines of main.cf, master.cf and table sources
 */
#include "config/line.h"

static bool
says_nothing(struct span s)
{
	s = span_trim(s);
	return s.len == 0 || s.at[0] == '#';
}

bool
config_line_next(struct span *rest, struct line *line)
{
	bool started = false;

	text_clear(&line->text);
	while (rest->len) {
		struct span before = *rest, piece;

		span_split(rest, '\n', &piece);
		if (says_nothing(piece)) {
			line->last++;
			continue;
		}
		if (started && piece.at[0] != ' ' && piece.at[0] != '\t') {
			*rest = before;
			break;
		}
		line->last++;
		if (!started)
			line->number = line->last;
		started = true;
		text_add(&line->text, piece);
	}
	return started;
}

void
line_free(struct line *line)
{
	text_free(&line->text);
}
