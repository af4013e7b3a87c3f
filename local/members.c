/* SPDX-License-Identifier: ISC */
/*
 * members.c - what stands in an alias, a .forward or an :include: file
 */
#include "local/members.h"

#include "mail/address.h"
#include "mail/line.h"

/* Off the front of *rest: up to a comma (or a line end) outside of quotes, angles and parentheses.
 */
static struct span
cut_member(struct span *rest, bool lines)
{
	bool   quoted = false, angle = false;
	int    comment = 0;
	size_t i = 0;

	for (; i < rest->len; i++) {
		char c = rest->at[i];

		if (c == '\\' && i + 1 < rest->len && rest->at[i + 1] != '\n') {
			i++;
		} else if (c == '\n' && lines) {
			break;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (quoted) {
			continue;
		} else if (c == '(') {
			comment++;
		} else if (c == ')' && comment) {
			comment--;
		} else if (c == '<' && !comment) {
			angle = true;
		} else if (c == '>' && !comment) {
			angle = false;
		} else if (c == ',' && !angle && !comment) {
			break;
		}
	}
	struct span member = span_trim(span_first(*rest, i));

	*rest = span_from(*rest, i + 1);
	return member;
}

/* A command keeps its parentheses and angles: it ends at a comma outside of quotes. */
static struct span
cut_command(struct span *rest, bool lines)
{
	char   quote = 0;
	size_t i = 0;

	for (; i < rest->len; i++) {
		char c = rest->at[i];

		if (c == '\n' && lines)
			break;
		if (c == '\\' && quote != '\'' && i + 1 < rest->len)
			i++;
		else if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? 0 : c;
		else if (!quote && c == ',')
			break;
	}
	struct span member = span_trim(span_first(*rest, i));

	*rest = span_from(*rest, i + 1);
	return member;
}

/* "..." as a whole: true, and without quotes and backslashes. */
static bool
unquote_whole(struct arena *arena, struct span in, struct span *out)
{
	char  *copy;
	size_t n = 0;

	if (in.len < 2 || in.at[0] != '"' || in.at[in.len - 1] != '"')
		return false;
	copy = arena_alloc(arena, in.len);
	for (size_t i = 1; i < in.len - 1; i++) {
		if (in.at[i] == '\\' && i + 2 < in.len)
			i++;
		else if (in.at[i] == '"')
			return false;
		copy[n++] = in.at[i];
	}
	*out = span_at(copy, n);
	return true;
}

static bool
set_member(struct member *m, enum member_kind kind, struct span value)
{
	m->kind = kind;
	m->value = value;
	return value.len > 0 && !span_has(value, '\0') && span_find_any(value, "\r\n") < 0;
}

/* What one member means; false when it is nothing. `in` is unquoted already when it was quoted
 * whole. */
static bool
member_read(struct arena *arena, struct span in, struct member *m)
{
	struct span whole, inner, address;
	bool        quoted = unquote_whole(arena, in, &whole);

	if (!quoted)
		whole = in;
	if (span_starts(whole, "|")) {
		inner = span_trim(span_from(whole, 1));
		if (!quoted && unquote_whole(arena, inner, &address))
			inner = address;
		return set_member(m, MEMBER_COMMAND, inner);
	}
	if (span_starts_nocase(whole, ":include:"))
		return set_member(m, MEMBER_INCLUDE, span_trim(span_from(whole, 9)));
	if (span_starts(whole, "/"))
		return set_member(m, MEMBER_FILE, whole);
	if (span_starts(in, "\\") && in.len > 1 && span_find_any(in, "\"<>() \t@") < 0)
		return set_member(m, MEMBER_ADDRESS, in);
	if (address_parse(arena, in, ADDRESS_UTF8, &address, NULL) < 0)
		return false;
	return set_member(m, MEMBER_ADDRESS, address);
}

static void
add_one(struct arena *arena, struct members *m, size_t *room, struct span text)
{
	struct member one;

	if (m->count == MEMBERS_MAX) {
		m->cut = true;
		return;
	}
	if (!member_read(arena, text, &one)) {
		m->faulty++;
		return;
	}
	if (m->count == *room) {
		struct member *more =
			arena_alloc(arena, (*room = *room ? *room * 2 : 4) * sizeof *more);

		if (m->count)
			memcpy(more, m->at, m->count * sizeof *more);
		m->at = more;
	}
	m->at[m->count++] = one;
}

static bool
is_command(struct span in)
{
	return span_starts(in, "|");
}

/* "a b": two addresses that no comma parts. Each stands in the list as it was written. */
static void
add(struct arena *arena, struct members *m, size_t *room, struct span text)
{
	struct address_list words = {0};

	if (text.len == 0)
		return;
	if (!is_command(text) && text.at[0] != '"' && text.at[0] != '/' && !span_starts_nocase(text, ":include:"))
		address_words_parse(arena, text, MEMBERS_MAX, &words);
	if (words.mailboxes < 2) {
		add_one(arena, m, room, text);
		return;
	}
	m->cut |= words.cut;
	for (size_t i = 0; i < words.count; i++)
		if (words.at[i].kind == MAILBOX && words.at[i].end > words.at[i].start)
			add_one(arena, m, room, span_cut(text, words.at[i].start, words.at[i].end));
}

void
members_parse(struct arena *arena, struct span in, enum members_form form, struct members *out)
{
	bool           lines = form == MEMBERS_OF_FILE;
	bool           fresh = true;             /* at the start of a line */
	struct members m = {0};
	size_t         room = 0;
	struct span    rest = arena_span(arena, in), line;

	while (rest.len && !m.cut) {
		size_t before;

		if (lines && fresh && rest.at[0] == '#') {
			line_next(&rest, &line);
			continue;
		}
		if (strchr(" \t\r\n,", rest.at[0]) && rest.at[0]) {
			fresh = rest.at[0] == '\n';
			rest = span_from(rest, 1);
			continue;
		}
		before = rest.len;
		line = is_command(rest) ? cut_command(&rest, lines) : cut_member(&rest, lines);
		fresh = lines && before > rest.len && rest.at[-1] == '\n';
		add(arena, &m, &room, line);
	}
	*out = m;
}
