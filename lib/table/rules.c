/* SPDX-License-Identifier: ISC */
/*
 * rules.c - a text of patterns from top to bottom, with if and endif
 */
#include "table/rules.h"

#include <stdlib.h>

#include "base/log.h"
#include "config/line.h"

struct nest {
	size_t open[RULES_DEPTH];
	int    depth;
};

static struct rule *
add(struct rules *r)
{
	r->rule = mem_grow(r->rule, r->count + 1, sizeof *r->rule);
	r->rule[r->count] = (struct rule){0};
	return &r->rule[r->count++];
}

static bool
take_not(struct span *s)
{
	bool negative = false;

	while (s->len && s->at[0] == '!') {
		negative = !negative;
		*s = span_from(*s, 1);
		while (s->len && (s->at[0] == ' ' || s->at[0] == '\t'))
			*s = span_from(*s, 1);
	}
	return negative;
}

static bool
word_is(struct span s, const char *word)
{
	size_t len = strlen(word);

	return span_starts_nocase(s, word) && (s.len == len || !ascii_alpha(s.at[len]));
}

static int
add_if(struct rules *r, struct nest *nest, struct span s, rules_parse *parse, void *context,
       struct fault *why)
{
	struct span  rest = span_trim(span_from(s, 2));
	bool         negative = take_not(&rest);
	void        *pattern;
	struct rule *rule;

	if (nest->depth == RULES_DEPTH)
		return fault_set(why, FAULT_INPUT, "if nested too deep");
	pattern = parse(context, &rest, why);
	rule = add(r);
	rule->is_if = true;
	rule->negative = negative;
	rule->pattern = pattern;         /* NULL: never matches, so that its endif is still paired */
	nest->open[nest->depth++] = r->count - 1;
	return pattern ? 0 : -1;
}

static int
add_rule(struct rules *r, struct span s, rules_parse *parse, void *context, struct fault *why)
{
	bool         negative = take_not(&s);
	void        *pattern = parse(context, &s, why);
	struct rule *rule;

	if (!pattern)
		return -1;
	s = span_trim(s);
	rule = add(r);
	rule->negative = negative;
	rule->pattern = pattern;
	rule->result = mem_span(s);
	return s.len ? 0 : fault_set(why, FAULT_INPUT, "no replacement text: using empty string");
}

static int
add_line(struct rules *r, struct nest *nest, struct span s, rules_parse *parse, void *context,
         struct fault *why)
{
	if (span_has(s, '\0'))
		return fault_set(why, FAULT_INPUT, "a NUL byte");
	if (word_is(s, "if"))
		return add_if(r, nest, s, parse, context, why);
	if (word_is(s, "endif")) {
		if (nest->depth == 0)
			return fault_set(why, FAULT_INPUT, "ignoring endif without matching if");
		r->rule[nest->open[--nest->depth]].skip = r->count;
		if (span_trim(span_from(s, 5)).len)
			return fault_set(why, FAULT_INPUT, "ignoring text after endif");
		return 0;
	}
	return add_rule(r, s, parse, context, why);
}

int
rules_parse_text(const char *path, struct span in, struct rules *r, rules_parse *parse,
                 void *context,
                 struct fault *why)
{
	struct line  line = {0};
	struct nest  nest = {.depth = 0};
	struct fault bad = {0};

	while (config_line_next(&in, &line)) {
		if (r->count >= RULES_MAX) {
			line_free(&line);
			return fault_set(why, FAULT_INPUT, "more than %d rules", RULES_MAX);
		}
		if (add_line(r, &nest, span_trim(text_span(&line.text)), parse, context, &bad) < 0 &&
		    path)
			log_warning("%s, line %d: %s", path, line.number, fault_text(&bad));
	}
	line_free(&line);
	if (nest.depth && path)
		log_warning("%s: if without endif", path);
	while (nest.depth)
		r->rule[nest.open[--nest.depth]].skip = r->count;
	return 0;
}

int
rules_read(struct table *t, struct rules *r, rules_parse *parse, void *context, struct fault *why)
{
	autotext struct text in = {0};
	struct span          inside;

	/* inline rules: pcre:{{/a/ b}, {/c/ d}} */
	if (list_group(span_of(t->name), &inside)) {
		struct span word, one;

		t->owner = 0;
		while (list_next(&inside, ", \t\r\n", &word, NULL) > 0) {
			if (list_group(word, &one))
				word = one;
			text_add(&in, word);
			text_add_byte(&in, '\n');
		}
	} else if (table_read_text(t, t->name, &in, why) < 0)
		return -1;
	return rules_parse_text(t->name, text_span(&in), r, parse, context, why);
}

void
rules_free(struct rules *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->rule[i].pattern)
			r->free_pattern(r->rule[i].pattern);
		free(r->rule[i].result);
	}
	free(r->rule);
	*r = (struct rules){0};
}
