/* SPDX-License-Identifier: ISC */
/*
 * remote_words.c - %s and its kin: a query from a key, a result from a value
 */
#include "guard/remote_words.h"

static void
split_labels(struct remote_key *k)
{
	struct span rest = k->domain;

	while (k->labels < REMOTE_LABELS && rest.len) {
		ptrdiff_t dot = span_find_last(rest, '.');

		k->label[k->labels++] = span_from(rest, (size_t)(dot + 1));
		rest = span_first(rest, dot < 0 ? 0 : (size_t)dot);
	}
}

void
remote_key_split(struct span whole, struct remote_key *k)
{
	ptrdiff_t at = span_find_last(whole, '@');

	*k = (struct remote_key){.whole = whole, .user = whole};
	if (at < 0)
		return;
	k->user = span_first(whole, (size_t)at);
	k->domain = span_from(whole, (size_t)at + 1);
	split_labels(k);
}

int
remote_quote_none(void *context, struct span in, struct text *out, struct fault *why)
{
	(void)context, (void)why;
	text_add(out, in);
	return 0;
}

int
remote_quote_sql(void *context, struct span in, struct text *out, struct fault *why)
{
	(void)context;
	if (span_has(in, '\0'))
		return fault_set(why, FAULT_INPUT, "a key with a NUL byte");
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] == '\'')
			text_add_byte(out, '\'');
		text_add_byte(out, in.at[i]);
	}
	return 0;
}

int
remote_quote_filter(void *context, struct span in, struct text *out, struct fault *why)
{
	(void)context, (void)why;
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] == '\0' || strchr("*()\\", in.at[i]))
			text_add_format(out, "\\%02x", (unsigned char)in.at[i]);
		else
			text_add_byte(out, in.at[i]);
	}
	return 0;
}

int
remote_quote_dn(void *context, struct span in, struct text *out, struct fault *why)
{
	(void)context, (void)why;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.at[i];
		bool          edge = i == 0 || i + 1 == in.len;

		if (c < ' ' || c == 0x7f)
			text_add_format(out, "\\%02x", c);
		else if (strchr("\"+,;<=>\\", c) || (c == ' ' && edge) || (c == '#' && i == 0))
			text_add_format(out, "\\%c", c);
		else
			text_add_byte(out, in.at[i]);
	}
	return 0;
}

int
remote_words_check(const char *words, struct fault *why)
{
	for (const char *p = words; (p = strchr(p, '%')); p += 2)
		if (p[1] == '\0' || !strchr("%suSUdD123456789", p[1]))
			return fault_set(why, FAULT_INPUT, "\"%s\": no such word: %%%.1s", words, p + 1);
	return 0;
}

/* 0 with what the letter stands for, 1 for nothing. */
static int
word_of(char letter, const struct remote_key *key, const struct remote_key *value, struct span *out)
{
	if (ascii_digit(letter)) {
		size_t index = (size_t)(letter - '1');

		if (index >= key->labels)
			return 1;
		*out = key->label[index];
		return 0;
	}
	if (letter == 'S' || letter == 'U' || letter == 'D')
		value = key;
	letter = ascii_lower(letter);
	*out = letter == 's' ? value->whole : letter == 'u' ? value->user : value->domain;
	return letter != 's' && out->len == 0;
}

int
remote_words_expand(const char *words, const struct remote_key *key, const struct remote_key *value,
                    remote_quote *quote, void *context, struct text *out, struct fault *why)
{
	size_t start = out->len;

	while (*words) {
		size_t      plain = strcspn(words, "%");
		struct span word;

		text_add(out, span_at(words, plain));
		words += plain;
		if (!*words)
			break;
		if (words[1] == '%')
			text_add_byte(out, '%');
		else if (!words[1] || word_of(words[1], key, value, &word)) {
			text_cut(out, start);
			return 1;
		} else if (quote(context, word, out, why) < 0) {
			text_cut(out, start);
			return -1;
		}
		words += 2;
	}
	return 0;
}
