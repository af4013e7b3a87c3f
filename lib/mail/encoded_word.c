/* SPDX-License-Identifier: ISC */
/*
 * encoded_word.c - RFC 2047, with the language of RFC 2231, 5
 */
#include "mail/encoded_word.h"

#include "base/base64.h"
#include "mail/charset.h"

#define WORD_LIMIT 4096      /* longer than the RFC's 75, as some write */

struct word {
	struct span charset, text;
	char        encoding;
	size_t      len;         /* of the whole */
};

static int
hex_value(char c)
{
	c = ascii_upper(c);
	if (ascii_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
take_word(struct span in, struct word *word)
{
	struct word w = {.charset = SPAN_NONE};
	ptrdiff_t   mark, end;
	struct span rest;

	if (!span_starts(in, "=?"))
		return false;
	rest = span_cut(in, 2, WORD_LIMIT);
	mark = span_find(rest, '?');
	if (mark <= 0 || (size_t)mark + 2 >= rest.len || rest.at[mark + 2] != '?')
		return false;
	w.charset = span_first(rest, (size_t)mark);
	w.encoding = ascii_upper(rest.at[mark + 1]);
	if ((w.encoding != 'Q' && w.encoding != 'B') ||
	    span_find_any(w.charset, " \t\r\n()<>@,;:\"/[]=") >= 0)
		return false;
	if (span_find(w.charset, '*') >= 0)
		w.charset = span_first(w.charset, (size_t)span_find(w.charset, '*'));
	w.text = span_from(rest, (size_t)mark + 3);
	end = span_find_text(w.text, SPAN("?="));
	/* "=?x?Q?=41?=": the "=" of the text may follow the "?" that only begins it */
	if (end < 0 || span_find_any(span_first(w.text, (size_t)end), "\r\n") >= 0)
		return false;
	w.text = span_first(w.text, (size_t)end);
	w.len = (size_t)(w.text.at + w.text.len + 2 - in.at);
	*word = w;
	return true;
}

static void
decode_bytes(const struct word *w, struct text *bytes)
{
	if (w->encoding == 'B') {
		base64_decode_mime(w->text, bytes);
		return;
	}
	for (size_t i = 0; i < w->text.len; i++) {
		char c = w->text.at[i];

		if (c == '_') {
			c = ' ';
		} else if (c == '=' && i + 2 < w->text.len && hex_value(w->text.at[i + 1]) >= 0 &&
		           hex_value(w->text.at[i + 2]) >= 0) {
			c = (char)(hex_value(w->text.at[i + 1]) * 16 +
			           hex_value(w->text.at[i + 2]));
			i += 2;
		}
		text_add_byte(bytes, c);
	}
}

static size_t
blanks(struct span in)
{
	size_t i = 0;

	while (i < in.len && strchr(" \t\r\n", in.at[i] ? in.at[i] : 'x'))
		i++;
	return i;
}

/* A character cut between two words of one charset is common: their bytes are joined first. */
static size_t
decode_run(struct span in, struct word w, struct text *out)
{
	autotext struct text bytes = {0};
	struct span charset = w.charset;
	size_t      used = w.len;

	decode_bytes(&w, &bytes);
	for (;;) {
		size_t gap = blanks(span_from(in, used));

		if (!take_word(span_from(in, used + gap), &w))
			break;
		used += gap;
		if (!span_equal_nocase(w.charset, charset)) {
			(void)charset_to_utf8(charset, text_span(&bytes), out);
			text_clear(&bytes);
			charset = w.charset;
		}
		decode_bytes(&w, &bytes);
		used += w.len;
	}
	(void)charset_to_utf8(charset, text_span(&bytes), out);
	return used;
}

void
encoded_word_decode(struct span in, struct text *out)
{
	struct word w;

	while (in.len) {
		ptrdiff_t   next = span_find_text(in, SPAN("=?"));
		size_t      plain = next < 0 ? in.len : (size_t)next;

		(void)charset_to_utf8(SPAN("utf-8"), span_first(in, plain), out);
		in = span_from(in, plain);
		if (in.len == 0)
			return;
		if (take_word(in, &w)) {
			in = span_from(in, decode_run(in, w, out));
		} else {
			text_add_string(out, "=?");
			in = span_from(in, 2);
		}
	}
}

void
encoded_word_encode(struct span utf8, struct text *out)
{
	bool first = true;

	if (span_is_ascii(utf8) && span_find_text(utf8, SPAN("=?")) < 0) {
		text_add(out, utf8);
		return;
	}
	while (utf8.len) {
		size_t take = 0;

		while (take < utf8.len) {          /* 75 - 12 bytes: 45 of input as base64 */
			size_t len = utf8_length(span_from(utf8, take));

			if (take + (len ? len : 1) > 45)
				break;
			take += len ? len : 1;
		}
		text_add_string(out, first ? "=?utf-8?B?" : " =?utf-8?B?");
		base64_encode(span_first(utf8, take), out);
		text_add_string(out, "?=");
		utf8 = span_from(utf8, take);
		first = false;
	}
}
