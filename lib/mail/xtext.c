/* SPDX-License-Identifier: ISC */
/*
 * xtext.c - RFC 3461, 4: "+" and two upper case digits; RFC 6533, 3: \x{HEX}
 */
#include "mail/xtext.h"

#include "mail/charset.h"

static int
hex_value(char c)
{
	if (ascii_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
is_xchar(char c)
{
	return c >= '!' && c <= '~' && c != '+' && c != '=';
}

void
xtext_encode(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (is_xchar(in.at[i]))
			text_add_byte(out, in.at[i]);
		else
			text_add_format(out, "+%02X", (unsigned char)in.at[i]);
	}
}

/* Takes \x{HEX} at the front: its length, 0 when it is none. RFC 6533, 3: no leading zero, and not
 * what can stand as itself. */
static size_t
take_embedded(struct span in, uint32_t *code)
{
	uint32_t value = 0;
	size_t   i = 3;

	if (!span_starts(in, "\\x{"))
		return 0;
	for (; i < in.len && hex_value(in.at[i]) >= 0 && i < 9; i++)
		value = value * 16 + (uint32_t)hex_value(in.at[i]);
	if (i < 5 || i >= in.len || in.at[i] != '}' || in.at[3] == '0')
		return 0;
	if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return i + 1;
}

static int
decode(struct span in, bool utf8, struct text *out, struct fault *why)
{
	autotext struct text result = {0};

	for (size_t i = 0; i < in.len; i++) {
		char     c = in.at[i];
		uint32_t code;
		size_t   len = utf8 ? take_embedded(span_from(in, i), &code) : 0;

		if (len) {
			if (code < 32 || (code >= 127 && code < 160))
				return fault_set(why, FAULT_INPUT, "control character in xtext");
			utf8_add(code, &result);
			i += len - 1;
			continue;
		}
		if (c == '+') {
			int high = i + 2 < in.len ? hex_value(in.at[i + 1]) : -1;
			int low = high >= 0 ? hex_value(in.at[i + 2]) : -1;

			if (low < 0)
				return fault_set(why, FAULT_INPUT, "bad \"+\" in xtext");
			c = (char)(high * 16 + low);
			i += 2;
			/* Postfix writes UTF-8 so, against RFC 6533; whether it is UTF-8 is seen below */
			if ((unsigned char)c > 127 && !utf8)
				return fault_set(why, FAULT_INPUT, "8-bit character in xtext");
		} else if (!is_xchar(c) && !(utf8 && (unsigned char)c > 127)) {
			return fault_set(why, FAULT_INPUT, "character that xtext does not allow");
		}
		if ((unsigned char)c < 32 || c == 127)
			return fault_set(why, FAULT_INPUT, "control character in xtext");
		text_add_byte(&result, c);
	}
	if (utf8 && !utf8_printable(text_span(&result)))
		return fault_set(why, FAULT_INPUT, "xtext is not printable UTF-8");
	text_add(out, text_span(&result));
	return 0;
}

int
xtext_decode(struct span in, struct text *out, struct fault *why)
{
	return decode(in, false, out, why);
}

int
xtext_utf8_decode(struct span in, struct text *out, struct fault *why)
{
	return decode(in, true, out, why);
}

void
xtext_utf8_encode(struct span in, struct text *out)
{
	while (in.len) {
		size_t   len = utf8_length(in);
		uint32_t code;

		if (len < 2) {      /* ASCII, or not UTF-8: as xtext */
			if (in.at[0] == '\\')
				text_add_string(out, "\\x{5C}");
			else
				xtext_encode(span_first(in, 1), out);
			in = span_from(in, 1);
			continue;
		}
		code = (unsigned char)in.at[0] & (0x7fu >> len);
		for (size_t i = 1; i < len; i++)
			code = code << 6 | ((unsigned char)in.at[i] & 0x3f);
		text_add_format(out, "\\x{%X}", code);
		in = span_from(in, len);
	}
}
