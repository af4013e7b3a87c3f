/* SPDX-License-Identifier: ISC */
/*
 * match.c - how values are compared: match types, comparators, relations, regular expressions
 *
 * RFC 5228, 2.7; RFC 4790 (i;octet, i;ascii-casemap, i;ascii-numeric); RFC 5231 (:count, :value);
 * RFC 5229, 3.2 (what a wildcard matched).  Every comparison is paid for in steps.
 */
#include "sieve/sieve_private.h"
#include "mail/charset.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { REGEX_MAX = 4096, REGEX_MATCHES = 100000, REGEX_DEPTH = 1000, REGEX_HEAP_KIB = 4096, REGEX_STEPS = 20000 };

bool
comparator_find(struct span name, enum comparator *out)
{
	static const struct { const char *name; enum comparator is; } known[] = {
		{"i;ascii-casemap", COMPARE_CASEMAP}, {"i;octet", COMPARE_OCTET}, {"i;ascii-numeric", COMPARE_NUMERIC},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is(name, known[i].name)) {
			*out = known[i].is;
			return true;
		}
	return false;
}

/* RFC 4790, 9.1: the digits at the front; without any it is the largest of all. */
static int
compare_numbers(struct span a, struct span b)
{
	struct span *all[2] = {&a, &b};
	bool         number[2];

	for (int i = 0; i < 2; i++) {
		size_t digits = 0;

		while (digits < all[i]->len && ascii_digit(all[i]->at[digits]))
			digits++;
		number[i] = digits > 0;
		*all[i] = span_first(*all[i], digits);
		while (all[i]->len > 1 && all[i]->at[0] == '0')
			*all[i] = span_from(*all[i], 1);
	}
	if (!number[0] || !number[1])
		return number[0] == number[1] ? 0 : number[0] ? -1 : 1;
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return memcmp(a.at, b.at, a.len);
}

static unsigned char
folded(char c, enum comparator how)
{
	return (unsigned char)(how == COMPARE_OCTET ? c : ascii_lower(c));
}

static int
compare(struct span a, struct span b, enum comparator how)
{
	size_t least = a.len < b.len ? a.len : b.len;

	if (how == COMPARE_NUMERIC)
		return compare_numbers(a, b);
	for (size_t i = 0; i < least; i++) {
		int difference = folded(a.at[i], how) - folded(b.at[i], how);

		if (difference)
			return difference;
	}
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static bool
starts(struct span a, struct span b, enum comparator how)
{
	return a.len >= b.len && compare(span_first(a, b.len), b, how) == 0;
}

static bool
contains(struct span value, struct span key, enum comparator how)
{
	for (size_t i = 0; i + key.len <= value.len; i++)
		if (starts(span_from(value, i), key, how))
			return true;
	return false;
}

/* One character of the value for "?": UTF-8 but for i;octet (RFC 5228, 2.7.1). */
static size_t
character(struct span s, enum comparator how)
{
	size_t len = how == COMPARE_OCTET ? 1 : utf8_length(s);

	return len ? len : 1;
}

/*
 * RFC 5228, 2.7.1: * and ?, a backslash quotes.  Each * takes as little as it can (RFC 5229, 3.2),
 * the last one what it must: only the last is tried again, so that the work is at most
 * the product of both lengths.  groups[n] begins and ends where the nth wildcard does.
 */
struct wild { size_t from, to; };

static bool
wildcards(struct span value, struct span key, enum comparator how, struct wild *groups, size_t *count)
{
	size_t v = 0, k = 0, n = 0, star_k = 0, star_v = 0, star_n = 0;
	bool   star = false;

	for (;;) {
		if (k == key.len && v == value.len) {
			*count = n;
			return true;
		}
		if (k < key.len && key.at[k] == '*') {
			if (n < MATCH_MAX)
				groups[n] = (struct wild){v, v};
			star = true;
			star_n = n++;
			star_k = ++k;
			star_v = v;
			continue;
		}
		if (k < key.len && v < value.len && key.at[k] == '?') {
			size_t len = character(span_from(value, v), how);

			if (n < MATCH_MAX)
				groups[n] = (struct wild){v, v + len};
			n++;
			k++;
			v += len;
			continue;
		}
		if (k < key.len && v < value.len) {
			size_t quoted = key.at[k] == '\\' && k + 1 < key.len;

			if (folded(key.at[k + quoted], how) == folded(value.at[v], how)) {
				k += 1 + quoted;
				v++;
				continue;
			}
		}
		if (!star || star_v >= value.len)
			return false;
		star_v += character(span_from(value, star_v), how);
		if (star_n < MATCH_MAX)
			groups[star_n].to = star_v;
		n = star_n + 1;
		k = star_k;
		v = star_v;
	}
}

static void
take_groups(struct run *r, struct span value, const struct wild *groups, size_t count)
{
	if (!(r->script->capabilities >> CAP_VARIABLES & 1))
		return;
	r->steps += (value.len < VALUE_MAX ? value.len : VALUE_MAX) / 2;
	/* cut as variables are: "a*" of a megabyte is not held ten times */
	r->groups[0] = arena_span(r->arena, span_first(value, VALUE_MAX));
	for (size_t i = 1; i < MATCH_MAX; i++)
		r->groups[i] = i <= count ? arena_span(r->arena, span_first(span_cut(value, groups[i - 1].from, groups[i - 1].to),
			VALUE_MAX)) : SPAN_NONE;
}

/* Regular expressions. */

static pcre2_code *
regex_compile(struct span pattern, bool fold, struct fault *why)
{
	int         error;
	PCRE2_SIZE  where;
	pcre2_code *code;
	char        message[120] = "";

	if (pattern.len > REGEX_MAX) {
		fault_set(why, FAULT_INPUT, "regular expression is longer than %d bytes", REGEX_MAX);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)pattern.at, pattern.len,
		PCRE2_DOTALL | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | (fold ? PCRE2_CASELESS : 0), &error, &where, NULL);
	if (!code) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
		fault_set(why, FAULT_INPUT, "invalid regular expression `%.*s': %s", SPAN_ARGS(span_first(pattern, 100)), message);
	}
	return code;
}

int
regex_check(struct span pattern, struct fault *why)
{
	pcre2_code *code = regex_compile(pattern, false, why);

	pcre2_code_free(code);
	return code ? 0 : -1;
}

static int
regex_matches(struct run *r, const struct node *n, struct span value, struct span key, bool fold, bool *answer)
{
	struct fault         why = {0};
	pcre2_code          *code = regex_compile(key, fold, &why);
	pcre2_match_context *limits;
	pcre2_match_data    *data;
	int                  got;

	if (!code)
		return script_error(r, n, "%s", fault_text(&why));
	limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(limits, REGEX_MATCHES);
	pcre2_set_depth_limit(limits, REGEX_DEPTH);
	pcre2_set_heap_limit(limits, REGEX_HEAP_KIB);
	data = pcre2_match_data_create(MATCH_MAX, NULL);
	got = pcre2_match(code, (PCRE2_SPTR)value.at, value.len, 0, 0, data, limits);
	*answer = got >= 0;
	if (got >= 0) {
		const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
		struct wild       groups[MATCH_MAX] = {{0, 0}};
		int               count = got ? got : MATCH_MAX;

		for (int i = 1; i < count; i++)
			if (at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1])
				groups[i - 1] = (struct wild){at[2 * i], at[2 * i + 1]};
		take_groups(r, value, groups, (size_t)count - 1);
		if (r->script->capabilities >> CAP_VARIABLES & 1 && at[0] <= at[1])
			r->groups[0] = arena_span(r->arena, span_first(span_cut(value, at[0], at[1]), VALUE_MAX));
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	pcre2_code_free(code);
	if (got < 0 && got != PCRE2_ERROR_NOMATCH)
		return script_error(r, n, "regular expression is too costly");
	r->steps += REGEX_STEPS / 100 + value.len;
	return 0;
}

/* For patterns of the administrator's: the first group, or the whole match when there is none. */
bool
regex_group(struct span pattern, struct span value, struct span *out)
{
	struct fault         why = {0};
	pcre2_code          *code = regex_compile(pattern, false, &why);
	pcre2_match_context *limits;
	pcre2_match_data    *data;
	int                  got;

	if (!code)
		return false;
	limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(limits, REGEX_MATCHES);
	pcre2_set_depth_limit(limits, REGEX_DEPTH);
	pcre2_set_heap_limit(limits, REGEX_HEAP_KIB);
	data = pcre2_match_data_create(MATCH_MAX, NULL);
	got = pcre2_match(code, (PCRE2_SPTR)value.at, value.len, 0, 0, data, limits);
	if (got > 0) {
		const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data) + (got > 1 ? 2 : 0);

		*out = at[0] != PCRE2_UNSET && at[0] <= at[1] ? span_cut(value, at[0], at[1]) : SPAN_NONE;
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	pcre2_code_free(code);
	return got > 0;
}

/* A test's values, one after the other, against its keys. */

static enum comparator
comparator_of(struct run *r, const struct node *n)
{
	const struct argument *a = node_tag(n, TAG_COMPARATOR);
	enum comparator        how = COMPARE_CASEMAP;

	if (a)
		comparator_find(word_first(r, a), &how);
	return how;
}

static bool
relates(struct span relation, int order)
{
	static const struct { const char *name; bool less, equal, more; } table[] = {
		{"gt", false, false, true}, {"ge", false, true, true}, {"lt", true, false, false},
		{"le", true, true, false}, {"eq", false, true, false}, {"ne", true, false, true},
	};

	for (size_t i = 0; i < COUNT(table); i++)
		if (span_is_nocase(relation, table[i].name))
			return order < 0 ? table[i].less : order > 0 ? table[i].more : table[i].equal;
	return false;
}

void
matching_start(struct matching *m, struct run *r, const struct node *n, const struct strings *keys)
{
	*m = (struct matching){.run = r, .node = n, .keys = keys};
}

static int
match_one(struct matching *m, struct span value, struct span key, enum comparator how)
{
	struct run        *r = m->run;
	const struct node *n = m->node;
	struct wild        groups[MATCH_MAX];
	size_t             count = 0;

	if (n->tags & TAG(REGEX))
		return regex_matches(r, n, value, key, how == COMPARE_CASEMAP, &m->found);
	if (n->tags & TAG(VALUE)) {
		m->found = relates(word_first(r, node_tag(n, TAG_VALUE)), compare(value, key, how));
	} else if (n->tags & TAG(CONTAINS)) {
		/* the product of both lengths, at worst */
		if (script_cost(r, n, value.len / 8 * (key.len / 8 + 1)) < 0)
			return -1;
		m->found = contains(value, key, how);
	} else if (n->tags & TAG(MATCHES)) {
		if (script_cost(r, n, value.len / 8 * (key.len / 8 + 1)) < 0)
			return -1;
		m->found = wildcards(value, key, how, groups, &count);
		if (m->found)
			take_groups(r, value, groups, count);
	} else {
		m->found = compare(value, key, how) == 0;
	}
	return 0;
}

int
matching_value(struct matching *m, struct span value)
{
	enum comparator how = comparator_of(m->run, m->node);

	m->count++;
	if (m->found || (m->node->tags & TAG(COUNT)))
		return script_cost(m->run, m->node, 0);
	for (size_t i = 0; i < m->keys->count && !m->found; i++) {
		struct span key = word_expand(m->run, m->keys->at[i]);

		if (script_cost(m->run, m->node, value.len + key.len) < 0 || match_one(m, value, key, how) < 0)
			return -1;
	}
	return 0;
}

/* RFC 5231, 4.2: how many values there were is itself compared. */
int
matching_end(struct matching *m, bool *answer)
{
	autofree char *count = mem_format("%llu", (unsigned long long)m->count);

	if (m->node->tags & TAG(COUNT)) {
		enum comparator how = comparator_of(m->run, m->node);
		struct span     relation = word_first(m->run, node_tag(m->node, TAG_COUNT));

		for (size_t i = 0; i < m->keys->count && !m->found; i++)
			m->found = relates(relation, compare(span_of(count), word_expand(m->run, m->keys->at[i]), how));
	}
	*answer = m->found;
	return 0;
}
