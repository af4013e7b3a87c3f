/* SPDX-License-Identifier: ISC */
/*
 * scores.c - spamtest and virustest: what a scanner wrote into the header, on the scale of RFC 5235
 *
 * Which field it is, and how it is read, the administrator says under Pigeonhole's names.  A field that is
 * not there, or makes no sense, is "0": not tested.
 */
#include "sieve/sieve_private.h"

#include <math.h>
#include <stdlib.h>

/* "X-Spam-Score: regexp": what its group, or all of it, matched in the first such field; false: none. */
static bool
field_value(struct run *r, const char *setting, struct span *out)
{
	struct span         pattern = span_of(setting), name, value;
	struct header_field f;
	char               *label;

	span_split(&pattern, ':', &name);
	pattern = span_trim(pattern);
	label = arena_string(r->arena, span_trim(name));
	if (!label[0] || !header_find(r->message, label, &f))
		return false;
	value = script_decoded(r, f.value);
	if (pattern.len == 0) {
		*out = value;
		return true;
	}
	return regex_group(pattern, value, out);
}

static bool
number_of(struct run *r, struct span s, double *out)
{
	char *text = arena_string(r->arena, span_first(span_trim(s), 60)), *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*out);
}

static bool
maximum_of(struct run *r, const struct sieve_scanner *s, double *out)
{
	struct span value;

	if (s->max_value && s->max_value[0])
		return number_of(r, span_of(s->max_value), out) && *out > 0;
	return s->max_header && s->max_header[0] && field_value(r, s->max_header, &value) && number_of(r, value, out) && *out > 0;
}

/* 0.0 to 1.0; below 0: not tested. */
static double
ratio_of(struct run *r, const struct sieve_scanner *s, int texts)
{
	struct span value;
	double      score = 0, most = 0;

	if (!s || !s->status_header || !s->status_header[0] || !field_value(r, s->status_header, &value))
		return -1;
	if (span_is_nocase(span_of(s->status_type), "text")) {
		for (int i = 0; i < texts; i++)
			if (s->text[i] && s->text[i][0] && span_is(value, s->text[i]))
				return i ? (i - 1.0) / (texts - 2.0) : -1;
		return -1;
	}
	if (!maximum_of(r, s, &most))
		return -1;
	if (span_is_nocase(span_of(s->status_type), "strlen"))
		score = (double)value.len;
	else if (!number_of(r, value, &score))
		return -1;
	return score < 0 ? 0 : score > most ? 1 : score / most;
}

static int
match_ratio(struct run *r, const struct node *n, double ratio, double steps, bool percent, bool *answer)
{
	struct matching m;
	int             value = ratio < 0 ? 0 : percent ? (int)(ratio * 100 + 0.001) : (int)(ratio * steps + 1.001);

	if (script_cost(r, n, 65536) < 0)      /* the administrator's expression, and a stranger's field */
		return -1;
	matching_start(&m, r, n, &n->at[0]->strings);
	if (matching_value(&m, span_of(arena_format(r->arena, "%d", value))) < 0)
		return -1;
	return matching_end(&m, answer);
}

int
test_spamtest(struct run *r, const struct node *n, bool *answer)
{
	return match_ratio(r, n, ratio_of(r, r->limits->spam, SIEVE_SPAM_TEXTS), 9, n->tags & TAG(PERCENT), answer);
}

int
test_virustest(struct run *r, const struct node *n, bool *answer)
{
	return match_ratio(r, n, ratio_of(r, r->limits->virus, SIEVE_VIRUS_TEXTS), 4, false, answer);
}
