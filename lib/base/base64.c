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
	unsigned bits = 0;
	int      count = 0;

	for (size_t i = 0; i < in.len && in.at[i] != '='; i++) {
		int v = value_of(in.at[i]);

		if (v < 0)
			continue;
		bits = bits << 6 | (unsigned)v;
		if (++count == 4) {
			text_add(out, span_at((char[]){(char)(bits >> 16), (char)(bits >> 8), (char)bits}, 3));
			bits = 0;
			count = 0;
		}
	}
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
