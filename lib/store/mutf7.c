/* SPDX-License-Identifier: ISC */
/*
 * mutf7.c - modified UTF-7 of mailbox names (RFC 3501, 5.1.3)
 */
#include "store/mutf7.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static void
add_utf8(struct text *out, uint32_t c)
{
	if (c < 0x80) {
		text_add_byte(out, (char)c);
		return;
	}
	if (c < 0x800) {
		text_add_byte(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			text_add_byte(out, (char)(0xe0 | c >> 12));
		} else {
			text_add_byte(out, (char)(0xf0 | c >> 18));
			text_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		text_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	text_add_byte(out, (char)(0x80 | (c & 0x3f)));
}

/* One shifted run, without '&' and '-'. */
static int
decode_run(struct span run, struct text *out, struct fault *why)
{
	uint32_t bits = 0, high = 0;
	int      have = 0;

	for (size_t i = 0; i < run.len; i++) {
		const char *digit = run.at[i] ? strchr(alphabet, run.at[i]) : NULL;

		if (!digit)
			return fault_set(why, FAULT_INPUT, "bad byte in modified UTF-7");
		bits = bits << 6 | (uint32_t)(digit - alphabet);
		have += 6;
		if (have < 16)
			continue;
		have -= 16;
		uint32_t unit = bits >> have & 0xffff;

		bits &= (1u << have) - 1;
		if (high && (unit < 0xdc00 || unit > 0xdfff))
			return fault_set(why, FAULT_INPUT, "half a surrogate pair");
		if (high) {
			add_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
			high = 0;
		} else if (unit >= 0xd800 && unit <= 0xdbff) {
			high = unit;
		} else if ((unit >= 0xdc00 && unit <= 0xdfff) || unit < 0xa0) { /* ASCII, and what would end a line */
			return fault_set(why, FAULT_INPUT, "not canonical modified UTF-7");
		} else {
			add_utf8(out, unit);
		}
	}
	if (high || have >= 6 || bits)
		return fault_set(why, FAULT_INPUT, "modified UTF-7 ends too early");
	return 0;
}

int
mutf7_decode(struct span name, struct text *utf8, struct fault *why)
{
	autotext struct text out = {0};

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.at[i];

		if (c < 0x20 || c > 0x7e)
			return fault_set(why, FAULT_INPUT, "not printable ASCII");
		if (c != '&') {
			text_add_byte(&out, (char)c);
			continue;
		}
		struct span run = span_from(name, i + 1);
		ptrdiff_t   end = span_find(run, '-');

		if (end < 0)
			return fault_set(why, FAULT_INPUT, "& without -");
		if (end == 0)
			text_add_byte(&out, '&');
		else if (decode_run(span_first(run, (size_t)end), &out, why) < 0)
			return -1;
		i += (size_t)end + 1;
		/* "&...-&...-" should have been one run (RFC 3501, 5.1.3) */
		if (end > 0 && i + 2 < name.len && name.at[i + 1] == '&' && name.at[i + 2] != '-')
			return fault_set(why, FAULT_INPUT, "superfluous shift");
	}
	text_add(utf8, text_span(&out));
	return 0;
}

bool
mutf7_valid(struct span name)
{
	autotext struct text out = {0};

	return mutf7_decode(name, &out, NULL) == 0;
}

static int
next_utf8(struct span *rest, uint32_t *code)
{
	const unsigned char *at = (const unsigned char *)rest->at;
	size_t               more = at[0] < 0x80 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint32_t             c = more == 0 ? at[0] : at[0] & (0x3fu >> more);

	if (rest->len <= more || (at[0] >= 0x80 && at[0] < 0xc2) || at[0] > 0xf4)
		return -1;
	for (size_t i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (at[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	*rest = span_from(*rest, more + 1);
	*code = c;
	return 0;
}

struct shifter {
	struct text *out;
	uint32_t     bits;
	int          have;
	bool         open;
};

static void
shift_unit(struct shifter *s, uint32_t unit)
{
	if (!s->open)
		text_add_byte(s->out, '&');
	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->have += 16;
	while (s->have >= 6) {
		s->have -= 6;
		text_add_byte(s->out, alphabet[s->bits >> s->have & 0x3f]);
	}
	s->bits &= (1u << s->have) - 1;
}

static void
shift_close(struct shifter *s)
{
	if (!s->open)
		return;
	if (s->have)
		text_add_byte(s->out, alphabet[s->bits << (6 - s->have) & 0x3f]);
	text_add_byte(s->out, '-');
	*s = (struct shifter){.out = s->out};
}

int
mutf7_encode(struct span utf8, struct text *name, struct fault *why)
{
	autotext struct text out = {0};
	struct shifter       shift = {.out = &out};
	uint32_t             c;

	while (utf8.len) {
		if (next_utf8(&utf8, &c) < 0 || c == 0)
			return fault_set(why, FAULT_INPUT, "not UTF-8");
		if (c >= 0x20 && c < 0x7f) {
			shift_close(&shift);
			text_add_byte(&out, (char)c);
			if (c == '&')
				text_add_byte(&out, '-');
		} else if (c < 0x10000) {
			shift_unit(&shift, c);
		} else {
			shift_unit(&shift, 0xd800 + ((c - 0x10000) >> 10));
			shift_unit(&shift, 0xdc00 + ((c - 0x10000) & 0x3ff));
		}
	}
	shift_close(&shift);
	text_add(name, text_span(&out));
	return 0;
}

int
mutf7_encode_name(struct span utf8, struct text *name, struct fault *why)
{
	struct span rest = utf8;
	uint32_t    c;

	while (rest.len)
		if (next_utf8(&rest, &c) < 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
			return fault_set(why, FAULT_INPUT, "not UTF-8, or a control in it");
	return mutf7_encode(utf8, name, why);
}
