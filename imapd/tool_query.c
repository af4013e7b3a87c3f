/* SPDX-License-Identifier: ISC */
/*
 * tool_query.c - doveadm's search query as IMAP's (doveadm-search-query(7))
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tool.h"

static const struct { const char *word; int arguments; } keys[] = {
	{"all", 0}, {"answered", 0}, {"deleted", 0}, {"draft", 0}, {"flagged", 0}, {"new", 0}, {"old", 0}, {"recent", 0},
	{"seen", 0}, {"unanswered", 0}, {"undeleted", 0}, {"undraft", 0}, {"unflagged", 0}, {"unseen", 0}, {"not", 0},
	{"or", 0}, {"(", 0}, {")", 0}, {"bcc", 1}, {"body", 1}, {"cc", 1}, {"from", 1}, {"keyword", 1}, {"larger", 1},
	{"smaller", 1}, {"subject", 1}, {"text", 1}, {"to", 1}, {"uid", 1}, {"unkeyword", 1}, {"header", 2},
	{"modseq", 1}, {"emailid", 1},
};
static const char *const dates[] = {"before", "since", "on", "sentbefore", "sentsince", "senton", "savedbefore",
	"savedsince", "savedon"};

/* "30d", "2 weeks": seconds; 0: it is none. */
static int64_t
interval(struct span s)
{
	size_t   digits = 0;
	uint64_t n;
	int64_t  unit;

	while (digits < s.len && ascii_digit(s.at[digits]))
		digits++;
	if (!digits || digits == s.len || !span_number(span_first(s, digits), &n) || n > 1000000)
		return 0;
	s = span_trim(span_from(s, digits));
	unit = span_starts_nocase(s, "s") ? 1 : span_starts_nocase(s, "m") ? 60 : span_starts_nocase(s, "h") ? 3600
		: span_starts_nocase(s, "d") ? 86400 : span_starts_nocase(s, "w") ? 7 * 86400 : 0;
	return (int64_t)n * unit;
}

static int
add_date(struct span word, struct span value, struct text *out, struct fault *why)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int64_t   seconds = interval(value);
	time_t    at = time(NULL) - seconds;
	struct tm tm;
	int       y, m, d;
	uint64_t  n;

	if (seconds && (span_is_nocase(word, "before") || span_is_nocase(word, "since"))) { /* RFC 5032: to the second */
		text_add_format(out, "%s %lld", span_is_nocase(word, "before") ? "OLDER" : "YOUNGER", (long long)seconds);
		return 0;
	}
	autofree char *string = mem_span(value);

	if (sscanf(string, "%4d-%2d-%2d", &y, &m, &d) == 3 && m >= 1 && m <= 12) {
		text_add_format(out, "%.*s %d-%s-%04d", SPAN_ARGS(word), d, months[m - 1], y);
		return 0;
	}
	if (!seconds && span_number(value, &n) && n > 10000)
		at = (time_t)n;
	else if (!seconds && value.len >= 10 && span_has(value, '-')) { /* IMAP's own: 1-Feb-2026 */
		text_add_format(out, "%.*s %.*s", SPAN_ARGS(word), SPAN_ARGS(value));
		return 0;
	} else if (!seconds) {
		return fault_set(why, FAULT_INPUT, "%.*s: neither a date nor an age", SPAN_ARGS(value));
	}
	localtime_r(&at, &tm);
	text_add_format(out, "%.*s %d-%s-%04d", SPAN_ARGS(word), tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900);
	return 0;
}

static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alpha(s.at[i]) && !ascii_digit(s.at[i]) && !strchr(",:*-_$.\\", s.at[i]))
			return false;
	return s.len > 0;
}

/* 0: it is another kind of key. */
static int
take_key(struct tool *t, int argc, char **argv, int i, struct tool_query *q)
{
	for (size_t k = 0; k < COUNT(keys); k++) {
		int n = keys[k].arguments;

		if (!span_is_nocase(span_of(argv[i]), keys[k].word) || i + n >= argc)
			continue;
		text_add_string(&q->keys, argv[i]);
		for (int a = 1; a <= n; a++) {
			struct span s = span_of(argv[i + a]);
			bool        bare = is_plain(s) && (span_is_nocase(span_of(argv[i]), "uid")
				|| span_ends_nocase(span_of(argv[i]), "keyword") || span_is_nocase(span_of(argv[i]), "larger")
				|| span_is_nocase(span_of(argv[i]), "smaller"));

			text_add_format(&q->keys, " %s", bare ? argv[i + a] : tool_quote(t, s));
		}
		return n + 1;
	}
	return 0;
}

int
tool_query_parse(struct tool *t, int argc, char **argv, struct tool_query *q, struct fault *why)
{
	*q = (struct tool_query){0};
	for (int i = 0; i < argc;) {
		struct span word = span_of(argv[i]);
		bool        taken = false;
		int         n;

		if (span_is_nocase(word, "mailbox") && i + 1 < argc && q->mailboxes < COUNT(q->mailbox)) {
			q->mailbox[q->mailboxes++] = argv[i + 1];
			i += 2;
			continue;
		}
		if (q->keys.len && q->keys.at[q->keys.len - 1] != '(' && strcmp(argv[i], ")") != 0)
			text_add_byte(&q->keys, ' ');
		for (size_t k = 0; k < COUNT(dates) && i + 1 < argc; k++)
			if (span_is_nocase(word, dates[k])) {
				if (add_date(word, span_of(argv[i + 1]), &q->keys, why) < 0)
					return -1;
				i += 2;
				taken = true;
				break;
			}
		if (taken)
			continue;
		n = take_key(t, argc, argv, i, q);
		if (!n)
			return fault_set(why, FAULT_INPUT, "unknown or unfinished search key: %s", argv[i]);
		i += n;
	}
	if (!q->keys.len)
		text_add_string(&q->keys, "ALL");
	return 0;
}
