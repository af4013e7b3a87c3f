/* SPDX-License-Identifier: ISC */
/*
 * param.c - rows that turn main.cf's text into typed C, once
 */
#include "config/param.h"

#include <limits.h>

#include "base/text.h"
#include "config/catalogue.h"

static const char *const type_names[] = {
	[PARAM_STRING] = "string", [PARAM_BOOLEAN] = "boolean", [PARAM_NUMBER] = "number",
	[PARAM_DURATION] = "duration", [PARAM_BYTES] = "bytes", [PARAM_LIST] = "list",
	[PARAM_CHOICE] = "choice", [PARAM_RAW] = "raw",
};

int
param_parse_boolean(struct span s, bool *out, struct fault *why)
{
	if (span_is_nocase(s, "yes"))
		*out = true;
	else if (span_is_nocase(s, "no"))
		*out = false;
	else
		return fault_set(why, FAULT_INPUT,
		                 "bad boolean configuration: \"%.*s\" (yes or no)",
		                 SPAN_ARGS(span_first(s, 100)));
	return 0;
}

int
param_parse_number(struct span s, int *out, struct fault *why)
{
	bool     minus = span_starts(s, "-");
	uint64_t n;

	if (!span_number(span_from(s, minus), &n) || n > INT_MAX)
		return fault_set(why, FAULT_INPUT, "bad numerical configuration: \"%.*s\"",
		                 SPAN_ARGS(span_first(s, 100)));
	*out = minus ? -(int)n : (int)n;
	return 0;
}

/* Milliseconds of a unit, 0 when there is no such unit. */
static int64_t
unit_of(char c)
{
	switch (ascii_lower(c)) {
	case 's': return 1000;
	case 'm': return 60 * 1000;
	case 'h': return 3600 * 1000;
	case 'd': return 24 * 3600 * 1000LL;
	case 'w': return 7 * 24 * 3600 * 1000LL;
	}
	return 0;
}

int
param_parse_duration(struct span s, struct span unit_from, int64_t *out, struct fault *why)
{
	int64_t  unit = s.len ? unit_of(s.at[s.len - 1]) : 0;
	uint64_t n;

	if (unit)
		s = span_first(s, s.len - 1);
	else if (unit_from.len)
		unit = unit_of(unit_from.at[unit_from.len - 1]);
	if (unit == 0)
		unit = 1000;
	if (!span_number(s, &n) || n > INT_MAX)
		return fault_set(why, FAULT_INPUT,
		                 "bad time value or unit: \"%.*s\" (units: s m h d w)",
		                 SPAN_ARGS(span_first(s, 100)));
	*out = (int64_t)n * unit;
	return 0;
}

int
param_parse_bytes(struct span s, int64_t *out, struct fault *why)
{
	uint64_t    n, factor = 1;
	struct span digits = s;

	if (s.len && !ascii_digit(s.at[s.len - 1])) {
		static const char units[] = "kmg";
		const char       *u = strchr(units, ascii_lower(s.at[s.len - 1]));

		factor = u && *u ? 1ULL << (10 * (u - units + 1)) : 0;
		digits = span_first(s, s.len - 1);
	}
	if (factor == 0 || !span_number(digits, &n) || n > INT64_MAX / factor)
		return fault_set(why, FAULT_INPUT, "bad size: \"%.*s\" (a number, or with k, M, G)",
		                 SPAN_ARGS(span_first(s, 100)));
	*out = (int64_t)(n * factor);
	return 0;
}

static int
parse_choice(struct span s, const char *words, int *out, struct fault *why)
{
	struct span rest = span_of(words), word;
	int         index = 0;
	bool        more;

	do {
		more = span_split(&rest, ' ', &word);
		if (span_equal_nocase(word, s)) {
			*out = index;
			return 0;
		}
		index++;
	} while (more);
	return fault_set(why, FAULT_INPUT, "\"%.*s\" is none of: %s",
	                 SPAN_ARGS(span_first(s, 100)), words);
}

static int
check_range(int64_t value, int64_t low, int64_t high, bool has_low, bool has_high,
            const struct param *row, struct fault *why)
{
	if (has_low && value < low)
		return fault_set(why, FAULT_INPUT, "less than its minimum %s", row->low);
	if (has_high && value > high)
		return fault_set(why, FAULT_INPUT, "more than its maximum %s", row->high);
	return 0;
}

static int
store_number(const struct param *row, struct span s, struct fault *why)
{
	int n, low = 0, high = 0;

	if (param_parse_number(s, &n, why) < 0 ||
	    (*row->low && param_parse_number(span_of(row->low), &low, why) < 0) ||
	    (*row->high && param_parse_number(span_of(row->high), &high, why) < 0) ||
	    check_range(n, low, high, *row->low, *row->high, row, why) < 0)
		return -1;
	*row->to.number = n;
	return 0;
}

static int
parse_wide(const struct param *row, struct span s, struct span unit, int64_t *out,
           struct fault *why)
{
	return row->type == PARAM_DURATION ? param_parse_duration(s, unit, out, why)
	                                   : param_parse_bytes(s, out, why);
}

static int
store_wide(const struct param *row, struct span s, struct span unit, struct fault *why)
{
	int64_t n, low = 0, high = 0;

	if (parse_wide(row, s, unit, &n, why) < 0 ||
	    (*row->low && parse_wide(row, span_of(row->low), unit, &low, why) < 0) ||
	    (*row->high && parse_wide(row, span_of(row->high), unit, &high, why) < 0) ||
	    check_range(n, low, high, *row->low, *row->high, row, why) < 0)
		return -1;
	*row->to.wide = n;
	return 0;
}

/* Puts one expanded value where its row says. */
static int
store(const struct param *row, struct span s, struct span unit, struct fault *why)
{
	struct list list = {0};

	s = span_trim(s);
	if (!row->to.string)
		return 0;
	switch (row->type) {
	case PARAM_RAW:
	case PARAM_STRING:
		*row->to.string = mem_span(s);
		return 0;
	case PARAM_BOOLEAN:
		return param_parse_boolean(s, row->to.boolean, why);
	case PARAM_NUMBER:
		return store_number(row, s, why);
	case PARAM_DURATION:
	case PARAM_BYTES:
		return store_wide(row, s, unit, why);
	case PARAM_LIST:
		if (list_parse(s, &list, why) < 0)
			return -1;
		*row->to.list = list;
		return 0;
	case PARAM_CHOICE:
		return parse_choice(s, row->low, row->to.number, why);
	case PARAM_END:
		break;
	}
	return fault_set(why, FAULT_INPUT, "a row without a type");
}

static int
add_raw(const struct main_cf *cf, const struct param *row, struct text *out)
{
	const struct setting *s = main_cf_setting(cf, row->name);

	text_add_string(out, s ? s->value : row->fallback);
	return 0;
}

static int
load_row(struct main_cf *cf, const struct param *row, struct faults *faults)
{
	autotext struct text value = {0}, fallback = {0};
	struct fault         why = {0};
	const char          *raw = main_cf_default(cf, row->name);

	if (row->type != PARAM_RAW && main_cf_expand(cf, span_of(raw ? raw : ""), &fallback,
	                                             &why) < 0)
		faults_add(faults, "default of %s: %s", row->name, fault_text(&why));
	if (row->type == PARAM_RAW)
		add_raw(cf, row, &value);
	else if (main_cf_get(cf, row->name, &value, &why) < 0) {
		faults_add(faults, "%s", fault_text(&why));
		store(row, text_span(&fallback), text_span(&fallback), NULL);
		return -1;
	}
	if (store(row, text_span(&value), text_span(&fallback), &why) == 0)
		return 0;
	faults_add(faults, "%s%s: %s", main_cf_place(cf, row->name), row->name, fault_text(&why));
	store(row, text_span(&fallback), text_span(&fallback), NULL);
	return -1;
}

int
params_load(struct main_cf *cf, const struct param *const *tables, struct faults *faults)
{
	int outcome = 0;

	for (const struct param *const *t = tables; *t; t++)
		main_cf_know(cf, *t);
	for (const struct param *const *t = tables; *t; t++)
		for (const struct param *row = *t; row->name; row++)
			if (load_row(cf, row, faults) < 0)
				outcome = -1;
	return outcome;
}

void
params_describe(FILE *out, const struct param *const *tables)
{
	for (; *tables; tables++)
		for (const struct param *row = *tables; row->name; row++)
			fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", row->name, type_names[row->type],
			        row->compute ? "(computed)" : row->fallback, row->low, row->high, row->help);
}

int
param_transport_text(const struct main_cf *cf, const char *transport, const char *suffix,
                     const char *fallback_name, struct text *out, struct fault *why)
{
	autofree char *name = mem_format("%s%s", transport, suffix);

	if (!main_cf_setting(cf, name) && !catalogue_find(span_of(name)))
		return main_cf_get(cf, fallback_name, out, why) < 0 ? -1 : 0;
	return main_cf_get(cf, name, out, why) < 0 ? -1 : 0;
}

int
param_transport_number(const struct main_cf *cf, const char *transport, const char *suffix,
                       const char *fallback_name, int *out, struct fault *why)
{
	autotext struct text value = {0};

	if (param_transport_text(cf, transport, suffix, fallback_name, &value, why) < 0)
		return -1;
	if (param_parse_number(span_trim(text_span(&value)), out, why) < 0)
		return fault_prefix(why, "%s%s", transport, suffix);
	return 0;
}

int
param_transport_duration(const struct main_cf *cf, const char *transport, const char *suffix,
                         const char *fallback_name, int64_t *ms, struct fault *why)
{
	autotext struct text value = {0};
	const char          *unit = main_cf_default(cf, fallback_name);

	if (param_transport_text(cf, transport, suffix, fallback_name, &value, why) < 0)
		return -1;
	if (param_parse_duration(span_trim(text_span(&value)), span_of(unit ? unit : ""), ms,
	                         why) < 0)
		return fault_prefix(why, "%s%s", transport, suffix);
	return 0;
}
