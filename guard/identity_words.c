/* SPDX-License-Identifier: ISC */
/*
 * identity_words.c - Dovecot's %-variables in a query for a user
 */
#include "guard/identity_words.h"

static const struct { char letter; const char *name; } variables[] = {
	{'u', "user"}, {'n', "username"}, {'d', "domain"}, {'s', "service"}, {'r', "rip"}, {'l', "lip"},
};

/* One variable off the front of *words, behind its %: its letter, 0 when there is no such. */
static char
next_variable(const char **words, char *modifier)
{
	const char *p = *words, *end;

	*modifier = *p == 'L' || *p == 'U' ? *p : '\0';
	p += *modifier != '\0';
	end = *p == '{' ? strchr(p, '}') : NULL;
	for (size_t i = 0; i < COUNT(variables); i++) {
		const char *name = variables[i].name;

		if (*p == variables[i].letter || (end && (size_t)(end - p - 1) == strlen(name) && strncmp(p + 1, name, strlen(name)) == 0)) {
			*words = end ? end + 1 : p + 1;
			return variables[i].letter;
		}
	}
	return 0;
}

int
identity_words_check(const char *words, struct fault *why)
{
	for (const char *p = words; (p = strchr(p, '%'));) {
		char modifier;

		if (*++p == '%')
			p++;
		else if (!next_variable(&p, &modifier))
			return fault_set(why, FAULT_INPUT, "no such variable here: %%%.12s", p);
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
add_variable(char letter, char modifier, const struct identity_words *v, remote_quote *quote, void *context, struct text *out, struct fault *why)
{
	autotext struct text value = {0};

	text_add(&value, value_of(letter, v));
	for (size_t i = 0; i < value.len; i++)
		value.at[i] = modifier == 'L' ? ascii_lower(value.at[i]) : modifier == 'U' ? ascii_upper(value.at[i]) : value.at[i];
	return quote(context, text_span(&value), out, why);
}

int
identity_words_expand(const char *words, const struct identity_words *v, remote_quote *quote, void *context, struct text *out, struct fault *why)
{
	size_t start = out->len;

	while (*words) {
		size_t plain = strcspn(words, "%");
		char   modifier, letter;

		text_add(out, span_at(words, plain));
		words += plain;
		if (!*words)
			break;
		if (*++words == '%') {
			text_add_byte(out, *words++);
			continue;
		}
		letter = next_variable(&words, &modifier);
		if (!letter || add_variable(letter, modifier, v, quote, context, out, why) < 0) {
			text_cut(out, start);
			return letter ? -1 : fault_set(why, FAULT_INPUT, "no such variable");
		}
	}
	return 0;
}
