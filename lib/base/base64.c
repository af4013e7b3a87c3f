/* SPDX-License-Identifier: ISC */
/*
 * base64.c - the one base64 codec, and hex
 */
#include "base/base64.h"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void
base64_encode(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i += 3) {
		size_t   have = in.len - i < 3 ? in.len - i : 3;
		unsigned bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < have ? (unsigned char)in.at[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			text_add_byte(out, k <= have ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
	}
}

int
base64_decode(struct span in, struct text *out, struct fault *why)
{
	autotext struct text got = {0};
	size_t               pad = 0;

	if (in.len % 4)
		return fault_set(why, FAULT_INPUT, "base64 not in groups of four");
	while (pad < 2 && pad < in.len && in.at[in.len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < in.len; i += 4) {
		size_t   have = i + 4 == in.len ? 4 - pad : 4;
		unsigned bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int v = k < have ? value_of(in.at[i + k]) : 0;

			if (v < 0)
				return fault_set(why, FAULT_INPUT, "not a base64 character");
			bits = bits << 6 | (unsigned)v;
		}
		if ((have == 3 && bits & 0xff) || (have == 2 && bits & 0xffff))
			return fault_set(why, FAULT_INPUT, "base64 with stray bits");
		for (size_t k = 0; k + 1 < have; k++)
			text_add_byte(&got, (char)(bits >> (16 - 8 * k)));
	}
	text_add(out, text_span(&got));
	return 0;
}

void
base64_decode_mime(struct span in, struct text *out)
{
	static const signed char values[256] = { /* and one; 0: not in the alphabet */
		['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
		['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
		['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
		['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
		['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
		['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
		['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
		['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
	};
	unsigned bits = 0;
	int      count = 0;
	char    *to = text_room(out, in.len / 4 * 3 + 3), *first = to;

	for (size_t i = 0; i < in.len && in.at[i] != '='; i++) {
		int v = values[(unsigned char)in.at[i]] - 1;

		if (v < 0)
			continue;
		bits = bits << 6 | (unsigned)v;
		if (++count == 4) {
			*to++ = (char)(bits >> 16);
			*to++ = (char)(bits >> 8);
			*to++ = (char)bits;
			bits = 0;
			count = 0;
		}
	}
	*to = '\0';
	out->len += (size_t)(to - first);
	if (count >= 2)
		text_add_byte(out, (char)(bits >> (count == 2 ? 4 : 10)));
	if (count == 3)
		text_add_byte(out, (char)(bits >> 2));
}

void
hex_encode(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i++)
		text_add_format(out, "%02x", (unsigned char)in.at[i]);
}

static int
nibble(char c)
{
	c = ascii_lower(c);
	return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
hex_decode(struct span in, struct text *out, struct fault *why)
{
	autotext struct text got = {0};

	for (size_t i = 0; i < in.len; i += 2) {
		int high = nibble(in.at[i]), low = i + 1 < in.len ? nibble(in.at[i + 1]) : -1;

		if (high < 0 || low < 0)
			return fault_set(why, FAULT_INPUT, "not hexadecimal");
		text_add_byte(&got, (char)(high << 4 | low));
	}
	text_add(out, text_span(&got));
	return 0;
}
