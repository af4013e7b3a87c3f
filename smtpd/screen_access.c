/* SPDX-License-Identifier: ISC */
/*
 * screen_access.c - what the lists say of an address (postscreen_access_list)
 */
#include "base/log.h"
#include "screen.h"

static int
mynetworks_has(struct screened *s, struct fault *why)
{
	return match_address(screen.mynetworks, SPAN_NONE, span_of(s->who.address), why);
}

/* What stands in a table: 'p', 'r', 'd' (dunno: the end), 0 (go on) */
static int
judge_words(struct screened *s, struct span words, struct fault *why)
{
	struct span word;

	while (span_next(&words, ", \t\r\n", &word)) {
		int in;

		if (span_is_nocase(word, "permit"))
			return 'p';
		if (span_is_nocase(word, "reject"))
			return 'r';
		if (span_is_nocase(word, "dunno"))
			return 'd';
		if (!span_is_nocase(word, "permit_mynetworks")) {
			log_warning("postscreen_access_list: bad word in a table: \"%.*s\"", SPAN_ARGS(span_first(word, 80)));
			return 'd';
		}
		in = mynetworks_has(s, why);
		if (in != 0)
			return in < 0 ? -1 : 'p';
	}
	return 0;
}

static int
judge_rule(struct screened *s, const struct access_rule *r, struct fault *why)
{
	autotext struct text value = {0};
	int                  got;

	switch (r->kind) {
	case ACCESS_PERMIT: return 'p';
	case ACCESS_REJECT: return 'r';
	case ACCESS_DUNNO: return 'd';
	case ACCESS_MYNETWORKS:
		got = mynetworks_has(s, why);
		return got < 0 ? -1 : got ? 'p' : 0;
	case ACCESS_TABLE: break;
	}
	got = table_find(r->table, span_of(s->who.address), &value, why);
	return got < 0 ? -1 : got > 0 ? 0 : judge_words(s, text_span(&value), why);
}

int
screen_judge_access(struct screened *s)
{
	for (size_t i = 0; i < screen.n_access; i++) {
		struct fault why = {0};
		int          got = judge_rule(s, &screen.access[i], &why);

		if (got < 0)
			log_warning("postscreen_access_list: %s", fault_text(&why));
		if (got > 0)
			return got;
	}
	return 'd';
}
