/* SPDX-License-Identifier: ISC */
/*
 * tool_client.c - an IMAP client in a few lines, and how records are printed
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "grammar.h"
#include "tool.h"

enum { ANSWER_MS = 3600000, LINE_MOST = 1 << 20, LITERAL_MOST = 1 << 30 };

/* A line with the literals in it. */
static int
read_response(struct tool *t, struct span *out, struct fault *why)
{
	autotext struct text all = {0};
	struct span          line, piece;
	uint64_t             size;
	bool                 crlf, plus;
	size_t               at;

	for (;;) {
		if (conn_line(t->conn, LINE_MOST, &line, &crlf, why) < 0)
			return -1;
		text_add(&all, line);
		if (!grammar_literal(line, &size, &plus, &at) || size > LITERAL_MOST)
			break;
		text_add_string(&all, "\r\n");
		for (; size; size -= piece.len) {
			if (conn_some(t->conn, size < LINE_MOST ? (size_t)size : LINE_MOST, &piece, why) < 0)
				return -1;
			text_add(&all, piece);
		}
	}
	*out = arena_span(t->arena, text_span(&all));
	return 0;
}

static int
read_until(struct tool *t, const char *tag, struct tool_line **told, struct fault *why)
{
	struct tool_line **last = told;
	struct span        line;

	for (;;) {
		if (read_response(t, &line, why) < 0)
			return -1;
		if (span_starts(line, tag)) {
			line = span_from(line, strlen(tag));
			return span_starts_nocase(line, "OK") ? 0
				: fault_set(why, FAULT_DENIED, "%.*s", SPAN_ARGS(span_first(line, 300)));
		}
		if (span_starts(line, "+ "))
			return 1;
		if (!span_starts(line, "* "))
			continue;
		*last = arena_alloc(t->arena, sizeof **last);
		(*last)->text = span_from(line, 2);
		(*last)->next = NULL;
		last = &(*last)->next;
	}
}

int
tool_ask(struct tool *t, struct tool_line **told, const char *format, ...)
{
	autotext struct text command = {0};
	struct fault         why = {0};
	va_list              args;
	int                  result = -1;

	*told = NULL;
	text_add_string(&command, "t ");
	va_start(args, format);
	text_add_args(&command, format, args);
	va_end(args);
	text_add_string(&command, "\r\n");
	conn_deadline(t->conn, clock_after(ANSWER_MS));
	if (conn_write(t->conn, text_span(&command), &why) == 0 && conn_flush(t->conn, &why) == 0)
		result = read_until(t, "t ", told, &why);
	if (result < 0)
		log_error("%s: %s", t->user->user, fault_text(&why));
	return result;
}

const char *
tool_quote(struct tool *t, struct span s)
{
	autotext struct text out = {0};

	text_add_byte(&out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_add_byte(&out, '\\');
		if (s.at[i] != '\r' && s.at[i] != '\n')
			text_add_byte(&out, s.at[i]);
	}
	text_add_byte(&out, '"');
	return arena_string(t->arena, text_span(&out));
}

/* ------------------------------------------------------------ records */

/* Control bytes of a message are not for a terminal; a table's cell has no line ends. */
static void
put_clean(struct span s, bool lines)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c == '\r' && i + 1 < s.len && s.at[i + 1] == '\n')
			continue;
		putchar(c == '\t' || (lines && c == '\n') || (c >= 0x20 && c != 0x7f) ? c : '?');
	}
}

static void
put_json(struct span s)
{
	putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
put_row(struct tool *t, const char *const *names, const struct span *values, size_t count)
{
	const char *f = t->format;
	bool        json = strcmp(f, "json") == 0, tab = strcmp(f, "tab") == 0, flow = strcmp(f, "flow") == 0;

	if (json)
		fputs(*t->rows ? ",{" : "[{", stdout);
	else if (!flow && *t->rows == 0)
		for (size_t i = 0; i < count; i++)
			printf(tab ? "%s%s" : "%s%-16s", tab && i ? "\t" : "", names[i]);
	if (!json && !flow && *t->rows == 0)
		putchar('\n');
	for (size_t i = 0; i < count; i++) {
		if (json) {
			printf("%s\"%s\":", i ? "," : "", names[i]);
			put_json(values[i]);
			continue;
		}
		if (flow)
			printf("%s%s=", i ? " " : "", names[i]);
		else if (tab && i)
			putchar('\t');
		put_clean(values[i], false);
		if (!flow && !tab)
			printf("%*s", values[i].len < 15 ? 16 - (int)values[i].len : 1, "");
	}
	putchar(json ? '}' : '\n');
	++*t->rows;
}

void
tool_row(struct tool *t, const char *const *names, const struct span *values, size_t count)
{
	const char *all[20];
	struct span full[20];

	if (!t->many || count >= COUNT(all)) {
		put_row(t, names, values, count);
		return;
	}
	all[0] = "username";
	full[0] = span_of(t->user->user);
	for (size_t i = 0; i < count; i++) {
		all[i + 1] = names[i];
		full[i + 1] = values[i];
	}
	put_row(t, all, full, count + 1);
}

void
tool_rows_end(const struct tool *t)
{
	if (!t->many && strcmp(t->format, "json") == 0)
		puts(*t->rows ? "]" : "[]");
}
