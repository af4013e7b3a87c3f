/* SPDX-License-Identifier: ISC */
/*
 * casemap.c - i;unicode-casemap (RFC 5051)
 */
#include "mail/casemap.h"

#include "mail/casemap_table.inc"
#include "mail/charset.h"

/* Unicode 3.12: how a Hangul syllable is made of its letters */
enum { S_BASE = 0xac00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11a7, V_COUNT = 21, T_COUNT = 28, S_COUNT = 11172 };

static uint32_t
code_point(const unsigned char *b, size_t n)
{
	uint32_t c = n == 1 ? b[0] : b[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (b[i] & 0x3f);
	return c;
}

static void
add_hangul(uint32_t syllable, struct text *out)
{
	utf8_add(L_BASE + syllable / (V_COUNT * T_COUNT), out);
	utf8_add(V_BASE + syllable % (V_COUNT * T_COUNT) / T_COUNT, out);
	if (syllable % T_COUNT)
		utf8_add(T_BASE + syllable % T_COUNT, out);
}

static void
add_character(struct span s, struct text *out)
{
	uint32_t c = code_point((const unsigned char *)s.at, s.len);
	unsigned to;

	if (c - S_BASE < S_COUNT) {
		add_hangul(c - S_BASE, out);
		return;
	}
	to = pages[page_of[c >> 8]][c & 0xff];
	text_add(out, to ? span_at(pool + to + 1, pool[to]) : s);
}

void
casemap_add(struct span s, struct text *out)
{
	while (s.len) {
		size_t plain = 0, n;

		while (plain < s.len && (unsigned char)s.at[plain] < 0x80)
			plain++;
		if (plain) {
			char *to = text_room(out, plain);

			for (size_t i = 0; i < plain; i++)
				to[i] = ascii_upper(s.at[i]);
			to[plain] = '\0';
			out->len += plain;
			s = span_from(s, plain);
			continue;
		}
		n = utf8_length(s);
		if (n)
			add_character(span_first(s, n), out);
		else
			utf8_add(0xfffd, out);
		s = span_from(s, n ? n : 1);
	}
}
