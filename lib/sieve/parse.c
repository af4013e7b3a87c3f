/* SPDX-License-Identifier: ISC */
/*
 * parse.c - script text to nodes: the grammar of RFC 5228, 8, which knows no command
 *
 * One pass with one token in hand; recursion is bounded by NESTING_MAX.
 */
#include "sieve/sieve_private.h"

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_TAG, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SIGN };

struct parser {
	struct arena *arena;
	struct span   text;
	size_t        at;
	unsigned      line;
	struct fault *why;
	size_t        nodes, strings;
	/* the token in hand */
	enum token_kind kind;
	unsigned        token_line;
	char            sign;
	struct span     word;
	uint64_t        number;
};

static int
fail(struct parser *p, const char *what)
{
	return fault_set(p->why, FAULT_INPUT, "line %u: %s", p->line, what);
}

/* RFC 5228, 8.1: white-space, hash-comment, bracket-comment. */
static int
skip_blank(struct parser *p)
{
	while (p->at < p->text.len) {
		char c = p->text.at[p->at];

		if (c == '\n')
			p->line++;
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			p->at++;
		} else if (c == '#') {
			while (p->at < p->text.len && p->text.at[p->at] != '\n')
				p->at++;
		} else if (c == '/' && p->at + 1 < p->text.len && p->text.at[p->at + 1] == '*') {
			ptrdiff_t end = span_find_text(span_from(p->text, p->at + 2), SPAN("*/"));

			if (end < 0)
				return fail(p, "comment is not closed");
			for (size_t i = 0; i < (size_t)end; i++)
				p->line += p->text.at[p->at + 2 + i] == '\n';
			p->at += (size_t)end + 4;
		} else {
			break;
		}
	}
	return 0;
}

static bool
is_name_byte(char c, bool first)
{
	return ascii_alpha(c) || c == '_' || (!first && ascii_digit(c));
}

static struct span
take_name(struct parser *p)
{
	size_t start = p->at;

	while (p->at < p->text.len && is_name_byte(p->text.at[p->at], p->at == start))
		p->at++;
	return span_cut(p->text, start, p->at);
}

/* RFC 5228, 2.4.1: K, M and G; more than 31 bits need not be understood, 53 are. */
static int
take_number(struct parser *p)
{
	size_t   start = p->at;
	unsigned shift = 0;

	while (p->at < p->text.len && ascii_digit(p->text.at[p->at]))
		p->at++;
	if (!span_number(span_cut(p->text, start, p->at), &p->number) || p->number > 1ull << 53)
		return fail(p, "number is too large");
	if (p->at < p->text.len) {
		switch (ascii_upper(p->text.at[p->at])) {
		case 'K': shift = 10; break;
		case 'M': shift = 20; break;
		case 'G': shift = 30; break;
		default: break;
		}
		p->at += shift != 0;
	}
	if (p->number > (1ull << 53) >> shift)
		return fail(p, "number is too large");
	p->number <<= shift;
	if (p->at < p->text.len && is_name_byte(p->text.at[p->at], false))
		return fail(p, "a number runs into a name");
	p->kind = TOKEN_NUMBER;
	return 0;
}

static int
take_quoted(struct parser *p)
{
	char  *out, *to;
	size_t end = p->at + 1;

	while (end < p->text.len && p->text.at[end] != '"')
		end += p->text.at[end] == '\\' ? 2 : 1;
	if (end >= p->text.len)
		return fail(p, "string is not closed");
	out = to = arena_alloc(p->arena, end - p->at);
	for (size_t i = p->at + 1; i < end; i++) {
		if (p->text.at[i] == '\\')
			i++;
		if (p->text.at[i] == 0)
			return fail(p, "NUL in a string");
		p->line += p->text.at[i] == '\n';
		*to++ = p->text.at[i];
	}
	p->at = end + 1;
	p->word = span_at(out, (size_t)(to - out));
	p->kind = TOKEN_STRING;
	return 0;
}

/* RFC 5228, 2.4.2: text: ... a dot alone; lines become CRLF. */
static int
take_multi_line(struct parser *p)
{
	autotext struct text out = {0};
	struct span          rest, line;

	while (p->at < p->text.len && (p->text.at[p->at] == ' ' || p->text.at[p->at] == '\t'))
		p->at++;
	if (p->at < p->text.len && p->text.at[p->at] == '#')
		while (p->at < p->text.len && p->text.at[p->at] != '\n')
			p->at++;
	if (p->at < p->text.len && p->text.at[p->at] == '\r')
		p->at++;
	if (p->at >= p->text.len || p->text.at[p->at] != '\n')
		return fail(p, "text: needs a line of its own");
	rest = span_from(p->text, p->at + 1);
	p->line++;
	while (span_split(&rest, '\n', &line)) {
		p->line++;
		if (span_ends(line, "\r"))
			line.len--;
		if (span_is(line, ".")) {
			p->at = p->text.len - rest.len;
			p->word = arena_span(p->arena, text_span(&out));
			p->kind = TOKEN_STRING;
			return 0;
		}
		if (span_has(line, '\0'))
			return fail(p, "NUL in a string");
		text_add(&out, span_from(line, span_starts(line, ".")));
		text_add(&out, SPAN("\r\n"));
	}
	/* the last line may end with the file */
	if (span_is(span_trim(line), ".")) {
		p->at = p->text.len;
		p->word = arena_span(p->arena, text_span(&out));
		p->kind = TOKEN_STRING;
		return 0;
	}
	return fail(p, "text: is not closed by a dot");
}

static int
next(struct parser *p)
{
	char c;

	if (skip_blank(p) < 0)
		return -1;
	p->token_line = p->line;
	if (p->at >= p->text.len) {
		p->kind = TOKEN_END;
		return 0;
	}
	c = p->text.at[p->at];
	if (ascii_digit(c))
		return take_number(p);
	if (c == '"')
		return take_quoted(p);
	if (c == ':') {
		p->at++;
		p->kind = TOKEN_TAG;
		p->word = take_name(p);
		return p->word.len ? 0 : fail(p, "a tag without a name");
	}
	if (is_name_byte(c, true)) {
		p->kind = TOKEN_NAME;
		p->word = take_name(p);
		if (span_is_nocase(p->word, "text") && p->at < p->text.len && p->text.at[p->at] == ':') {
			p->at++;
			return take_multi_line(p);
		}
		return 0;
	}
	if (!strchr("[](){},;", c))
		return fail(p, "unexpected character");
	p->kind = TOKEN_SIGN;
	p->sign = c;
	p->at++;
	return 0;
}

static bool
is_sign(const struct parser *p, char c)
{
	return p->kind == TOKEN_SIGN && p->sign == c;
}

static int
take_list(struct parser *p, struct strings *out)
{
	size_t       room = 0;
	struct span *all = NULL;

	if (next(p) < 0)
		return -1;
	for (;;) {
		if (p->kind != TOKEN_STRING)
			return fail(p, "a string is expected in a list");
		if (++p->strings > STRINGS_MAX)
			return fail(p, "too many strings");
		if (out->count == room) {
			struct span *more = arena_alloc(p->arena, (room = room ? room * 2 : 4) * sizeof *more);

			if (out->count)
				memcpy(more, all, out->count * sizeof *more);
			all = more;
		}
		all[out->count++] = p->word;
		if (next(p) < 0)
			return -1;
		if (is_sign(p, ']'))
			break;
		if (!is_sign(p, ','))
			return fail(p, "\",\" or \"]\" is expected in a list");
		if (next(p) < 0)
			return -1;
	}
	out->at = all;
	return next(p);
}

/* 1: one was taken; 0: the token is none */
static int
take_argument(struct parser *p, struct argument *a)
{
	*a = (struct argument){.line = p->token_line};
	switch (p->kind) {
	case TOKEN_TAG:
		a->kind = ARG_TAG;
		a->tag = p->word;
		break;
	case TOKEN_NUMBER:
		a->kind = ARG_NUMBER;
		a->number = p->number;
		break;
	case TOKEN_STRING:
		if (++p->strings > STRINGS_MAX)
			return fail(p, "too many strings");
		a->kind = ARG_STRINGS;
		a->strings = (struct strings){arena_alloc(p->arena, sizeof(struct span)), 1, true};
		a->strings.at[0] = p->word;
		break;
	default:
		if (!is_sign(p, '['))
			return 0;
		a->kind = ARG_STRINGS;
		return take_list(p, &a->strings) < 0 ? -1 : 1;
	}
	return next(p) < 0 ? -1 : 1;
}

static int take_tests(struct parser *, struct node *, int depth);

/* identifier arguments */
static int
take_head(struct parser *p, struct node **out, int depth)
{
	struct argument args[ARGUMENTS_MAX], one;
	struct node    *n;
	int             got;

	if (p->kind != TOKEN_NAME)
		return fail(p, p->kind == TOKEN_END ? "the script ends too early" : "a command or test is expected");
	if (++p->nodes > NODES_MAX)
		return fail(p, "too many commands and tests");
	if (depth > NESTING_MAX)
		return fail(p, "nested too deeply");
	n = arena_alloc(p->arena, sizeof *n);
	n->name = p->word;
	n->line = p->token_line;
	if (next(p) < 0)
		return -1;
	while ((got = take_argument(p, &one)) > 0) {
		if (n->n_args == ARGUMENTS_MAX)
			return fail(p, "too many arguments");
		args[n->n_args++] = one;
	}
	if (got < 0 || take_tests(p, n, depth + 1) < 0)
		return -1;
	n->args = arena_alloc(p->arena, (n->n_args + 1) * sizeof *n->args);
	memcpy(n->args, args, n->n_args * sizeof *n->args);
	*out = n;
	return 0;
}

/* [ test / test-list ] */
static int
take_tests(struct parser *p, struct node *n, int depth)
{
	struct node **last = &n->tests;

	if (p->kind == TOKEN_NAME)
		return take_head(p, last, depth);
	if (!is_sign(p, '('))
		return 0;
	n->has_list = true;
	do {
		if (next(p) < 0 || take_head(p, last, depth) < 0)
			return -1;
		last = &(*last)->next;
	} while (is_sign(p, ','));
	if (!is_sign(p, ')'))
		return fail(p, "\",\" or \")\" is expected between tests");
	return next(p);
}

/* Commands up to the end, or up to "}" */
static int
take_commands(struct parser *p, struct node **last, int depth)
{
	while (p->kind != TOKEN_END && !is_sign(p, '}')) {
		struct node *n;

		if (take_head(p, last, depth) < 0)
			return -1;
		n = *last;
		last = &n->next;
		if (is_sign(p, '{')) {
			n->has_block = true;
			if (next(p) < 0 || take_commands(p, &n->block, depth + 1) < 0)
				return -1;
			if (!is_sign(p, '}'))
				return fail(p, "a block is not closed");
		} else if (!is_sign(p, ';')) {
			return fail(p, "\";\" or a block is expected");
		}
		if (next(p) < 0)
			return -1;
	}
	return 0;
}

int
sieve_parse(struct arena *arena, struct span text, struct node **out, struct fault *why)
{
	struct parser p = {.arena = arena, .text = text, .line = 1, .why = why};
	struct node  *first = NULL;

	if (span_starts(text, "\xef\xbb\xbf"))
		p.at = 3;
	if (next(&p) < 0 || take_commands(&p, &first, 1) < 0)
		return -1;
	if (p.kind != TOKEN_END)
		return fail(&p, "\"}\" without a block");
	*out = first;
	return 0;
}
