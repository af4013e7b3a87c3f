/* SPDX-License-Identifier: ISC */
/*
 * address_list.c - address lists of header fields (RFC 5322, 3.4 and 4.4)
 *
 * One pass: tokens are gathered until "," ";" ":" "<" or the end say what they
 * were.  Comments nest by a counter.  Nothing here recurses.
 */
#include "mail/address.h"

#include <stdlib.h>

enum token_kind { WORD, QUOTED, LITERAL, COMMENT, SPECIAL, END };

struct token {
	enum token_kind kind;
	size_t          start, end;
};

struct parser {
	struct arena        *arena;
	struct span          in;
	size_t               at, limit, room;
	struct address_list *list;
	struct token        *held;       /* owned: what was gathered for the next member */
	size_t               count, held_room;
	struct token         comment;    /* the last one of this member; end 0: none */
	bool                 in_group;
	bool                 by_words;   /* address_words_parse */
};

static bool
is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 127;
}

static bool
is_special(char c)
{
	switch (c) {
	case '(': case ')': case '<': case '>': case '[': case ']': case ':': case ';': case '@': case ',': case '"':
		return true;
	default:
		return false;
	}
}

/* Behind what opens at `at` and ends with `close`; the end of input when it does not. */
static size_t
closed_by(struct parser *p, size_t at, char close)
{
	for (size_t i = at + 1; i < p->in.len; i++) {
		if (p->in.at[i] == '\\')
			i++;
		else if (p->in.at[i] == close)
			return i + 1;
	}
	p->list->faulty = true;
	return p->in.len;
}

static size_t
comment_end(struct parser *p, size_t at)
{
	size_t depth = 0;

	for (size_t i = at; i < p->in.len; i++) {
		if (p->in.at[i] == '\\')
			i++;
		else if (p->in.at[i] == '(')
			depth++;
		else if (p->in.at[i] == ')' && --depth == 0)
			return i + 1;
	}
	p->list->faulty = true;
	return p->in.len;
}

static struct token
next_token(struct parser *p)
{
	struct token t = {END, p->at, p->at};

	while (p->at < p->in.len && is_blank(p->in.at[p->at])) {
		char c = p->in.at[p->at];

		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			p->list->faulty = true;
		p->at++;
	}
	t.start = t.end = p->at;
	if (p->at == p->in.len)
		return t;
	switch (p->in.at[p->at]) {
	case '"':
		t.kind = QUOTED;
		t.end = closed_by(p, p->at, '"');
		break;
	case '[':
		t.kind = LITERAL;
		t.end = closed_by(p, p->at, ']');
		break;
	case '(':
		t.kind = COMMENT;
		t.end = comment_end(p, p->at);
		break;
	case ')': case ']': case '<': case '>': case ':': case ';': case '@': case ',':
		t.kind = SPECIAL;
		t.end = p->at + 1;
		break;
	default:
		t.kind = WORD;
		while (t.end < p->in.len && !is_blank(p->in.at[t.end]) &&
		       !is_special(p->in.at[t.end]))
			t.end += p->in.at[t.end] == '\\' && t.end + 1 < p->in.len ? 2 : 1;
	}
	p->at = t.end;
	return t;
}

static bool
token_is(const struct parser *p, struct token t, char special)
{
	return t.kind == SPECIAL && p->in.at[t.start] == special;
}

static void
hold(struct parser *p, struct token t)
{
	if (p->count == p->held_room) {
		p->held_room = p->held_room ? p->held_room * 2 : 32;
		p->held = mem_grow(p->held, p->held_room, sizeof *p->held);
	}
	p->held[p->count++] = t;
}

/* A token's meaning, written to `out`: quotes, brackets of comments, backslashes and folds gone. Not longer than it. */
static char *
put_token(const struct parser *p, struct token t, char *out)
{
	size_t start = t.start, end = t.end;

	if (t.kind == QUOTED || t.kind == COMMENT) {
		char close = t.kind == QUOTED ? '"' : ')';

		start++;
		if (end > start && p->in.at[end - 1] == close)
			end--;
	}
	for (size_t i = start; i < end; i++) {
		char c = p->in.at[i];

		if (c == '\\' && i + 1 < end && t.kind != LITERAL)
			c = p->in.at[++i];
		if (c == '\t')
			c = ' ';
		if ((unsigned char)c >= ' ' && c != 127)
			*out++ = c;
	}
	return out;
}

/* Tokens as one text: a blank where there was one, unless `tight`. */
static struct span
join_tokens(const struct parser *p, const struct token *tokens, size_t count, bool tight)
{
	size_t room = count;
	char  *text, *end;

	for (size_t i = 0; i < count; i++)
		room += tokens[i].end - tokens[i].start;
	text = end = arena_alloc(p->arena, room + 1);
	for (size_t i = 0; i < count; i++) {
		if (i && !tight && tokens[i].start > tokens[i - 1].end)
			*end++ = ' ';
		end = put_token(p, tokens[i], end);
	}
	return span_at(text, (size_t)(end - text));
}

/* Of those that are held, [from, to). */
static struct span
join(const struct parser *p, size_t from, size_t to, bool tight)
{
	return from < to ? join_tokens(p, p->held + from, to - from, tight) : SPAN_NONE;
}

static struct mailbox *
add_member(struct parser *p, enum mailbox_kind kind)
{
	struct address_list *l = p->list;
	struct mailbox      *m;

	if (l->count == p->limit) {
		l->cut = true;
		return NULL;
	}
	if (l->count == p->room) {
		p->room = p->room ? p->room * 2 : 8;
		m = arena_alloc(p->arena, p->room * sizeof *m);
		if (l->count)
			memcpy(m, l->at, l->count * sizeof *m);
		l->at = m;
	}
	m = &l->at[l->count++];
	*m = (struct mailbox){.kind = kind, .name = SPAN_NONE, .local = SPAN_NONE,
	                      .domain = SPAN_NONE, .route = SPAN_NONE};
	if (kind == MAILBOX)
		l->mailboxes++;
	return m;
}

/* Is there neither a dot nor "@" between these two words? Then they are two things. */
static bool
words_part(const struct parser *p, struct token left, struct token right)
{
	if (left.kind == SPECIAL || right.kind == SPECIAL)
		return false;
	return (p->by_words || right.start > left.end) && p->in.at[left.end - 1] != '.' &&
	       p->in.at[right.start] != '.';
}

/* Words and strings before "@", then words alone or one literal. */
static bool
parts_are_sound(const struct parser *p, size_t from, size_t at, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct token t = p->held[i];

		if (i == at)
			continue;
		if (i < at ? t.kind == SPECIAL || t.kind == LITERAL
		           : t.kind != WORD && (t.kind != LITERAL || to - at > 2))
			return false;
		if (t.kind != QUOTED && (i > at || p->in.at[t.end - 1] == '\\') &&
		    span_has(span_cut(p->in, t.start, t.end), '\\'))
			return false;
	}
	return true;
}

/*
 * Held tokens [from, to) are an addr-spec. The last "@" parts it. Words before the local part that
 * do not belong to it ("John Doe a@b") count as a display name.
 */
static void
add_mailbox(struct parser *p, size_t from, size_t to, struct span route, bool has_phrase,
            struct span phrase)
{
	struct mailbox *m = add_member(p, MAILBOX);
	size_t          at = to, first = from;

	if (!m)
		return;
	for (size_t i = to; i > from && at == to; i--)
		if (token_is(p, p->held[i - 1], '@'))
			at = i - 1;
	if (at < to)
		for (size_t i = at; i > from + 1 && first == from; i--)
			if (words_part(p, p->held[i - 2], p->held[i - 1]))
				first = i - 1;
	if (first > from) {
		p->list->faulty = true;
		if (!has_phrase) {
			phrase = join(p, from, first, false);
			has_phrase = true;
		}
	}
	m->local = join(p, first, at, at < to);
	if (at < to)
		m->domain = join(p, at + 1, to, true);
	if (m->local.len == 0 || (at < to && m->domain.len == 0))
		p->list->faulty = true;
	if (!parts_are_sound(p, first, at, to))
		p->list->faulty = true;
	m->route = route;
	m->name = phrase;
	m->has_name_phrase = has_phrase;
	if (!has_phrase && p->comment.end)
		m->name = join_tokens(p, &p->comment, 1, true);
	m->start = first < to ? p->held[first].start : p->at;
	m->end = first < to ? p->held[to - 1].end : p->at;
}

static void
end_member(struct parser *p)
{
	size_t from = 0;

	for (size_t i = 1; p->by_words && i < p->count; i++)
		if (words_part(p, p->held[i - 1], p->held[i])) {
			add_mailbox(p, from, i, SPAN_NONE, false, SPAN_NONE);
			from = i;
		}
	if (p->count)
		add_mailbox(p, from, p->count, SPAN_NONE, false, SPAN_NONE);
	p->count = 0;
	p->comment = (struct token){END, 0, 0};
}

/* The comments and junk behind ">" up to the separator, which stays to be read. */
static void
finish_angle(struct parser *p)
{
	for (;;) {
		size_t       before = p->at;
		struct token t = next_token(p);

		if (t.kind == END || token_is(p, t, ',') || token_is(p, t, ';')) {
			p->at = t.kind == END ? p->at : before;
			return;
		}
		if (t.kind == COMMENT)
			p->comment = t;
		else
			p->list->faulty = true;
		if (token_is(p, t, '<') || (p->by_words && t.kind != COMMENT && t.kind != SPECIAL)) { /* "<a@b> <c@d>": the second is a member of its own */
			p->at = before;
			return;
		}
	}
}

/* "<" was read; what is held is the display name. */
static void
parse_angle(struct parser *p)
{
	size_t      phrase_end = p->count, from = phrase_end;
	struct span phrase = join(p, 0, phrase_end, false), route = SPAN_NONE;
	bool        routed = false;

	for (;;) {
		size_t       before = p->at;
		struct token t = next_token(p);

		if (token_is(p, t, '>'))
			break;
		if (t.kind == END || token_is(p, t, '<') ||
		    ((token_is(p, t, ',') || token_is(p, t, ';')) && !routed)) {
			p->list->faulty = true;
			p->at = t.kind == END ? p->at : before;
			break;
		}
		if (t.kind == COMMENT) {
			p->comment = t;
			continue;
		}
		if (token_is(p, t, '@') && p->count == phrase_end)
			routed = true;
		if (token_is(p, t, ':') && routed) {
			route = join(p, phrase_end, p->count, true);
			from = p->count;
			routed = false;
			continue;
		}
		hold(p, t);
	}
	finish_angle(p);
	if (p->count > from || phrase_end > 0)
		add_mailbox(p, from, p->count, route, phrase_end > 0, phrase);
	if (p->count == from)
		p->list->faulty = true;
	p->count = 0;
	p->comment = (struct token){END, 0, 0};
}

static void
start_group(struct parser *p)
{
	struct mailbox *m;

	if (p->in_group) {      /* groups do not nest: the name goes */
		p->list->faulty = true;
		p->count = 0;
		return;
	}
	m = add_member(p, GROUP_START);
	if (m)
		m->name = join(p, 0, p->count, false);
	p->in_group = true;
	p->count = 0;
	p->comment = (struct token){END, 0, 0};
}

static void
end_group(struct parser *p)
{
	end_member(p);
	if (p->in_group)
		add_member(p, GROUP_END);
	else
		p->list->faulty = true;
	p->in_group = false;
}

static void
parse(struct arena *a, struct span in, size_t limit, bool by_words, struct address_list *list)
{
	struct parser p = {.arena = a, .in = in, .limit = limit, .list = list, .by_words = by_words};
	struct token  t;

	*list = (struct address_list){0};
	do {
		t = next_token(&p);
		if (t.kind == END || token_is(&p, t, ','))
			end_member(&p);
		else if (token_is(&p, t, '<'))
			parse_angle(&p);
		else if (token_is(&p, t, ':'))
			start_group(&p);
		else if (token_is(&p, t, ';'))
			end_group(&p);
		else if (t.kind == COMMENT)
			p.comment = t;
		else if (token_is(&p, t, '>') || token_is(&p, t, ')') || token_is(&p, t, ']'))
			list->faulty = true;
		else
			hold(&p, t);
	} while (t.kind != END && !list->cut);
	if (p.in_group) {
		list->faulty = true;
		add_member(&p, GROUP_END);
	}
	free(p.held);
}

void
address_list_parse(struct arena *a, struct span in, size_t limit, struct address_list *list)
{
	parse(a, in, limit, false, list);
}

void
address_words_parse(struct arena *a, struct span in, size_t limit, struct address_list *list)
{
	parse(a, in, limit, true, list);
}

size_t
mailbox_comma(struct span in, const struct mailbox *m, const struct mailbox *next)
{
	struct address_list list = {0};
	struct parser       p = {.in = in, .list = &list};
	size_t              at = m->end, behind = m->end;

	if (m->kind != MAILBOX || next->kind != MAILBOX || m->end < m->start)
		return 0;
	for (; at < next->start && at < in.len; at++) {
		if (is_blank(in.at[at]))
			continue;
		if (in.at[at] == '(')
			at = comment_end(&p, at) - 1;
		else if (in.at[at] != '>')
			break;
		behind = at + 1;
	}
	return behind > next->start || (at < in.len && strchr(",;:", in.at[at]) && in.at[at]) ? 0 : behind;
}

struct span
mailbox_address(struct arena *a, const struct mailbox *m)
{
	if (m->domain.len == 0)
		return m->local;
	return span_of(arena_format(a, "%.*s@%.*s", SPAN_ARGS(m->local), SPAN_ARGS(m->domain)));
}

void
mailbox_put_comma(struct span in, const struct mailbox *m, const struct mailbox *next, size_t *at, struct text *out)
{
	size_t comma = mailbox_comma(in, m, next);

	if (!comma || comma < *at)
		return;
	text_add(out, span_cut(in, *at, comma));
	text_add_byte(out, ',');
	*at = comma;
}
