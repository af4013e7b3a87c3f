/* SPDX-License-Identifier: ISC */
/*
 * identity_words.c - Dovecot's %-variables in a query for a user
 */
#include "guard/identity_words.h"

static const struct { char letter; const char *name; } variables[] = {
	{'u', "user"}, {'n', "username"}, {'d', "domain"}, {'s', "service"}, {'r', "rip"}, {'l', "lip"},
};
enum { OTHER = '$' };

struct variable {
	char        letter, modifier;     /* OTHER: by its name */
	struct span name;
};

/* One variable off the front of *words, behind its %: false when there is no such. */
static bool
next_variable(const char **words, struct variable *v)
{
	const char *p = *words, *end;

	*v = (struct variable){.modifier = *p == 'L' || *p == 'U' ? *p : '\0'};
	p += v->modifier != '\0';
	end = *p == '{' ? strchr(p, '}') : NULL;
	v->name = end ? span_at(p + 1, (size_t)(end - p - 1)) : span_at(p, *p != '\0');
	*words = end ? end + 1 : p + v->name.len;
	for (size_t i = 0; i < COUNT(variables); i++)
		if ((v->name.len == 1 && v->name.at[0] == variables[i].letter) || (end && span_is(v->name, variables[i].name)))
			v->letter = variables[i].letter;
	if (!v->letter && (span_is(v->name, "$") || (end && span_has(v->name, ':'))))
		v->letter = OTHER;
	return v->letter != '\0';
}

int
identity_words_check(const char *words, identity_others *others, void *context, struct fault *why)
{
	for (const char *p = words; (p = strchr(p, '%'));) {
		struct variable v;
		const char     *at = ++p;

		if (*p == '%')
			p++;
		else if (!next_variable(&p, &v) || (v.letter == OTHER && !(others && others(context, v.name, NULL))))
			return fault_set(why, FAULT_INPUT, "no such variable here: %%%.24s", at);
	}
	return 0;
}

static struct span
value_of(char letter, const struct identity_words *v)
{
	ptrdiff_t at = span_find(v->user, '@');

	switch (letter) {
	case 'u': return v->user;
	case 'n': return at < 0 ? v->user : span_first(v->user, (size_t)at);
	case 'd': return at < 0 ? SPAN_NONE : span_from(v->user, (size_t)at + 1);
	case 's': return v->service;
	case 'r': return v->remote;
	default:  return v->local;
	}
}

static int
add_variable(const struct variable *which, const struct identity_words *v, remote_quote *quote, void *context, struct text *out, struct fault *why)
{
	autotext struct text value = {0};

	if (which->letter != OTHER)
		text_add(&value, value_of(which->letter, v));
	else if (!v->others || !v->others(v->context, which->name, &value))
		return fault_set(why, FAULT_INPUT, "no such variable");
	for (size_t i = 0; i < value.len; i++)
		value.at[i] = which->modifier == 'L'   ? ascii_lower(value.at[i])
		              : which->modifier == 'U' ? ascii_upper(value.at[i])
		                                       : value.at[i];
	return quote(context, text_span(&value), out, why);
}

int
identity_words_expand(const char *words, const struct identity_words *v, remote_quote *quote, void *context, struct text *out, struct fault *why)
{
	size_t start = out->len;

	while (*words) {
		size_t          plain = strcspn(words, "%");
		struct variable which;
		bool            known;

		text_add(out, span_at(words, plain));
		words += plain;
		if (!*words)
			break;
		if (*++words == '%') {
			text_add_byte(out, *words++);
			continue;
		}
		known = next_variable(&words, &which);
		if (!known || add_variable(&which, v, quote, context, out, why) < 0) {
			text_cut(out, start);
			return known ? -1 : fault_set(why, FAULT_INPUT, "no such variable");
		}
	}
	return 0;
}
