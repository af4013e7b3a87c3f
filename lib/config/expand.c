/* SPDX-License-Identifier: ISC */
/*
 * expand.c - $name and its relatives, as in postconf(5)
 */
#include "config/expand.h"

enum relation { EQUAL, UNEQUAL, LESS, LESS_EQUAL, MORE, MORE_EQUAL };

static const struct {
	const char   *sign;
	enum relation relation;
	bool          level;
} operators[] = {       /* longer ones first */
	{"<=level", LESS_EQUAL, true}, {">=level", MORE_EQUAL, true}, {"==level", EQUAL, true},
	{"!=level", UNEQUAL, true}, {"<level", LESS, true}, {">level", MORE, true},
	{"<=", LESS_EQUAL, false}, {">=", MORE_EQUAL, false}, {"==", EQUAL, false},
	{"!=", UNEQUAL, false}, {"<", LESS, false}, {">", MORE, false},
};

int64_t
expand_level(struct span s)
{
	int64_t     level = 0;
	struct span part;
	uint64_t    n;
	bool        more = true;

	for (int i = 0; i < 3; i++) {
		part = SPAN("0");
		if (more)
			more = span_split(&s, '.', &part);
		if (!span_number(part, &n) || n > 65535)
			return -1;
		level = level << 16 | (int64_t)n;
	}
	return more ? -1 : level;
}

static bool
is_name_byte(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_';
}

static struct span
left_trim(struct span s)
{
	struct span trimmed = span_trim(s);

	return trimmed.len ? span_from(s, (size_t)(trimmed.at - s.at)) : span_from(s, s.len);
}

/* Takes a balanced group that `open` starts off the front; *inside is without
 * the two signs.  False when it never closes. */
static bool
take_group(struct span *s, char open, char close, struct span *inside)
{
	size_t depth = 0;

	for (size_t i = 0; i < s->len; i++) {
		if (s->at[i] == open)
			depth++;
		if (s->at[i] == close && --depth == 0) {
			*inside = span_cut(*s, 1, i);
			*s = span_from(*s, i + 1);
			return true;
		}
	}
	return false;
}

static int
bad(struct fault *why, const char *what, struct span where)
{
	return fault_set(why, FAULT_INPUT, "%s in \"${%.*s}\"", what,
	                 SPAN_ARGS(span_first(where, 100)));
}

static int expand_into(struct expander *, struct span, struct text *, struct fault *);

static int
look_up(struct expander *e, struct span name, struct text *out, struct fault *why)
{
	return e->lookup(e->context, name, out, why) < 0 ? -1 : 0;
}

/* The {yes}:{no} or plain text behind `?`, or the text behind `:`. */
static int
choose(struct expander *e, struct span whole, struct span rest, bool truth, struct text *out,
       struct fault *why)
{
	struct span yes = SPAN_NONE, no = SPAN_NONE, after, text;

	if (rest.len && rest.at[0] == ':') {
		after = left_trim(span_from(rest, 1));
		no = span_from(rest, 1);
		if (after.len && after.at[0] == '{') {
			if (!take_group(&after, '{', '}', &no) || span_trim(after).len)
				return bad(why, "syntax error", whole);
		}
	} else {
		after = left_trim(span_from(rest, 1));
		yes = span_from(rest, 1);
		if (after.len && after.at[0] == '{') {
			if (!take_group(&after, '{', '}', &yes))
				return bad(why, "missing '}'", whole);
			after = span_trim(after);
			if (after.len && after.at[0] == ':') {
				no = text = span_from(after, 1);
				text = left_trim(text);
				if (text.len && text.at[0] == '{' &&
				    (!take_group(&text, '{', '}', &no) || span_trim(text).len))
					return bad(why, "syntax error", whole);
			} else if (after.len)
				return bad(why, "syntax error", whole);
		}
	}
	return expand_into(e, truth ? yes : no, out, why);
}

static bool
holds(enum relation r, int order)
{
	switch (r) {
	case EQUAL:      return order == 0;
	case UNEQUAL:    return order != 0;
	case LESS:       return order < 0;
	case LESS_EQUAL: return order <= 0;
	case MORE:       return order > 0;
	case MORE_EQUAL: return order >= 0;
	}
	return false;
}

static int
compare(struct span a, struct span b, bool level, int *order, struct fault *why)
{
	uint64_t x, y;
	int64_t  m = expand_level(a), n = expand_level(b);

	if (level) {
		if (m < 0 || n < 0)
			return fault_set(why, FAULT_INPUT, "bad compatibility level: \"%.*s\"",
			                 SPAN_ARGS(span_first(m < 0 ? a : b, 60)));
		*order = (m > n) - (m < n);
	} else if (span_number(a, &x) && span_number(b, &y))
		*order = (x > y) - (x < y);
	else
		*order = span_compare(a, b);
	return 0;
}

/* {text} op {text} ? ... */
static int
expand_comparison(struct expander *e, struct span whole, struct text *out, struct fault *why)
{
	autotext struct text left = {0}, right = {0};
	struct span          rest = left_trim(whole), a, b;
	size_t               op;
	int                  order = 0;

	if (!take_group(&rest, '{', '}', &a))
		return bad(why, "missing '}'", whole);
	rest = left_trim(rest);
	for (op = 0; op < COUNT(operators); op++)
		if (span_starts(rest, operators[op].sign))
			break;
	if (op == COUNT(operators))
		return bad(why, "expected a comparison", whole);
	rest = left_trim(span_from(rest, strlen(operators[op].sign)));
	if (rest.len == 0 || rest.at[0] != '{' || !take_group(&rest, '{', '}', &b))
		return bad(why, "expected {text} after the comparison", whole);
	if (expand_into(e, a, &left, why) < 0 || expand_into(e, b, &right, why) < 0 ||
	    compare(span_trim(text_span(&left)), span_trim(text_span(&right)), operators[op].level,
	            &order, why) < 0)
		return -1;
	rest = left_trim(rest);
	if (rest.len == 0) {
		text_add_string(out, holds(operators[op].relation, order)
		                ? "bool:true" : "bool:false");
		return 0;
	}
	if (rest.at[0] != '?' && rest.at[0] != ':')
		return bad(why, "expected '?' or ':'", whole);
	return choose(e, whole, rest, holds(operators[op].relation, order), out, why);
}

/* What stands between ${ and }. */
static int
expand_braced(struct expander *e, struct span whole, struct text *out, struct fault *why)
{
	autotext struct text value = {0};
	struct span          start = left_trim(whole), name, rest;
	size_t               end = 0;

	if (start.len && start.at[0] == '{')
		return expand_comparison(e, whole, out, why);
	while (end < start.len && is_name_byte(start.at[end]))
		end++;
	name = span_first(start, end);
	rest = left_trim(span_from(start, end));
	if (name.len == 0)
		return bad(why, "missing name", whole);
	if (rest.len == 0)
		return look_up(e, name, out, why);
	if (rest.at[0] != '?' && rest.at[0] != ':')
		return bad(why, "expected '?' or ':'", whole);
	if (look_up(e, name, &value, why) < 0)
		return -1;
	return choose(e, whole, rest, value.len > 0, out, why);
}

static int
expand_into(struct expander *e, struct span in, struct text *out, struct fault *why)
{
	struct span inside;
	size_t      end;
	int         done = 0;

	if (++e->depth > EXPAND_DEPTH)
		done = fault_set(why, FAULT_INPUT, "nested too deep");
	while (done == 0 && in.len) {
		ptrdiff_t dollar = span_find(in, '$');

		text_add(out, span_first(in, dollar < 0 ? in.len : (size_t)dollar));
		if (out->len > EXPAND_MAX || ++e->steps > EXPAND_STEPS) {
			done = fault_set(why, FAULT_INPUT, "expands to too much");
			break;
		}
		if (dollar < 0)
			break;
		in = span_from(in, (size_t)dollar + 1);
		if (in.len && in.at[0] == '$') {
			text_add_byte(out, '$');
			in = span_from(in, 1);
		} else if (in.len && (in.at[0] == '{' || in.at[0] == '(')) {
			struct span before = in;

			if (!take_group(&in, in.at[0], in.at[0] == '{' ? '}' : ')', &inside))
				done = bad(why, "truncated macro reference", span_from(before, 1));
			else
				done = expand_braced(e, inside, out, why);
		} else {
			for (end = 0; end < in.len && is_name_byte(in.at[end]); end++)
				continue;
			if (end == 0)
				done = fault_set(why, FAULT_INPUT, "empty macro name: \"$%.*s\"",
				                 SPAN_ARGS(span_first(in, 60)));
			else
				done = look_up(e, span_first(in, end), out, why);
			in = span_from(in, end);
		}
	}
	e->depth--;
	return done;
}

int
expand_text(struct expander *e, struct span in, struct text *out, struct fault *why)
{
	autotext struct text got = {0};

	if (expand_into(e, in, &got, why) < 0)
		return -1;
	text_add(out, text_span(&got));
	return 0;
}

void
expand_names(struct span s, void (*each)(void *, struct span), void *context)
{
	for (ptrdiff_t dollar; (dollar = span_find(s, '$')) >= 0;) {
		size_t end;

		s = span_from(s, (size_t)dollar + 1);
		if (s.len && s.at[0] == '$') {
			s = span_from(s, 1);
			continue;
		}
		while (s.len && (s.at[0] == '{' || s.at[0] == '(' || s.at[0] == ' '))
			s = span_from(s, 1);
		for (end = 0; end < s.len && is_name_byte(s.at[end]); end++)
			continue;
		if (end)
			each(context, span_first(s, end));
		s = span_from(s, end);
	}
}
