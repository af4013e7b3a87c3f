/* SPDX-License-Identifier: ISC */
/*
 * command.c - reads one command from the connection, literals and all
 */
#include "command.h"

#include "grammar.h"

enum { PIECE = 65536, DISCARD_MOST = 64 << 20, TAIL = 32 };

int
command_discard(struct conn *c, uint64_t bytes, struct fault *why)
{
	while (bytes) {
		struct span piece;

		if (conn_some(c, bytes < PIECE ? (size_t)bytes : PIECE, &piece, why) < 0)
			return -1;
		bytes -= piece.len;
	}
	return 0;
}

/* The rest of a line that is too long, up to its end, which is kept: 0 to `tail`. */
static int
discard_line(struct conn *c, struct text *tail, struct fault *why)
{
	for (size_t total = 0; total < DISCARD_MOST;) {
		struct span piece;
		ptrdiff_t   end;

		if (conn_some(c, PIECE, &piece, why) < 0)
			return -1;
		end = span_find(piece, '\n');
		text_add(tail, end < 0 ? piece : span_first(piece, (size_t)end));
		if (tail->len > TAIL)
			text_set(tail, span_from(text_span(tail), tail->len - TAIL));
		if (end >= 0) {
			conn_unread(c, piece.len - (size_t)end - 1);
			return 0;
		}
		total += piece.len;
	}
	return fault_set(why, FAULT_INPUT, "a line without end");
}

/* The rest of a command that is refused, with the literals that come unasked: what is
 * in them is no command.  A client that waits is simply not asked to go on. */
static int
discard_command(struct conn *c, struct fault *why)
{
	for (uint64_t total = 0; total < DISCARD_MOST;) {
		autotext struct text tail = {0};
		uint64_t             size;
		bool                 plus;
		size_t               at;

		if (discard_line(c, &tail, why) < 0)
			return -1;
		if (span_ends(text_span(&tail), "\r"))
			text_cut(&tail, tail.len - 1);
		if (!grammar_literal(text_span(&tail), &size, &plus, &at) || !plus)
			return 0;
		if (size > DISCARD_MOST)
			return fault_set(why, FAULT_INPUT, "a literal of %llu bytes", (unsigned long long)size);
		if (command_discard(c, size, why) < 0)
			return -1;
		total += size;
	}
	return fault_set(why, FAULT_INPUT, "a command without end");
}

static int
read_literal(struct conn *c, uint64_t size, bool plus, struct text *text, struct fault *why)
{
	if (!plus && (conn_write(c, SPAN("+ OK\r\n"), why) < 0 || conn_flush(c, why) < 0))
		return -1;
	text_add_string(text, "\r\n");
	while (size) {
		struct span piece;

		if (conn_some(c, size < PIECE ? (size_t)size : PIECE, &piece, why) < 0)
			return -1;
		text_add(text, piece);
		size -= piece.len;
	}
	return 0;
}

/* A literal that does not fit. */
static int
refuse_literal(struct conn *c, uint64_t size, bool plus, struct command_input *in, struct fault *why)
{
	in->refused = "Command is too long";
	in->long_literal = true;
	if (!plus)
		return 0;
	if (size > DISCARD_MOST)
		return fault_set(why, FAULT_INPUT, "a literal of %llu bytes", (unsigned long long)size);
	return command_discard(c, size, why) < 0 || discard_command(c, why) < 0 ? -1 : 0;
}

/* The mark at the end of the text, if it is one, is taken off. */
static bool
take_mark(struct command_input *in)
{
	size_t at;

	in->literal = grammar_literal(text_span(&in->text), &in->size, &in->plus, &at);
	if (!in->literal)
		return false;
	in->binary = at > 0 && in->text.at[at - 1] == '~';
	text_cut(&in->text, at - in->binary);
	return true;
}

int
command_continue(struct conn *c, size_t limit, struct command_input *in, struct fault *why)
{
	struct span line;

	if (conn_line(c, limit, &line, NULL, why) < 0)
		return -1;
	text_clear(&in->text);
	text_add(&in->text, line);
	take_mark(in);
	return 0;
}

int
command_read(struct conn *c, size_t limit, struct command_input *in, struct fault *why)
{
	*in = (struct command_input){0};
	for (;;) {
		struct span  line;
		struct fault own = {0};
		uint64_t     size;
		bool         plus;
		size_t       at;

		if (conn_line(c, limit - in->text.len, &line, NULL, &own) < 0) {
			if (own.class != FAULT_INPUT) {
				*why = own;
				return -1;
			}
			in->refused = "Command is too long";
			text_add(&in->text, span_first(conn_peek(c), GRAMMAR_TAG));
			return discard_command(c, why);
		}
		text_add(&in->text, line);
		if (!grammar_literal(line, &size, &plus, &at)) {
			in->append = grammar_append(text_span(&in->text), &in->cut);
			return 0;
		}
		at += in->text.len - line.len;
		in->append = grammar_append(span_first(text_span(&in->text), at - 1), &in->cut)
			&& in->cut < at;
		if (in->append) {
			take_mark(in);
			return 0;
		}
		if (size > limit || in->text.len + 2 + size > limit)
			return refuse_literal(c, size, plus, in, why);
		if (read_literal(c, size, plus, &in->text, why) < 0)
			return -1;
	}
}
