/* SPDX-License-Identifier: ISC */
/*
 * uidl.c - the text of UIDL, by pop3_uidl_format
 */
#include "uidl.h"

enum { WIDTH_MOST = 64 };

struct piece {
	bool     hex, upper, lower, zeros;
	uint64_t width;
};

static const struct {
	char        letter;
	const char *name;
} variables[] = {
	{'u', "uid"}, {'v', "uidvalidity"}, {'f', "filename"}, {'g', "guid"},
};

static void
add_cased(const struct piece *p, struct span value, struct text *out)
{
	if (p->zeros)
		for (size_t i = value.len; i < p->width; i++)
			text_add_byte(out, '0');
	else if (p->width)
		value = span_first(value, (size_t)p->width);
	for (size_t i = 0; i < value.len; i++)
		text_add_byte(out, p->upper ? ascii_upper(value.at[i]) : p->lower ? ascii_lower(value.at[i]) : value.at[i]);
}

/* `which` of the table; a name or GUID in hexadecimal makes no sense. */
static bool
add_value(size_t which, const struct piece *p, const struct uidl_values *v, struct text *out)
{
	autotext struct text number = {0};

	if (which >= 2) {
		if (!p->hex)
			add_cased(p, which == 2 ? v->base : v->guid, out);
		return !p->hex;
	}
	text_add_format(&number, p->hex ? "%x" : "%u", which == 0 ? v->uid : v->validity);
	add_cased(p, text_span(&number), out);
	return true;
}

/* "%08Xu": behind the percent sign. */
static bool
add_short(struct span *rest, const struct uidl_values *v, struct text *out)
{
	struct piece p = {0};
	size_t       digits = 0;

	p.zeros = span_starts(*rest, "0");
	while (digits < rest->len && ascii_digit(rest->at[digits]))
		digits++;
	if (digits && (!span_number(span_first(*rest, digits), &p.width) || p.width == 0 || p.width > WIDTH_MOST))
		return false;
	*rest = span_from(*rest, digits);
	for (; rest->len; *rest = span_from(*rest, 1)) {
		char c = rest->at[0];

		if (c == 'X')
			p.hex = true;
		else if (c == 'U')
			p.upper = true;
		else if (c == 'L')
			p.lower = true;
		else
			break;
	}
	for (size_t i = 0; i < COUNT(variables) && rest->len; i++)
		if (rest->at[0] == variables[i].letter) {
			*rest = span_from(*rest, 1);
			return add_value(i, &p, v, out);
		}
	return false;
}

static bool
take_filter(struct span filter, struct piece *p)
{
	if (span_is(filter, "upper")) {
		p->upper = true;
		return true;
	}
	if (span_is(filter, "lower")) {
		p->lower = true;
		return true;
	}
	if (span_is(filter, "hex")) {
		p->hex = true;
		return true;
	}
	if (!span_starts(filter, "hex(") || !span_ends(filter, ")"))
		return false;
	p->hex = p->zeros = true;
	return span_number(span_cut(filter, 4, filter.len - 1), &p->width) && p->width <= WIDTH_MOST;
}

/* "%{uid | hex(8)}": behind the brace. */
static bool
add_long(struct span *rest, const struct uidl_values *v, struct text *out)
{
	struct piece p = {0};
	struct span  inside, name, filter;

	if (!span_split(rest, '}', &inside))
		return false;
	span_split(&inside, '|', &name);
	name = span_trim(name);
	while (inside.len) {
		span_split(&inside, '|', &filter);
		if (!take_filter(span_trim(filter), &p))
			return false;
	}
	for (size_t i = 0; i < COUNT(variables); i++)
		if (span_is(name, variables[i].name) || (name.len == 1 && name.at[0] == variables[i].letter))
			return add_value(i, &p, v, out);
	return false;
}

bool
uidl_format(const char *format, const struct uidl_values *v, struct text *out)
{
	struct span rest = span_of(format);
	bool        any = false;

	while (rest.len) {
		char c = rest.at[0];

		rest = span_from(rest, 1);
		if (c != '%') {
			text_add_byte(out, c);
		} else if (span_starts(rest, "%")) {
			text_add_byte(out, '%');
			rest = span_from(rest, 1);
		} else if (span_starts(rest, "{")) {
			rest = span_from(rest, 1);
			any = true;
			if (!add_long(&rest, v, out))
				return false;
		} else {
			any = true;
			if (!add_short(&rest, v, out))
				return false;
		}
	}
	return any;
}
