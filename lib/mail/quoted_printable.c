/* SPDX-License-Identifier: ISC */
/*
 * quoted_printable.c - RFC 2045, 6.7
 */
#include "mail/quoted_printable.h"

#define LINE_LIMIT 76

static int
hex_value(char c)
{
	c = ascii_upper(c);
	if (ascii_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A soft line break at `at` ("=", blanks, line end): what to skip, or 0. */
static size_t
soft_break(struct span in, size_t at)
{
	size_t i = at + 1;

	while (i < in.len && (in.at[i] == ' ' || in.at[i] == '\t'))
		i++;
	if (i == in.len)
		return i - at;
	if (in.at[i] == '\r' && i + 1 < in.len && in.at[i + 1] == '\n')
		return i + 2 - at;
	return in.at[i] == '\n' ? i + 1 - at : 0;
}

void
quoted_printable_decode(struct span in, struct text *out)
{
	/* blanks behind this were written as blanks: they go at a line end */
	size_t kept = out->len;

	for (size_t i = 0; i < in.len; i++) {
		char   c = in.at[i];
		size_t skip, plain = 0;

		while (i + plain < in.len && in.at[i + plain] > ' ' && in.at[i + plain] != '=')
			plain++;
		if (plain) {
			text_add(out, span_cut(in, i, i + plain));
			kept = out->len;
			i += plain - 1;
			continue;
		}
		if (c == '=') {
			if (i + 2 < in.len && hex_value(in.at[i + 1]) >= 0 &&
			    hex_value(in.at[i + 2]) >= 0) {
				text_add_byte(out, (char)(hex_value(in.at[i + 1]) * 16 +
				                          hex_value(in.at[i + 2])));
				i += 2;
			} else if ((skip = soft_break(in, i)) > 0) {
				i += skip - 1;
			} else {
				text_add_byte(out, c);
			}
			kept = out->len;
			continue;
		}
		if (c == '\n' || (c == '\r' && i + 1 < in.len && in.at[i + 1] == '\n'))
			text_cut(out, kept);
		text_add_byte(out, c);
		if (c != ' ' && c != '\t')
			kept = out->len;
	}
	text_cut(out, kept);
}

static void
add_encoded(struct span piece, size_t *column, struct text *out)
{
	if (*column + piece.len > LINE_LIMIT - 1) {
		text_add_string(out, "=\r\n");
		*column = 0;
	}
	text_add(out, piece);
	*column += piece.len;
}

void
quoted_printable_encode(struct span in, struct text *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t column = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.at[i];
		size_t        next = i + 1;
		bool at_end = next == in.len || in.at[next] == '\n' ||
		              (in.at[next] == '\r' && next + 1 < in.len && in.at[next + 1] == '\n');
		char          code[3] = {'=', hex[c >> 4], hex[c & 15]};

		if (c == '\n' || (c == '\r' && next < in.len && in.at[next] == '\n')) {
			text_add_string(out, "\r\n");
			column = 0;
			i += c == '\r';
		} else if ((c >= 33 && c <= 126 && c != '=') ||
		           ((c == ' ' || c == '\t') && !at_end)) {
			add_encoded(span_at(&in.at[i], 1), &column, out);
		} else {
			add_encoded(span_at(code, 3), &column, out);
		}
	}
}
