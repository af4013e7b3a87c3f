/* SPDX-License-Identifier: ISC */
/*
 * mentions.c - every word of the configuration that may name a table
 */
#include "table/mentions.h"

enum { GROUP_DEPTH = 10 };

struct search {
	const struct main_cf *cf;
	void                (*each)(void *, struct span);
	void                 *context;
};

static void
search_words(const struct search *s, struct span in, int depth)
{
	struct span word, inside;

	while (list_next(&in, ", \t\r\n", &word, NULL) > 0) {
		ptrdiff_t brace = span_find(word, '{');

		while (word.len && word.at[0] == '!')
			word = span_from(word, 1);
		if (word.len && word.at[0] != '{')
			s->each(s->context, word);
		if (brace >= 0 && depth < GROUP_DEPTH &&
		    list_group(span_from(word, (size_t)span_find(word, '{')), &inside))
			search_words(s, inside, depth + 1);
	}
}

static void
search_text(const struct search *s, struct span value)
{
	autotext struct text out = {0};
	struct fault         why = {0};

	if (main_cf_expand(s->cf, value, &out, &why) == 0)
		search_words(s, text_span(&out), 0);
}

void
table_mentions_of(const struct main_cf *cf, const char *name, void (*each)(void *, struct span), void *context)
{
	const struct search  s = {cf, each, context};
	autotext struct text value = {0};

	if (main_cf_get(cf, name, &value, NULL) == 0)
		search_words(&s, text_span(&value), 0);
}

void
table_mentions(const struct main_cf *cf, const struct master_cf *m, const char *const *names,
               void (*each)(void *, struct span), void *context)
{
	const struct search   s = {cf, each, context};
	const struct setting *setting;
	size_t                at = 0;

	while ((setting = main_cf_next(cf, &at)))
		search_text(&s, span_of(setting->value));
	for (size_t i = 0; m && i < m->count; i++)
		for (size_t o = 0; o < m->row[i]->options.count; o++) {
			struct span rest = span_of(m->row[i]->options.item[o]), name;

			span_split(&rest, '=', &name);
			search_text(&s, rest);
		}
	for (; names && *names; names++)
		table_mentions_of(cf, *names, each, context);
}
