/* SPDX-License-Identifier: ISC */
/*
 * grammar.c - one IMAP command as a tree (RFC 3501, 9)
 */
#include "grammar.h"

struct parser {
	struct arena *arena;
	struct span   in;
	size_t        at;
	size_t        arguments;
	bool          sections;      /* FETCH: '[' opens a section that may hold blanks */
	bool          binary;        /* SETMETADATA: values of lists may be literal8 (RFC 5464, 5) */
	bool          few_sections;  /* NOTIFY, SEARCH, SORT: only behind BODY and its like (RFC 5465, 7) */
	struct fault *why;
};

struct level {
	struct argument *first, **last;
	size_t           count;
};

static bool
is_over(const struct parser *p)
{
	return p->at >= p->in.len;
}

static char
peek(const struct parser *p)
{
	return is_over(p) ? '\0' : p->in.at[p->at];
}

bool
grammar_literal(struct span line, uint64_t *size, bool *plus, size_t *at)
{
	ptrdiff_t   open;
	struct span number;

	if (!span_ends(line, "}"))
		return false;
	open = span_find_last(line, '{');
	if (open < 0)
		return false;
	number = span_cut(line, (size_t)open + 1, line.len - 1);
	*plus = span_ends(number, "+");
	if (*plus)
		number.len--;
	*at = (size_t)open;
	return span_number(number, size);
}

/* Atoms are taken widely: whatever is no blank, bracket of a list, quote or control. */
static bool
is_atom_byte(char c)
{
	return (unsigned char)c > ' ' && c != '(' && c != ')' && c != '{' && c != '"' && c != 0x7f;
}

static bool
skip_quoted(struct parser *p)
{
	for (p->at++; !is_over(p); p->at++) {
		if (peek(p) == '\\')
			p->at++;
		else if (peek(p) == '"') {
			p->at++;
			return true;
		} else if (peek(p) == '\r' || peek(p) == '\n' || peek(p) == '\0')
			return false;
	}
	return false;
}

static int parse_literal(struct parser *, struct span *);

/* "[HEADER.FIELDS (A "B")]": up to the bracket that closes, quotes and literals skipped. */
static int
skip_section(struct parser *p)
{
	struct span ignored;

	for (p->at++; !is_over(p);) {
		char c = peek(p);

		if (c == ']') {
			p->at++;
			return 0;
		}
		if (c == '"') {
			if (!skip_quoted(p))
				break;
		} else if (c == '{') {
			if (parse_literal(p, &ignored) < 0)
				return -1;
		} else if ((unsigned char)c < ' ' || c == '[') {
			break;
		} else {
			p->at++;
		}
	}
	return fault_set(p->why, FAULT_INPUT, "Missing ']'");
}

static bool
opens_section(const struct parser *p, struct span before)
{
	static const char *const names[] = {"BODY", "BODY.PEEK", "BINARY", "BINARY.PEEK", "BINARY.SIZE"};

	for (size_t i = 0; p->few_sections && i < COUNT(names); i++)
		if (span_is_nocase(before, names[i]))
			return true;
	return p->sections;
}

static int
parse_atom(struct parser *p, struct span *out)
{
	size_t start = p->at;

	while (!is_over(p) && is_atom_byte(peek(p))) {
		if (peek(p) == '[' && opens_section(p, span_cut(p->in, start, p->at))) {
			if (skip_section(p) < 0)
				return -1;
		} else {
			p->at++;
		}
	}
	if (p->at == start)
		return fault_set(p->why, FAULT_INPUT, "Invalid character in a command");
	*out = span_cut(p->in, start, p->at);
	return 0;
}

static int
parse_quoted(struct parser *p, struct span *out)
{
	size_t start = p->at + 1, to = 0;
	char  *copy;

	if (!skip_quoted(p))
		return fault_set(p->why, FAULT_INPUT, "Missing '\"'");
	*out = span_cut(p->in, start, p->at - 1);
	if (span_find(*out, '\\') < 0)
		return span_has(*out, '\0') ? fault_set(p->why, FAULT_INPUT, "NUL in a string") : 0;
	copy = arena_alloc(p->arena, out->len + 1);
	for (size_t i = 0; i < out->len; i++) {
		if (out->at[i] == '\\' && (++i >= out->len || (out->at[i] != '\\' && out->at[i] != '"')))
			return fault_set(p->why, FAULT_INPUT, "Invalid escape in a quoted string");
		copy[to++] = out->at[i];
	}
	*out = span_at(copy, to);
	return span_has(*out, '\0') ? fault_set(p->why, FAULT_INPUT, "NUL in a string") : 0;
}

static int
parse_bytes(struct parser *p, struct span *out)
{
	struct span rest = span_from(p->in, p->at);
	ptrdiff_t   close = span_find(rest, '}');
	uint64_t    size;
	bool        plus;
	size_t      at;

	if (close < 0 || !grammar_literal(span_first(rest, (size_t)close + 1), &size, &plus, &at)
		|| at != 0)
		return fault_set(p->why, FAULT_INPUT, "Invalid literal");
	rest = span_from(rest, (size_t)close + 1);
	if (!span_starts(rest, "\r\n") || rest.len - 2 < size)
		return fault_set(p->why, FAULT_INPUT, "Literal ends too early");
	*out = span_cut(rest, 2, 2 + size);
	p->at = (size_t)(out->at - p->in.at) + size;
	return 0;
}

static int
parse_literal(struct parser *p, struct span *out)
{
	if (parse_bytes(p, out) < 0)
		return -1;
	return span_has(*out, '\0') ? fault_set(p->why, FAULT_INPUT, "NUL in a literal") : 0;
}

/* "~{n}": any bytes, NUL too */
static int
parse_literal8(struct parser *p, struct span *out)
{
	p->at++;
	return parse_bytes(p, out);
}

static int
parse_one(struct parser *p, struct argument *a)
{
	switch (peek(p)) {
	case '"':
		a->type = ARGUMENT_QUOTED;
		return parse_quoted(p, &a->text);
	case '{':
		a->type = ARGUMENT_LITERAL;
		return parse_literal(p, &a->text);
	default:
		a->type = ARGUMENT_ATOM;
		return parse_atom(p, &a->text);
	}
}

static struct argument *
add_argument(struct parser *p, struct level *l)
{
	struct argument *a;

	if (++p->arguments > GRAMMAR_ARGUMENTS) {
		fault_set(p->why, FAULT_INPUT, "Too many arguments");
		return NULL;
	}
	a = arena_alloc(p->arena, sizeof *a);
	*l->last = a;
	l->last = &a->next;
	l->count++;
	return a;
}

/* Blanks at the end of a command are forgiven; those of a literal there are its own. */
static void
skip_last_blanks(struct parser *p)
{
	size_t at = p->at;

	while (at < p->in.len && p->in.at[at] == ' ')
		at++;
	if (at == p->in.len)
		p->at = at;
}

/* What may follow an argument: a blank and another, the end of a list, the end. */
static int
check_separator(struct parser *p, size_t depth)
{
	if (depth == 0)
		skip_last_blanks(p);
	if (is_over(p) || (depth > 0 && peek(p) == ')'))
		return 0;
	if (peek(p) != ' ')
		return fault_set(p->why, FAULT_INPUT, "Missing blank between arguments");
	p->at++;
	return 0;
}

static int
parse_arguments(struct parser *p, struct argument **out, size_t *count)
{
	struct level     levels[GRAMMAR_DEPTH + 1];
	struct argument *lists[GRAMMAR_DEPTH + 1];
	size_t           depth = 0;

	levels[0] = (struct level){.first = NULL, .last = &levels[0].first, .count = 0};
	while (!is_over(p)) {
		struct argument *a;

		if (peek(p) == ')') {
			if (depth == 0)
				return fault_set(p->why, FAULT_INPUT, "Unexpected ')'");
			lists[depth]->children = levels[depth].first;
			lists[depth]->count = levels[depth].count;
			depth--;
			p->at++;
			if (check_separator(p, depth) < 0)
				return -1;
			continue;
		}
		a = add_argument(p, &levels[depth]);
		if (!a)
			return -1;
		if (peek(p) == '(') {
			if (depth == GRAMMAR_DEPTH)
				return fault_set(p->why, FAULT_INPUT, "Too many parentheses");
			p->at++;
			a->type = ARGUMENT_LIST;
			lists[++depth] = a;
			levels[depth] = (struct level){.first = NULL, .last = &levels[depth].first,
				.count = 0};
			continue;
		}
		if (p->binary && depth > 0 && span_starts(span_from(p->in, p->at), "~{")) {
			a->type = ARGUMENT_LITERAL;
			if (parse_literal8(p, &a->text) < 0 || check_separator(p, depth) < 0)
				return -1;
			continue;
		}
		if (parse_one(p, a) < 0 || check_separator(p, depth) < 0)
			return -1;
	}
	if (depth > 0)
		return fault_set(p->why, FAULT_INPUT, "Missing ')'");
	*out = levels[0].first;
	*count = levels[0].count;
	return 0;
}

static bool
is_tag(struct span s)
{
	if (s.len == 0 || s.len > GRAMMAR_TAG)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || memchr("(){%*\"\\+", c, 8))
			return false;
	}
	return true;
}

static struct span
take_word(struct parser *p)
{
	size_t start = p->at;

	while (!is_over(p) && peek(p) != ' ')
		p->at++;
	return span_cut(p->in, start, p->at);
}

int
grammar_parse(struct arena *arena, struct span in, struct command *out, struct fault *why)
{
	struct parser p = {.arena = arena, .in = in, .why = why};
	struct span   tag;

	*out = (struct command){.tag = SPAN_NONE, .verb = SPAN_NONE};
	tag = take_word(&p);
	if (!is_tag(tag))
		return fault_set(why, FAULT_INPUT, "Invalid tag");
	out->tag = tag;
	for (int words = 0; words < 2; words++) {
		if (is_over(&p))
			return fault_set(why, FAULT_INPUT, "Missing command");
		p.at++;
		out->verb = take_word(&p);
		if (!span_is_nocase(out->verb, "UID") || out->uid)
			break;
		out->uid = true;
	}
	if (out->verb.len == 0 || out->verb.len > 32)
		return fault_set(why, FAULT_INPUT, "Missing command");
	p.sections = span_is_nocase(out->verb, "FETCH");
	p.binary = span_is_nocase(out->verb, "SETMETADATA");
	p.few_sections = span_is_nocase(out->verb, "NOTIFY") || span_is_nocase(out->verb, "SEARCH")
		|| span_is_nocase(out->verb, "SORT");
	skip_last_blanks(&p);
	if (is_over(&p))
		return 0;
	p.at++;
	return parse_arguments(&p, &out->arguments, &out->count);
}

int
grammar_parse_list(struct arena *arena, struct span in, struct argument **out, size_t *count,
	struct fault *why)
{
	struct parser p = {.arena = arena, .in = in, .why = why};

	return parse_arguments(&p, out, count);
}

bool
argument_is_astring(const struct argument *a)
{
	return a && a->type != ARGUMENT_LIST;
}

bool
argument_is_atom(const struct argument *a, const char *word)
{
	return a && a->type == ARGUMENT_ATOM && span_is_nocase(a->text, word);
}

bool
grammar_append(struct span in, size_t *end)
{
	autoarena struct arena *arena = arena_new();
	struct parser           p = {.arena = arena, .in = in, .why = NULL};
	struct span             verb;
	int                     arguments;

	if (!is_tag(take_word(&p)) || is_over(&p))
		return false;
	p.at++;
	verb = take_word(&p);
	arguments = span_is_nocase(verb, "APPEND") ? 1 : 2;
	if (span_is_nocase(verb, "UID") && !is_over(&p)) {
		p.at++;
		verb = take_word(&p);
		arguments = 2;
	}
	if (arguments == 2 && !span_is_nocase(verb, "REPLACE"))
		return false;
	for (int i = 0; i < arguments; i++) {
		struct argument a = {0};

		if (peek(&p) != ' ')
			return false;
		p.at++;
		if (is_over(&p) || peek(&p) == '(' || parse_one(&p, &a) < 0 || (!is_over(&p) && peek(&p) != ' '))
			return false;
	}
	*end = p.at;
	return true;
}
