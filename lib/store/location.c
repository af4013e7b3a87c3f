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
	text_free(&l->private);
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

struct people { const struct location_user *user, *owner; bool foreign; };

static int
add_variable(char letter, const struct location_user *u, struct text *out, struct fault *why)
{
	ptrdiff_t   at = span_find_last(u->name, '@');
	struct span local = at < 0 ? u->name : span_first(u->name, (size_t)at);
	struct span domain = at < 0 ? SPAN_NONE : span_from(u->name, (size_t)at + 1);

	if (letter == 'u' || letter == 'n' || letter == 'd')
		return add_name(letter == 'u' ? u->name : letter == 'n' ? local : domain, out, why);
	if (letter != 'h')
		return fault_set(why, FAULT_INPUT, "mail_location: %%%c is not known", letter);
	text_add(out, u->home);
	return 0;
}

static int
expand(struct span in, const struct people *who, struct text *out, struct fault *why)
{
	for (size_t i = 0; i < in.len; i++) {
		bool double_sign = i + 2 < in.len && in.at[i + 1] == '%' && who->owner;

		if (i == 0 && span_starts(in, "~/")) {
			text_add(out, who->user->home);
			continue;
		}
		if (in.at[i] != '%') {
			text_add_byte(out, in.at[i]);
			continue;
		}
		i += double_sign ? 2 : 1;
		if (!double_sign && i < in.len && in.at[i] == '%')
			text_add_byte(out, '%');
		else if (add_variable(i < in.len ? in.at[i] : '\0', double_sign ? who->owner : who->user, out, why) < 0)
			return -1;
	}
	return 0;
}

static int
take_key(struct span key, const struct people *who, struct location *l, struct fault *why)
{
	if (span_starts(key, "INDEX="))
		return expand(span_from(key, 6), who, &l->index, why);
	if (span_starts(key, "INDEXPVT=") && who->foreign)
		return expand(span_from(key, 9), who, &l->private, why);
	return fault_set(why, FAULT_INPUT, "mail_location: \"%.*s\" is not supported", SPAN_ARGS(key));
}

static int
parse(struct span setting, const struct people *who, struct location *out, struct fault *why)
{
	struct span     rest = span_trim(setting), piece;
	struct location l = {0};
	int             result;

	if (!span_starts(rest, "maildir:"))
		return fault_set(why, FAULT_INPUT, "mail_location: only maildir: is supported");
	rest = span_from(rest, 8);
	span_split(&rest, ':', &piece);
	result = expand(piece, who, &l.root, why);
	while (result == 0 && rest.len) {
		span_split(&rest, ':', &piece);
		result = take_key(piece, who, &l, why);
	}
	if (result == 0 && (l.root.len == 0 || l.root.at[0] != '/'))
		result = fault_set(why, FAULT_INPUT, "mail_location: \"%s\" is not an absolute path",
			text_string(&l.root));
	if (result == 0 && l.private.len && l.private.at[0] != '/')
		result = fault_set(why, FAULT_INPUT, "INDEXPVT=%s is not an absolute path", text_string(&l.private));
	if (result < 0)
		location_free(&l);
	else
		*out = l;
	return result;
}

int
location_parse(struct span setting, struct span user, struct span home, struct location *out, struct fault *why)
{
	const struct location_user u = {user, home};

	return parse(setting, &(struct people){&u, NULL, false}, out, why);
}

int
location_parse_foreign(struct span setting, const struct location_user *user, const struct location_user *owner,
	struct location *out, struct fault *why)
{
	return parse(setting, &(struct people){user, owner, true}, out, why);
}

int
location_expand_prefix(struct span prefix, const struct location_user *owner, struct text *out, struct fault *why)
{
	return expand(prefix, &(struct people){owner, owner, true}, out, why);
}
