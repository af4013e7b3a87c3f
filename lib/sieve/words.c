/* SPDX-License-Identifier: ISC */
/*
 * words.c - what becomes of strings: variables (RFC 5229), encoded characters (RFC 5228, 2.4.2.4), flags (RFC 5232)
 */
#include "sieve/sieve_private.h"
#include "mail/address.h"
#include "mail/charset.h"

/* variable-name = identifier, or namespaces of them; "1" is a group of a match. */
bool
word_is_name(struct span s)
{
	bool first = true;

	if (s.len == 0 || s.len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (c == '.' && !first) {
			first = true;
			continue;
		}
		if (!ascii_alpha(c) && c != '_' && (first || !ascii_digit(c)))
			return false;
		first = false;
	}
	return !first;
}

bool
word_is_address(struct arena *arena, struct span s, struct span *address)
{
	struct address_list list;

	if (s.len > 2 * ADDRESS_PATH_LIMIT || !utf8_printable(s))
		return false;
	address_list_parse(arena, s, 2, &list);
	if (list.count != 1 || list.faulty || list.cut || list.at[0].kind != MAILBOX || !list.at[0].local.len || !list.at[0].domain.len)
		return false;
	*address = mailbox_address(arena, &list.at[0]);
	return address->len <= ADDRESS_PATH_LIMIT && utf8_printable(*address);
}

static struct variable *
find(struct scope *s, struct span name)
{
	for (size_t i = 0; i < s->count; i++)
		if (span_equal_nocase(s->at[i].name, name))
			return &s->at[i];
	return NULL;
}

/* Which scope a name means: its own, or the one that all scripts share (RFC 6609, 3.4). */
static struct scope *
scope_of(struct run *r, struct span *name)
{
	if (span_starts_nocase(*name, "global.") && r->script->capabilities >> CAP_INCLUDE & 1) {
		*name = span_from(*name, 7);
		return &r->globals;
	}
	for (size_t i = 0; i < r->scope->n_globals; i++)
		if (span_equal_nocase(r->scope->globals[i], *name))
			return &r->globals;
	return r->scope;
}

struct span
word_get(struct run *r, struct span name)
{
	struct scope    *s;
	struct variable *v;
	struct span      item;

	if (span_starts_nocase(name, "env.") && r->script->capabilities >> CAP_DOVECOT_ENVIRONMENT & 1)
		return environment_item(r, span_from(name, 4), &item) ? item : SPAN_NONE;
	s = scope_of(r, &name);
	v = find(s, name);
	return v ? v->value : SPAN_NONE;
}

int
word_set(struct run *r, const struct node *n, struct span name, struct span value)
{
	struct scope    *s = scope_of(r, &name);
	struct variable *v;

	if (span_has(name, '.'))
		return script_error(r, n, "no variable can be set in the namespace of \"%.*s\"", SPAN_ARGS(name));
	v = find(s, name);
	if (!v && s->count >= VARIABLES_MAX)
		return script_error(r, n, "too many variables");
	if (!v) {
		if (s->count == s->room) {
			struct variable *more = arena_alloc(r->arena, (s->room = s->room ? s->room * 2 : 8) * sizeof *more);

			if (s->count)
				memcpy(more, s->at, s->count * sizeof *more);
			s->at = more;
		}
		v = &s->at[s->count++];
		v->name = name;
	}
	/* cut at a character (RFC 5229, 3: at least 4000 bytes are kept) */
	if (value.len > VALUE_MAX) {
		value.len = VALUE_MAX;
		while (value.len && ((unsigned char)value.at[value.len] & 0xc0) == 0x80)
			value.len--;
	}
	v->value = arena_span(r->arena, value);
	return script_cost(r, n, value.len + 64);
}

/* ${name} at the front of s: its length, or 0 (then it stands for itself: RFC 5229, 3). */
static size_t
reference(struct run *r, struct span s, struct span *value)
{
	ptrdiff_t   end = span_find(span_first(s, NAME_MAX_BYTES + 3), '}');
	struct span name;
	uint64_t    number;

	if (end < 3)
		return 0;
	name = span_cut(s, 2, (size_t)end);
	if (span_number(name, &number))
		*value = number < MATCH_MAX ? r->groups[number] : SPAN_NONE;
	else if (word_is_name(name))
		*value = word_get(r, name);
	else
		return 0;
	return (size_t)end + 1;
}

struct span
word_expand(struct run *r, struct span s)
{
	autotext struct text out = {0};
	struct span          value = SPAN_NONE;

	if (!(r->script->capabilities >> CAP_VARIABLES & 1) || span_find_text(s, SPAN("${")) < 0)
		return s;
	for (size_t i = 0, used; i < s.len; i += used ? used : 1) {
		used = 0;
		if (s.at[i] == '$' && i + 1 < s.len && s.at[i + 1] == '{')
			used = reference(r, span_from(s, i), &value);
		if (used)
			text_add(&out, span_first(value, VALUE_MAX));
		else
			text_add_byte(&out, s.at[i]);
		if (out.len > VALUE_MAX * 16)          /* many references in one string */
			break;
	}
	r->steps += 1 + out.len / 4;      /* memory is bounded by the same account */
	return arena_span(r->arena, text_span(&out));
}

struct span
word_first(struct run *r, const struct argument *a)
{
	return word_expand(r, a->strings.at[0]);
}

/* RFC 5228, 2.4.2.4: ${hex: 24 24} and ${unicode: 40}; what is not of that form stays. */
static int
encoded(struct span s, struct text *out, size_t *used)
{
	ptrdiff_t            end = span_find(s, '}');
	autotext struct text made = {0};
	struct span          rest, word;
	bool                 unicode;
	size_t               count = 0;

	if (end < 0)
		return 0;
	rest = span_cut(s, 2, (size_t)end);
	unicode = span_starts_nocase(rest, "unicode:");
	if (!unicode && !span_starts_nocase(rest, "hex:"))
		return 0;
	rest = span_from(rest, unicode ? 8 : 4);
	while (span_next(&rest, " \t\r\n", &word)) {
		uint32_t code = 0;

		/* hex-pair is one or two digits; unicode-hex any number, leading zeros and all */
		for (size_t i = 0; i < word.len; i++) {
			char c = ascii_lower(word.at[i]);

			if (!ascii_digit(c) && !(c >= 'a' && c <= 'f'))
				return 0;
			if (code < 0x1000000)
				code = code * 16 + (uint32_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
		}
		if (!unicode && word.len > 2)
			return 0;
		if (unicode && (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)))
			return -1;
		if (unicode)
			utf8_add(code, &made);
		else
			text_add_byte(&made, (char)code);
		count++;
	}
	if (!count)
		return 0;
	text_add(out, text_span(&made));
	*used = (size_t)end + 1;
	return 1;
}

bool
encoded_characters(struct arena *arena, struct span in, struct span *out)
{
	autotext struct text text = {0};

	if (span_find_text(in, SPAN("${")) < 0)
		return true;
	for (size_t i = 0; i < in.len;) {
		size_t used = 1;
		int    got = 0;

		if (in.at[i] == '$' && i + 1 < in.len && in.at[i + 1] == '{')
			got = encoded(span_from(in, i), &text, &used);
		if (got < 0)
			return false;
		if (got == 0)
			text_add_byte(&text, in.at[i]);
		i += used;
	}
	*out = arena_span(arena, text_span(&text));
	return true;
}

void
text_clean(struct text *t)
{
	for (size_t i = 0; i < t->len; i++)
		if ((unsigned char)t->at[i] < ' ' || t->at[i] == 127)
			t->at[i] = ' ';
}

int
from_add(struct text *out, struct span address)
{
	autoarena struct arena *arena = arena_new();
	struct address_list     list;

	address_list_parse(arena, address, 2, &list);
	if (list.count != 1 || list.at[0].kind != MAILBOX || span_find_any(list.at[0].name, "\r\n") >= 0 || span_has(list.at[0].name, '\0'))
		return -1;
	text_add_string(out, "From: ");
	if (list.at[0].name.len && span_find_text(list.at[0].name, SPAN("=?")) < 0)
		header_quote_phrase(list.at[0].name, out);
	else
		text_add(out, list.at[0].name);
	text_add_string(out, list.at[0].name.len ? " <" : "");
	address_external(mailbox_address(arena, &list.at[0]), out);
	text_add_string(out, list.at[0].name.len ? ">\r\n" : "\r\n");
	return 0;
}

/* Flags. */

static bool
has_flag(struct span flags, struct span flag)
{
	struct span word;

	while (span_next(&flags, " ", &word))
		if (span_equal_nocase(word, flag))
			return true;
	return false;
}

/* RFC 9051, 9: a keyword is an atom; of the system flags a filter may set five. */
static bool
flag_is_valid(struct span flag)
{
	static const char *const system_flags[] = {"\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"};

	if (span_starts(flag, "\\")) {
		for (size_t i = 0; i < COUNT(system_flags); i++)
			if (span_is_nocase(flag, system_flags[i]))
				return true;
		return false;
	}
	for (size_t i = 0; i < flag.len; i++)
		if (flag.at[i] <= ' ' || flag.at[i] >= 127 || strchr("(){%*\"\\]", flag.at[i]))
			return false;
	return flag.len > 0 && flag.len <= NAME_MAX_BYTES;
}

void
flags_add(struct text *out, struct span flags)
{
	struct span word;

	while (span_next(&flags, " \t\r\n", &word))
		if (flag_is_valid(word) && !has_flag(text_span(out), word) && out->len + word.len < FLAGS_MAX) {
			if (out->len)
				text_add_byte(out, ' ');
			text_add(out, word);
		}
}

void
flags_remove(struct text *out, struct span flags)
{
	autotext struct text left = {0};
	struct span          rest = text_span(out), word;

	while (span_next(&rest, " ", &word))
		if (!has_flag(flags, word))
			flags_add(&left, word);
	text_set(out, text_span(&left));
}

struct span
flags_of(struct run *r, const struct strings *list)
{
	autotext struct text out = {0};

	for (size_t i = 0; i < list->count; i++)
		flags_add(&out, word_expand(r, list->at[i]));
	return arena_span(r->arena, text_span(&out));
}
