/* SPDX-License-Identifier: ISC */
/*
 * manage_words.c - the words of ManageSieve's commands (RFC 5804, 4)
 */
#include "manage_words.h"

#include "mail/charset.h"

enum { QUOTED_MAX = 1024 };

static int
add(struct manage_command *c, struct manage_word w, struct fault *why)
{
	if (c->count == MANAGE_WORDS_MAX)
		return fault_set(why, FAULT_INPUT, "Too many arguments.");
	c->words[c->count++] = w;
	return 0;
}

/* At the opening quote: its length with both quotes, or 0. */
static size_t
quoted(struct arena *arena, struct span s, struct span *out)
{
	char  *to = arena_alloc(arena, s.len);
	size_t n = 0;

	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '"') {
			*out = span_at(to, n);
			return i + 1;
		}
		if (s.at[i] == '\\' && ++i == s.len)
			return 0;
		if (s.at[i] == 0 || s.at[i] == '\r' || s.at[i] == '\n')
			return 0;
		to[n++] = s.at[i];
	}
	return 0;
}

/* "{N+}" or "{N}" that ends the line */
static bool
announces_literal(struct span s, int64_t *size)
{
	uint64_t n;

	if (!span_ends(s, "}"))
		return false;
	s = span_cut(s, 1, s.len - 1);
	if (span_ends(s, "+"))
		s.len--;
	if (!span_number(s, &n) || n > INT32_MAX)
		return false;
	*size = (int64_t)n;
	return true;
}

static struct manage_word
bare_word(struct span s)
{
	struct manage_word w = {.kind = MANAGE_ATOM, .text = s};

	if (span_number(s, &w.number))
		w.kind = MANAGE_NUMBER;
	return w;
}

int
manage_words(struct arena *arena, struct span line, struct manage_command *c, int64_t *literal, struct fault *why)
{
	*literal = -1;
	for (size_t i = 0, used; i < line.len; i += used) {
		struct manage_word w = {.kind = MANAGE_STRING};
		struct span        rest = span_from(line, i);
		ptrdiff_t          end;

		used = 1;
		if (rest.at[0] == ' ')
			continue;
		if (rest.at[0] == '{')
			return announces_literal(rest, literal) ? 0 : fault_set(why, FAULT_INPUT, "Invalid literal.");
		if (rest.at[0] == '"') {
			if (!(used = quoted(arena, rest, &w.text)))
				return fault_set(why, FAULT_INPUT, "Invalid quoted string.");
			if (!utf8_valid(w.text))
				return fault_set(why, FAULT_INPUT, "Invalid UTF-8.");
		} else {
			end = span_find(rest, ' ');
			used = end < 0 ? rest.len : (size_t)end;
			w = bare_word(arena_span(arena, span_first(rest, used)));
		}
		if (add(c, w, why) < 0)
			return -1;
	}
	return 0;
}

void
manage_add_string(struct span s, struct text *out)
{
	if (s.len > QUOTED_MAX || span_find_any(s, "\r\n") >= 0 || span_has(s, '\0')) {
		text_add_format(out, "{%zu}\r\n", s.len);
		text_add(out, s);
		return;
	}
	text_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_add_byte(out, '\\');
		text_add_byte(out, s.at[i]);
	}
	text_add_byte(out, '"');
}
