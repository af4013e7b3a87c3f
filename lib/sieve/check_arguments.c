/* SPDX-License-Identifier: ISC */
/*
 * check_arguments.c - the arguments of a command or test against its row: tags, and the signature
 */
#include "sieve/check_private.h"

static enum tag
find_tag(struct span name)
{
	enum tag t = 0;

	while (t < TAGS && !span_is_nocase(name, sieve_tags[t].name))
		t++;
	return t;
}

/* Of each of these a command may hold one. */
static const uint64_t exclusive[] = {
	TAG(IS) | TAG(CONTAINS) | TAG(MATCHES) | TAG(REGEX) | TAG(COUNT) | TAG(VALUE),
	TAG(ALL) | TAG(LOCALPART) | TAG(DOMAIN) | TAG(USER) | TAG(DETAIL),
	TAG(RAW) | TAG(TEXT) | TAG(CONTENT), TAG(OVER) | TAG(UNDER), TAG(LOWER) | TAG(UPPER),
	TAG(LOWERFIRST) | TAG(UPPERFIRST), TAG(QUOTEWILDCARD) | TAG(QUOTEREGEX), TAG(DAYS) | TAG(SECONDS),
	TAG(TYPE) | TAG(SUBTYPE) | TAG(CONTENTTYPE) | TAG(PARAM),
	TAG(ZONE) | TAG(ORIGINALZONE), TAG(PERSONAL) | TAG(GLOBAL), TAG(HEADER) | TAG(UNIQUEID),
	TAG(INPUT) | TAG(PIPE),
};

static bool
fits(const struct argument *a, char kind)
{
	return kind == 'n' ? a->kind == ARG_NUMBER
	     : a->kind == ARG_STRINGS && (kind == 'S' || a->strings.single);
}

static const char *
kind_name(char kind)
{
	return kind == 'n' ? "a number" : kind == 's' ? "a string" : "a string or a list of strings";
}

/* What a tag needs that the command does not bring along. */
static int
tag_needs(const struct node *n, enum tag t)
{
	if (t == TAG_SECONDS && span_is_nocase(n->name, "vacation"))
		return CAP_VACATION_SECONDS;
	if (t == TAG_INDEX || t == TAG_LAST)   /* of index but where the command has its own */
		return n->verb->capability == CAP_DUPLICATE || n->verb->capability == CAP_EDITHEADER ? CAP_NONE : CAP_INDEX;
	if (t == TAG_MIME && !span_is_nocase(n->name, "vacation"))
		return CAP_MIME;
	return sieve_tags[t].capability;
}

/* A tag and its value from args[*i]. */
static int
check_tag(struct checker *c, struct node *n, size_t *i)
{
	const struct argument *a = &n->args[*i], *value = NULL;
	enum tag               t = find_tag(a->tag);

	if (t == TAGS || !(n->verb->tags >> t & 1))
		return checker_fail(c, n, "unknown tag \":%.*s\" for %s", SPAN_ARGS(span_first(a->tag, 60)), n->verb->name);
	if (!has(c, tag_needs(n, t)))
		return checker_fail(c, n, "tag \":%s\" is used without require", sieve_tags[t].name);
	for (size_t k = 0; k < COUNT(exclusive); k++)
		if ((exclusive[k] >> t & 1) && (n->tags & exclusive[k]))
			return checker_fail(c, n, "\":%s\" conflicts with another tag", sieve_tags[t].name);
	if (n->tags >> t & 1)
		return checker_fail(c, n, "\":%s\" stands there twice", sieve_tags[t].name);
	if (sieve_tags[t].value) {
		if (*i + 1 >= n->n_args || !fits(&n->args[*i + 1], sieve_tags[t].value))
			return checker_fail(c, n, "\":%s\" needs %s behind it", sieve_tags[t].name, kind_name(sieve_tags[t].value));
		value = &n->args[++*i];
	}
	n->tags |= 1ull << t;
	n->values[n->n_values++] = (struct tagged){t, value ? value : a};
	return 0;
}

/* What is not a tag, against the signature: "s?S" is one or two. */
static int
check_positional(struct checker *c, struct node *n, const struct argument *const *given, size_t count)
{
	const char *s = n->verb->signature;
	size_t      least = 0, most = 0, used = 0, slot = 0;

	for (const char *p = s; *p; p++)
		if (*p != '?') {
			most++;
			least += p[1] != '?';
		}
	if (count < least || count > most)
		return checker_fail(c, n, "%s takes %zu%s positional argument%s, not %zu", n->verb->name, least,
			most > least ? " or more" : "", least == 1 ? "" : "s", count);
	for (; *s; s++, slot++) {
		char kind = *s;
		bool optional = s[1] == '?';

		s += optional;
		if (optional && count < most)
			continue;
		if (!fits(given[used], kind))
			return checker_fail(c, n, "argument %zu of %s must be %s", used + 1, n->verb->name, kind_name(kind));
		n->at[slot] = given[used++];
	}
	return 0;
}

int
check_arguments(struct checker *c, struct node *n)
{
	const struct argument *given[ARGUMENTS_MAX];
	size_t                 count = 0;

	n->values = arena_alloc(c->arena, (n->n_args + 1) * sizeof *n->values);
	for (size_t i = 0; i < n->n_args; i++) {
		if (n->args[i].kind != ARG_TAG) {
			given[count++] = &n->args[i];
			continue;
		}
		/* tags come first (RFC 5228, 2.6.2) */
		if (count)
			return checker_fail(c, n, "tag \":%.*s\" stands behind positional arguments",
				SPAN_ARGS(span_first(n->args[i].tag, 60)));
		if (check_tag(c, n, &i) < 0)
			return -1;
	}
	return check_positional(c, n, given, count);
}

int
check_strings(struct checker *c, struct node *n)
{
	for (size_t i = 0; i < n->n_args; i++)
		for (size_t k = 0; n->args[i].kind == ARG_STRINGS && has(c, CAP_ENCODED) && k < n->args[i].strings.count; k++)
			if (!encoded_characters(c->arena, n->args[i].strings.at[k], &n->args[i].strings.at[k]))
				return checker_fail(c, n, "encoded character is out of range");
	return 0;
}
