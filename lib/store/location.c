/* SPDX-License-Identifier: ISC */
/*
 * location.c - mail_location: where a user's mail lies
 */
#include "store/location.h"

void
location_free(struct location *l)
{
	text_free(&l->root);
	text_free(&l->index);
}

/* A user name becomes part of a path: no slash, no "..", nothing empty. */
static int
add_name(struct span name, struct text *out, struct fault *why)
{
	if (name.len == 0 || span_has(name, '/') || span_has(name, '\0') || name.at[0] == '.')
		return fault_set(why, FAULT_INPUT, "user name cannot be part of a path");
	text_add(out, name);
	return 0;
}

static int
expand(struct span in, struct span user, struct span home, struct text *out, struct fault *why)
{
	ptrdiff_t   at = span_find_last(user, '@');
	struct span local = at < 0 ? user : span_first(user, (size_t)at);
	struct span domain = at < 0 ? SPAN_NONE : span_from(user, (size_t)at + 1);

	for (size_t i = 0; i < in.len; i++) {
		char letter = i + 1 < in.len ? in.at[i + 1] : '\0';

		if (i == 0 && span_starts(in, "~/")) {
			text_add(out, home);
			continue;
		}
		if (in.at[i] != '%') {
			text_add_byte(out, in.at[i]);
			continue;
		}
		i++;
		if (letter == '%')
			text_add_byte(out, '%');
		else if (letter == 'h')
			text_add(out, home);
		else if (letter == 'u' || letter == 'n' || letter == 'd') {
			if (add_name(letter == 'u' ? user : letter == 'n' ? local : domain, out, why) < 0)
				return -1;
		} else
			return fault_set(why, FAULT_INPUT, "mail_location: %%%c is not known", letter);
	}
	return 0;
}

static int
take_key(struct span key, struct span user, struct span home, struct location *l, struct fault *why)
{
	if (span_starts(key, "INDEX="))
		return expand(span_from(key, 6), user, home, &l->index, why);
	return fault_set(why, FAULT_INPUT, "mail_location: \"%.*s\" is not supported", SPAN_ARGS(key));
}

int
location_parse(struct span setting, struct span user, struct span home, struct location *out,
	struct fault *why)
{
	struct span     rest = span_trim(setting), piece;
	struct location l = {0};
	int             result;

	if (!span_starts(rest, "maildir:"))
		return fault_set(why, FAULT_INPUT, "mail_location: only maildir: is supported");
	rest = span_from(rest, 8);
	span_split(&rest, ':', &piece);
	result = expand(piece, user, home, &l.root, why);
	while (result == 0 && rest.len) {
		span_split(&rest, ':', &piece);
		result = take_key(piece, user, home, &l, why);
	}
	if (result == 0 && (l.root.len == 0 || l.root.at[0] != '/'))
		result = fault_set(why, FAULT_INPUT, "mail_location: \"%s\" is not an absolute path",
			text_string(&l.root));
	if (result < 0)
		location_free(&l);
	else
		*out = l;
	return result;
}
