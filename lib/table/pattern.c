/* SPDX-License-Identifier: ISC */
/*
 * pattern.c - regexp: and pcre: (regexp_table(5), pcre_table(5))
 *
 * Both run on PCRE2 with limits on steps and depth, so that no line of a message can hold
 * a session up: a pattern that needs more fails the lookup.  regexp: is POSIX extended
 * syntax; what PCRE reads differently (a backslash inside [ ], \< and \>) is translated.
 * It finds the leftmost match, not the leftmost longest one.
 */
#include "table/pattern.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 500000, DEPTH_LIMIT = 2000, HEAP_LIMIT_KIB = 20000, PATTERN_MAX = 16384,
      GROUPS_MAX = 100 };

struct pattern {
	pcre2_code          *code;
	pcre2_match_context *limits;
};

void
pattern_free(void *at)
{
	struct pattern *p = at;

	pcre2_code_free(p->code);
	pcre2_match_context_free(p->limits);
	free(p);
}

/* Flags as written toggle; both types start caseless, with a dot that matches all. */
static int
parse_flags(struct span flags, bool posix, uint32_t *options, struct fault *why)
{
	*options = PCRE2_CASELESS | PCRE2_DOTALL;
	for (size_t i = 0; i < flags.len; i++) {
		char c = flags.at[i];

		if (c == 'i')
			*options ^= PCRE2_CASELESS;
		else if (c == 'm')
			*options ^= PCRE2_MULTILINE;
		else if (posix && c == 'x')
			return fault_set(why, FAULT_INPUT,
			                 "basic regular expressions (flag x) are not supported here");
		else if (c == 'x')
			*options ^= PCRE2_EXTENDED;
		else if (!posix && c == 's')
			*options ^= PCRE2_DOTALL;
		else if (!posix && c == 'A')
			*options ^= PCRE2_ANCHORED;
		else if (!posix && c == 'E')
			*options ^= PCRE2_DOLLAR_ENDONLY;
		else if (!posix && c == 'U')
			*options ^= PCRE2_UNGREEDY;
		else if (posix || c != 'X')
			return fault_set(why, FAULT_INPUT, "unknown regexp option \"%c\"",
			                 c > ' ' ? c : '?');
	}
	return 0;
}

/* Copies a [ ] expression: its backslashes are letters to POSIX. */
static size_t
copy_bracket(struct span s, size_t i, struct text *out)
{
	size_t start = i;

	text_add_byte(out, s.at[i++]);
	if (i < s.len && s.at[i] == '^')
		text_add_byte(out, s.at[i++]);
	if (i < s.len && s.at[i] == ']') {
		text_add_string(out, "\\]");
		i++;
	}
	for (; i < s.len && s.at[i] != ']'; i++) {
		ptrdiff_t end = -1;

		if (s.at[i] == '[' && i + 1 < s.len && strchr(":.=", s.at[i + 1]) && s.at[i + 1])
			end = span_find_text(span_from(s, i + 2),
			                     span_at((char[]){s.at[i + 1], ']'}, 2));
		if (end >= 0) {
			text_add(out, span_cut(s, i, i + 4 + (size_t)end));
			i += 3 + (size_t)end;
			continue;
		}
		if (s.at[i] == '\\' || s.at[i] == '[')
			text_add_byte(out, '\\');
		text_add_byte(out, s.at[i]);
	}
	if (i < s.len)
		text_add_byte(out, ']');
	return i < s.len ? i : (s.len > start ? s.len - 1 : start);
}

static void
translate(struct span s, struct text *out)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '[')
			i = copy_bracket(s, i, out);
		else if (s.at[i] == '\\' && i + 1 < s.len) {
			char c = s.at[++i];

			if (c == '<')
				text_add_string(out, "\\b(?=\\w)");
			else if (c == '>')
				text_add_string(out, "\\b(?<=\\w)");
			else {
				text_add_byte(out, '\\');
				text_add_byte(out, c);
			}
		} else
			text_add_byte(out, s.at[i]);
	}
}

/* Takes /pattern/flags off the front. */
static int
take_pattern(struct span *rest, struct span *pattern, struct span *flags, struct fault *why)
{
	size_t i, end;
	char   delimiter;

	if (rest->len == 0 || ascii_alpha(rest->at[0]) || ascii_digit(rest->at[0]))
		return fault_set(why, FAULT_INPUT, "expected /pattern/");
	delimiter = rest->at[0];
	for (i = 1; i < rest->len && rest->at[i] != delimiter; i++)
		if (rest->at[i] == '\\')
			i++;
	if (i >= rest->len)
		return fault_set(why, FAULT_INPUT, "no closing regexp delimiter \"%c\"", delimiter);
	*pattern = span_cut(*rest, 1, i);
	for (end = i + 1; end < rest->len && rest->at[end] != ' ' && rest->at[end] != '\t'; end++)
		continue;
	*flags = span_cut(*rest, i + 1, end);
	*rest = span_from(*rest, end);
	return pattern->len <= PATTERN_MAX ? 0 : fault_set(why, FAULT_INPUT, "pattern too long");
}

void *
pattern_parse(void *context, struct span *rest, struct fault *why)
{
	bool                 posix = *(const bool *)context;
	autotext struct text source = {0};
	struct span          written = SPAN_NONE, flags = SPAN_NONE;
	struct pattern      *p;
	pcre2_code          *code;
	uint32_t             options;
	PCRE2_SIZE           where;
	int                  error;
	char                 message[120] = "";

	if (take_pattern(rest, &written, &flags, why) < 0 ||
	    parse_flags(flags, posix, &options, why) < 0)
		return NULL;
	if (posix)
		translate(written, &source);
	else
		text_add(&source, written);
	code = pcre2_compile((PCRE2_SPTR)text_string(&source), source.len, options, &error, &where,
	                     NULL);
	if (!code) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
		fault_set(why, FAULT_INPUT, "error in regexp at offset %zu: %s", (size_t)where,
		          message);
		return NULL;
	}
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);     /* without it, it is only slower */
	p = mem_alloc(sizeof *p);
	p->code = code;
	p->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
	return p;
}

/* $1 ${1} $(1) and $$ of the result; the groups by offsets. */
static int
substitute(struct span result, struct span key, const PCRE2_SIZE *groups, uint32_t count,
           struct text *out, struct fault *why)
{
	for (size_t i = 0; i < result.len; i++) {
		char     c = result.at[i], close = 0;
		size_t   at = i + 1;
		uint32_t n = 0;

		if (c != '$' || at == result.len) {
			text_add_byte(out, c);
			continue;
		}
		if (result.at[at] == '$') {
			text_add_byte(out, '$');
			i = at;
			continue;
		}
		if (result.at[at] == '{' || result.at[at] == '(')
			close = result.at[at++] == '{' ? '}' : ')';
		while (at < result.len && ascii_digit(result.at[at]) && n < 1000)
			n = n * 10 + (uint32_t)(result.at[at++] - '0');
		if (n == 0 || n >= GROUPS_MAX ||
		    (close && (at >= result.len || result.at[at] != close)))
			return fault_set(why, FAULT_INPUT, "bad \"$number\" in \"%.*s\"",
			                 SPAN_ARGS(span_first(result, 100)));
		if (n < count && groups[2 * n] != PCRE2_UNSET)
			text_add(out, span_cut(key, groups[2 * n], groups[2 * n + 1]));
		i = close ? at : at - 1;
	}
	return 0;
}

static int
try_rule(const struct rule *rule, struct span key, struct text *value, bool *hit, struct fault *why)
{
	const struct pattern *p = rule->pattern;
	pcre2_match_data     *data;
	int                   got, done = 0;

	*hit = false;
	if (!p)
		return 0;
	data = pcre2_match_data_create_from_pattern(p->code, NULL);
	got = pcre2_match(p->code, (PCRE2_SPTR)key.at, key.len, 0, 0, data, p->limits);
	if (got < 0 && got != PCRE2_ERROR_NOMATCH)
		done = fault_set(why, FAULT_INPUT, "a pattern needs too many steps (error %d)",
		                 got);
	else {
		*hit = (got >= 0) != rule->negative;
		if (*hit && !rule->is_if && rule->negative)
			text_add_string(value, rule->result);
		else if (*hit && !rule->is_if)
			done = substitute(span_of(rule->result), key,
			                  pcre2_get_ovector_pointer(data),
			                  pcre2_get_ovector_count(data), value, why);
	}
	pcre2_match_data_free(data);
	return done;
}

int
pattern_find(const struct rules *r, struct span key, struct text *value, struct fault *why)
{
	bool hit;

	for (size_t i = 0; i < r->count;) {
		const struct rule *rule = &r->rule[i++];

		if (try_rule(rule, key, value, &hit, why) < 0)
			return -1;
		if (rule->is_if)
			i = hit ? i : rule->skip;
		else if (hit)
			return 0;
	}
	return 1;
}

static int
open_pattern(struct table *t, struct fault *why)
{
	struct rules *r = mem_alloc(sizeof *r);
	bool          posix = t->type == &table_regexp;

	t->data = r;
	r->free_pattern = pattern_free;
	return rules_read(t, r, pattern_parse, &posix, why);
}

static int
find_pattern(struct table *t, struct span key, struct text *value, struct fault *why)
{
	return pattern_find(t->data, key, value, why);
}

static void
close_pattern(struct table *t)
{
	rules_free(t->data);
	auto_free(&t->data);
}

const struct table_type table_regexp = {"regexp", false, true, open_pattern, find_pattern, close_pattern, NULL};
const struct table_type table_pcre = {"pcre", false, true, open_pattern, find_pattern, close_pattern, NULL};
