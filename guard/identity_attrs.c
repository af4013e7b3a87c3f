/* SPDX-License-Identifier: ISC */
/*
 * identity_attrs.c - an LDAP entry's attributes as fields of a user
 */
#include "guard/identity_attrs.h"

/* ---- the list ---- */

struct wanted {
	struct arena          *arena;
	struct identity_attrs *attrs;
	bool                   too_many;
};

static void
want(struct wanted *w, struct span name)
{
	for (size_t i = 0; i < w->attrs->names; i++)
		if (span_is_nocase(name, w->attrs->name[i]))
			return;
	w->too_many = w->attrs->names == IDENTITY_ATTRS_MAX;
	if (!w->too_many)
		w->attrs->name[w->attrs->names++] = (char *)(uintptr_t)arena_string(w->arena, name);
}

/* A name that a server may be asked for (RFC 4512, 2.5): no pointer, no list. */
static bool
is_attribute(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alpha(name.at[i]) && !ascii_digit(name.at[i]) && (!name.at[i] || !strchr("-.;_", name.at[i])))
			return false;
	return name.len > 0;
}

/* "ldap:attribute:default", "ldap_multi:attribute:separator:default": what is behind the attribute in *rest. */
static bool
is_ours(struct span name, bool *multi, struct span *attribute, struct span *rest)
{
	struct span kind;

	if (!span_split(&name, ':', &kind) || (!span_is(kind, "ldap") && !span_is(kind, "ldap_multi")))
		return false;
	*multi = span_is(kind, "ldap_multi");
	span_split(&name, ':', attribute);
	*rest = name;
	return is_attribute(*attribute);
}

static bool
note_variable(void *context, struct span name, struct text *out)
{
	struct span attribute, rest;
	bool        multi;

	(void)out;
	if (span_is(name, "$"))
		return true;
	if (!is_ours(name, &multi, &attribute, &rest))
		return false;
	want(context, attribute);
	return true;
}

static int
take_one(struct wanted *w, struct span in, const char *without, struct fault *why)
{
	struct identity_attrs *a = w->attrs;
	struct identity_attr  *one = &a->at[a->count];
	struct span            rest = in, attribute, field;
	bool                   named = span_split(&rest, '=', &attribute), text;

	field = attribute;
	text = named && span_split(&rest, '=', &field);
	if (!is_attribute(field) || (attribute.len && !is_attribute(attribute)))
		return fault_set(why, FAULT_INPUT, "\"%.*s\" is not supported here", SPAN_ARGS(span_first(in, 60)));
	if (without && span_is(field, without))
		return 0;
	if (a->count == IDENTITY_ATTRS_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d", IDENTITY_ATTRS_MAX);
	*one = (struct identity_attr){arena_string(w->arena, attribute), arena_string(w->arena, field), NULL};
	if (text || !attribute.len)
		one->text = attribute.len && !span_has(rest, '%') ? arena_format(w->arena, "%.*s%%$", SPAN_ARGS(rest)) : arena_string(w->arena, rest);
	if (one->text && identity_words_check(one->text, note_variable, w, why) < 0)
		return -1;
	if (attribute.len)
		want(w, attribute);
	a->count++;
	return 0;
}

int
identity_attrs_parse(struct span list, const char *without, struct arena *arena, struct identity_attrs *out, struct fault *why)
{
	struct wanted w = {arena, out, false};
	struct span   one;

	memset(out, 0, sizeof *out);
	while (span_next(&list, ",", &one)) {
		one = span_trim(one);
		if (one.len && take_one(&w, one, without, why) < 0)
			return -1;
	}
	return w.too_many ? fault_set(why, FAULT_INPUT, "more than %d attributes", IDENTITY_ATTRS_MAX) : 0;
}

/* ---- an entry ---- */

struct entry {
	const struct identity_value *value;
	size_t                       count;
	const struct identity_value *own;         /* %$: of the attribute in front of the text */
	const char                  *several;
};

static const struct identity_value *
find(const struct entry *e, struct span name)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->value[i].count && span_is_nocase(name, e->value[i].name))
			return &e->value[i];
	return NULL;
}

static void
add_first(struct entry *e, const struct identity_value *v, struct text *out)
{
	text_add(out, v->at[0]);
	if (v->count > 1)
		e->several = v->name;
}

static bool
put_variable(void *context, struct span name, struct text *out)
{
	struct entry                *e = context;
	const struct identity_value *v;
	struct span                  attribute, rest, separator = SPAN(" ");
	bool                         multi;

	if (span_is(name, "$")) {
		if (e->own)
			add_first(e, e->own, out);
		return true;
	}
	if (!is_ours(name, &multi, &attribute, &rest))
		return false;
	if (multi && rest.len)
		span_split(&rest, ':', &separator);
	v = find(e, attribute);
	if (!v)
		text_add(out, rest);
	else if (!multi)
		add_first(e, v, out);
	else
		for (size_t i = 0; i < v->count; i++) {
			if (i)
				text_add(out, separator);
			text_add(out, v->at[i]);
		}
	return true;
}

static int
add_field(const struct identity_attr *a, struct entry *e, struct identity_words *words, struct text *fields, struct fault *why)
{
	size_t start;

	e->own = *a->attribute ? find(e, span_of(a->attribute)) : NULL;
	if (*a->attribute && !e->own)
		return 0;
	text_add_format(fields, "%s=", a->field);
	start = fields->len;
	if (!a->text)
		add_first(e, e->own, fields);
	else if (identity_words_expand(a->text, words, remote_quote_none, NULL, fields, why) < 0)
		return fault_prefix(why, "%s", a->field);
	if (memchr(fields->at + start, '\0', fields->len - start))
		return fault_set(why, FAULT_INPUT, "%s: a NUL byte", a->field);
	text_add_byte(fields, '\0');
	return 0;
}

int
identity_attrs_fields(const struct identity_attrs *a, const struct identity_words *words, const struct identity_value *value, size_t count,
                      struct text *fields, const char **several, struct fault *why)
{
	struct entry          e = {value, count, NULL, NULL};
	struct identity_words own = *words;

	own.others = put_variable;
	own.context = &e;
	for (size_t i = 0; i < a->count; i++)
		if (add_field(&a->at[i], &e, &own, fields, why) < 0)
			return -1;
	*several = e.several;
	return 0;
}
