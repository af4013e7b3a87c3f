/* SPDX-License-Identifier: ISC */
/*
 * identity_lines.c - the lines of Dovecot's *.conf.ext
 */
#include "guard/identity_lines.h"

#include "config/list.h"

static struct span
without_comment(struct span line)
{
	char quote = '\0';

	for (size_t i = 0; i < line.len; i++) {
		char c = line.at[i];

		if (quote && c == '\\')
			i++;
		else if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '#')
			return span_trim(span_first(line, i));
	}
	return line;
}

static struct span
unquoted(struct span value, struct text *room)
{
	char quote = value.len > 1 ? value.at[0] : '\0';

	if ((quote != '"' && quote != '\'') || value.at[value.len - 1] != quote)
		return value;
	value = span_cut(value, 1, value.len - 1);
	text_clear(room);
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] == '\\' && i + 1 < value.len)
			i++;
		text_add_byte(room, value.at[i]);
	}
	return text_span(room);
}

int
identity_lines(struct span in, int (*each)(void *, struct span, struct span, struct fault *), void *context, struct fault *why)
{
	autotext struct text whole = {0}, room = {0};
	struct span          line, name, value;
	int                  number = 0, outcome = 0;

	while (outcome == 0 && in.len) {
		bool more;

		span_split(&in, '\n', &line);
		number++;
		line = span_trim(line);
		if (span_starts(line, "#"))
			continue;
		line = without_comment(line);
		more = span_ends(line, "\\");
		text_add(&whole, more ? span_first(line, line.len - 1) : line);
		if ((more && in.len) || !span_trim(text_span(&whole)).len)
			continue;
		outcome = list_assignment(text_span(&whole), &name, &value, why);
		if (outcome == 0)
			outcome = span_has(value, '\0') ? fault_set(why, FAULT_INPUT, "a NUL byte") : each(context, name, unquoted(value, &room), why);
		if (outcome < 0)
			fault_prefix(why, "line %d", number);
		text_clear(&whole);
	}
	if (whole.at)
		mem_wipe(whole.at, whole.room);
	if (room.at)
		mem_wipe(room.at, room.room);
	return outcome;
}
