/* SPDX-License-Identifier: ISC */
/*
 * facts.c - what SORT, THREAD and SENTSINCE ask of a header, worked out once
 *
 * "a sent day reply len len len" LF, then subject, id, references.  "- -" stands for a date that there is not.
 */
#include "facts.h"

#include "mail/date.h"
#include "mail/header.h"
#include "sort.h"

enum { REFERENCES_MOST = 200 };

enum { DATE, SUBJECT, MESSAGE_ID, REFERENCES, IN_REPLY_TO, FIELDS };

/* The first of each name, as header_find has it. */
static void
find_fields(struct span header, struct span values[FIELDS])
{
	static const char *const names[FIELDS] = {"Date", "Subject", "Message-ID", "References", "In-Reply-To"};
	bool                     found[FIELDS] = {false};
	struct header_field      f;
	size_t                   at = 0, count = 0;

	header = span_first(header, HEADER_SIZE_LIMIT);
	while (count++ < HEADER_FIELD_LIMIT && header_next(header, &at, &f))
		for (size_t i = 0; i < FIELDS; i++)
			if (!found[i] && span_is_nocase(f.name, names[i])) {
				values[i] = f.value;
				found[i] = true;
			}
}

/* "<a@b>" here and there in a value; what is no msg-id is passed over. */
static void
add_ids(struct span value, size_t most, struct text *out)
{
	while (most) {
		ptrdiff_t open = span_find(value, '<'), close;

		if (open < 0)
			return;
		value = span_from(value, (size_t)open + 1);
		close = span_find(value, '>');
		if (close < 0)
			return;
		if (close > 0) {
			text_add(out, span_first(value, (size_t)close + 1));
			most--;
		}
		value = span_from(value, (size_t)close + 1);
	}
}

void
facts_make(struct span header, struct text *out)
{
	struct span          values[FIELDS] = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE};
	autotext struct text subject = {0}, ids = {0};
	struct date          date;
	size_t               own;
	bool                 is_reply = false;

	find_fields(header, values);
	subject_base(values[SUBJECT], &subject, &is_reply);
	add_ids(values[MESSAGE_ID], 1, &ids);
	own = ids.len;
	add_ids(values[REFERENCES], REFERENCES_MOST, &ids);
	if (ids.len == own)
		add_ids(values[IN_REPLY_TO], 1, &ids);
	if (date_parse(values[DATE], &date))
		text_add_format(out, FACTS_FORM " %llu %llu", (unsigned long long)date.seconds, (unsigned long long)date_day(date));
	else
		text_add_string(out, FACTS_FORM " - -");
	text_add_format(out, " %d %zu %zu %zu\n", is_reply, subject.len, own, ids.len - own);
	text_add(out, text_span(&subject));
	text_add(out, text_span(&ids));
}

static bool
take_numbers(struct span line, uint64_t *numbers, size_t count)
{
	struct span word;

	for (size_t i = 0; i < count; i++)
		if (!span_next(&line, " ", &word) || !span_number(word, &numbers[i]))
			return false;
	return line.len == 0;
}

bool
facts_decode(struct span bytes, struct header_facts *out)
{
	struct header_facts f = {0};
	struct span  line, word, rest;
	uint64_t     date[2] = {0, 0}, n[4];

	if (!span_split(&bytes, '\n', &line) || !span_next(&line, " ", &word) || !span_is(word, FACTS_FORM))
		return false;
	rest = line;
	f.has_sent = !(span_next(&rest, " ", &word) && span_is(word, "-"));
	if (f.has_sent) {
		if (!span_number(word, &date[0]) || !span_next(&rest, " ", &word) || !span_number(word, &date[1]))
			return false;
	} else if (!span_next(&rest, " ", &word) || !span_is(word, "-")) {
		return false;
	}
	if (!take_numbers(rest, n, COUNT(n)) || n[0] > 1 || n[1] > bytes.len || n[2] > bytes.len - n[1]
		|| n[3] != bytes.len - n[1] - n[2])
		return false;
	f.sent = (int64_t)date[0];
	f.sent_day = (int64_t)date[1];
	f.is_reply = n[0] == 1;
	f.subject = span_first(bytes, n[1]);
	f.id = span_cut(bytes, n[1], n[1] + n[2]);
	f.references = span_from(bytes, n[1] + n[2]);
	if ((f.id.len && !span_ends(f.id, ">")) || (f.references.len && !span_ends(f.references, ">")))
		return false;
	if (f.id.len)
		f.id.len--;
	*out = f;
	return true;
}

bool
facts_next_reference(struct span *references, struct span *id)
{
	return references->len && span_split(references, '>', id);
}
