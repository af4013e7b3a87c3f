/* SPDX-License-Identifier: ISC */
/*
 * test_manage.c - the words of ManageSieve (RFC 5804, 4): what a client may write, and how we quote
 */
#include "../unit.h"

#include "manage_words.h"

static void
show(const struct manage_command *c, int64_t literal, struct text *out)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct manage_word *w = &c->words[i];

		text_add_format(out, "%s%c%.*s", i ? "," : "", "ASN"[w->kind], SPAN_ARGS(w->text));
	}
	if (literal >= 0)
		text_add_format(out, " +%lld", (long long)literal);
}

UNIT_TEST(words)
{
	static const struct { const char *line, *want; } rows[] = {
		{"", ""},
		{"LISTSCRIPTS", "ALISTSCRIPTS"},
		{"SETACTIVE \"\"", "ASETACTIVE,S"},
		{"GETSCRIPT \"my script\"", "AGETSCRIPT,Smy script"},
		{"GETSCRIPT \"a\\\"b\\\\c\"", "AGETSCRIPT,Sa\"b\\c"},
		{"HAVESPACE \"x\" 99", "AHAVESPACE,Sx,N99"},
		{"PUTSCRIPT \"x\" {31+}", "APUTSCRIPT,Sx +31"},
		{"PUTSCRIPT {0+}", "APUTSCRIPT +0"},
		{"PUTSCRIPT \"x\" {31}", "APUTSCRIPT,Sx +31"},
		{"\"{5+}\"", "S{5+}"},
		{"A {5+} B", "bad"},
		{"A {-5+}", "bad"},
		{"A {99999999999+}", "bad"},
		{"A {+}", "bad"},
		{"A \"not closed", "bad"},
		{"A \"ends in \\", "bad"},
		{"A \"\xff\"", "bad"},
		{"A b c d e f g h", "AA,Ab,Ac,Ad,Ae,Af,Ag,Ah"},
		{"A b c d e f g h i", "bad"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		autotext struct text    got = {0};
		struct manage_command   c = {.count = 0};
		struct fault            why = {0};
		int64_t                 literal;

		if (manage_words(arena, span_of(rows[i].line), &c, &literal, &why) < 0)
			text_add_string(&got, "bad");
		else
			show(&c, literal, &got);
		ck_assert_msg(strcmp(text_string(&got), rows[i].want) == 0, "%s: %s", rows[i].line, text_string(&got));
	}
}
END_TEST

/* 4: a quoted string holds no CR, LF or NUL and at most 1024 bytes; a server's literal has no "+". */
UNIT_TEST(strings)
{
	autotext struct text out = {0}, big = {0};

	manage_add_string(SPAN("a\"b\\c"), &out);
	ck_span(text_span(&out), "\"a\\\"b\\\\c\"");
	text_clear(&out);
	manage_add_string(SPAN("two\r\nlines"), &out);
	ck_span(text_span(&out), "{10}\r\ntwo\r\nlines");
	text_clear(&out);
	for (int i = 0; i < 1025; i++)
		text_add_byte(&big, 'x');
	manage_add_string(text_span(&big), &out);
	ck_assert(span_starts(text_span(&out), "{1025}\r\nx"));
}
END_TEST

UNIT_MAIN("managesieve", words, strings)
