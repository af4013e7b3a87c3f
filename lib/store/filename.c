/* SPDX-License-Identifier: ISC */
/*
 * filename.c - names of messages in a Maildir
 */
#include "store/filename.h"

#include <stdlib.h>

static const struct {
	char     letter;
	unsigned flag;
} letters[] = {
	{'D', MESSAGE_DRAFT}, {'F', MESSAGE_FLAGGED}, {'R', MESSAGE_ANSWERED},
	{'S', MESSAGE_SEEN}, {'T', MESSAGE_DELETED},
};

static bool
take_size(struct span base, char key, uint64_t *value)
{
	for (ptrdiff_t at; (at = span_find(base, ',')) >= 0;) {
		struct span number;

		base = span_from(base, (size_t)at + 1);
		if (base.len < 2 || base.at[0] != key || base.at[1] != '=')
			continue;
		base = span_from(base, 2);
		span_split(&base, ',', &number);
		return span_number(number, value);
	}
	return false;
}

/* Takes "+<n>" tokens of ours; whatever else is there belongs to others. */
static void
take_foreign(struct span foreign, struct file_name *out)
{
	for (size_t i = 0; i < foreign.len;) {
		size_t   start = ++i;
		uint64_t n;

		if (foreign.at[start - 1] != '+')
			continue;
		while (i < foreign.len && ascii_digit(foreign.at[i]))
			i++;
		if (span_number(span_cut(foreign, start, i), &n) && n >= KEYWORD_LETTERS
			&& n < KEYWORDS_MAX)
			out->keywords |= (uint64_t)1 << n;
	}
}

static void
take_letter(char c, struct file_name *out)
{
	if (c >= 'a' && c <= 'z') {
		out->keywords |= (uint64_t)1 << (c - 'a');
		return;
	}
	for (size_t i = 0; i < COUNT(letters); i++)
		if (letters[i].letter == c) {
			out->flags |= letters[i].flag;
			return;
		}
	if (out->n_other < sizeof out->other)
		out->other[out->n_other++] = c;
}

static ptrdiff_t
find_last_info(struct span name)
{
	for (size_t i = name.len; i-- > 0;)
		if (name.at[i] == ':' && span_starts(span_from(name, i), ":2,"))
			return (ptrdiff_t)i;
	return -1;
}

void
file_name_parse(struct span name, struct file_name *out)
{
	file_name_parse_info(name, out);
	out->has_size = take_size(out->base, 'S', &out->size);
	out->has_full_size = take_size(out->base, 'W', &out->full_size);
}

void
file_name_parse_info(struct span name, struct file_name *out)
{
	ptrdiff_t   colon = span_find(name, ':'), info = find_last_info(name);
	struct span flags;

	*out = (struct file_name){.base = colon < 0 ? name : span_first(name, (size_t)colon),
		.foreign = SPAN_NONE};
	if (info < 0)
		return;
	out->has_info = true;
	flags = span_from(name, (size_t)info + 3);
	if (span_find(flags, ',') >= 0) {
		out->foreign = span_from(flags, (size_t)span_find(flags, ',') + 1);
		flags = span_first(flags, (size_t)span_find(flags, ','));
		take_foreign(out->foreign, out);
	}
	for (size_t i = 0; i < flags.len; i++)
		take_letter(flags.at[i], out);
}

static int
compare_bytes(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* The foreign set without our tokens, then our tokens. */
static void
format_foreign(struct span foreign, uint64_t keywords, struct text *out)
{
	size_t before = out->len;

	text_add_byte(out, ',');
	for (size_t i = 0; i < foreign.len;) {
		size_t   end = i + 1;
		uint64_t n;

		if (foreign.at[i] == '+') {
			while (end < foreign.len && ascii_digit(foreign.at[end]))
				end++;
			if (span_number(span_cut(foreign, i + 1, end), &n)
				&& n >= KEYWORD_LETTERS && n < KEYWORDS_MAX) {
				i = end;
				continue;
			}
		}
		text_add(out, span_cut(foreign, i, end));
		i = end;
	}
	for (unsigned n = KEYWORD_LETTERS; n < KEYWORDS_MAX; n++)
		if (keywords & (uint64_t)1 << n)
			text_add_format(out, "+%u", n);
	if (out->len == before + 1)
		text_cut(out, before);
}

void
file_name_format(const struct file_name *like, unsigned flags, uint64_t keywords, struct text *out)
{
	char   set[FILE_NAME_OTHER + COUNT(letters) + KEYWORD_LETTERS];
	size_t n = like->n_other;

	memcpy(set, like->other, n);
	for (size_t i = 0; i < COUNT(letters); i++)
		if (flags & letters[i].flag)
			set[n++] = letters[i].letter;
	for (int i = 0; i < KEYWORD_LETTERS; i++)
		if (keywords & (uint64_t)1 << i)
			set[n++] = (char)('a' + i);
	qsort(set, n, 1, compare_bytes);
	text_add(out, like->base);
	text_add_string(out, ":2,");
	text_add(out, span_at(set, n));
	format_foreign(like->foreign, keywords, out);
}

static uint64_t
leading_number(struct span *s)
{
	uint64_t value = 0;
	size_t   i = 0;

	while (i < s->len && ascii_digit(s->at[i]) && i < 18)
		value = value * 10 + (uint64_t)(s->at[i++] - '0');
	*s = span_from(*s, i);
	return value;
}

static uint64_t
leading_microseconds(struct span *s)
{
	if (!span_starts(*s, ".M"))
		return 0;
	*s = span_from(*s, 2);
	return leading_number(s);
}

uint64_t
file_name_number(struct span base)
{
	return leading_number(&base);
}

int
file_name_compare(struct span a, struct span b)
{
	uint64_t x = leading_number(&a), y = leading_number(&b);

	if (x != y)
		return x < y ? -1 : 1;
	x = leading_microseconds(&a);
	y = leading_microseconds(&b);
	if (x != y)
		return x < y ? -1 : 1;
	return span_compare(a, b);
}
