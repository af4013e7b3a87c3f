/* SPDX-License-Identifier: ISC */
/*
 * facts.c - what SORT, THREAD and SENTSINCE ask of a header, worked out once
 *
 * The form's letter, flags (1), sent and day (8, 8), lengths (4, 4, 4), then subject, id, references.
 */
#include "facts.h"

#include "base/little_endian.h"
#include "mail/date.h"
#include "mail/header.h"
#include "sort.h"

enum { REFERENCES_MOST = 200, HEAD = 30, HAS_SENT = 1, IS_REPLY = 2 };

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
	struct date          date = {0};
	size_t               own;
	bool                 is_reply = false, has_sent;

	find_fields(header, values);
	subject_base(values[SUBJECT], &subject, &is_reply);
	add_ids(values[MESSAGE_ID], 1, &ids);
	own = ids.len;
	add_ids(values[REFERENCES], REFERENCES_MOST, &ids);
	if (ids.len == own)
		add_ids(values[IN_REPLY_TO], 1, &ids);
	has_sent = date_parse(values[DATE], &date);
	text_add_string(out, FACTS_FORM);
	little_endian_add((has_sent ? HAS_SENT : 0u) | (is_reply ? IS_REPLY : 0u), 1, out);
	little_endian_add(has_sent ? (uint64_t)date.seconds : 0, 8, out);
	little_endian_add(has_sent ? (uint64_t)date_day(date) : 0, 8, out);
	little_endian_add(subject.len, 4, out);
	little_endian_add(own, 4, out);
	little_endian_add(ids.len - own, 4, out);
	text_add(out, text_span(&subject));
	text_add(out, text_span(&ids));
}

bool
facts_decode(struct span bytes, struct header_facts *out)
{
	struct header_facts f = {0};
	struct span         strings = span_from(bytes, HEAD);
	size_t              n[3];

	if (bytes.len < HEAD || !span_starts(bytes, FACTS_FORM) || (bytes.at[1] & ~(HAS_SENT | IS_REPLY)))
		return false;
	for (size_t i = 0; i < COUNT(n); i++)
		n[i] = (size_t)little_endian_take(bytes.at + 18 + 4 * i, 4);
	if (n[0] > strings.len || n[1] > strings.len - n[0] || n[2] != strings.len - n[0] - n[1])
		return false;
	f.has_sent = bytes.at[1] & HAS_SENT;
	f.is_reply = bytes.at[1] & IS_REPLY;
	f.sent = (int64_t)little_endian_take(bytes.at + 2, 8);
	f.sent_day = (int64_t)little_endian_take(bytes.at + 10, 8);
	f.subject = span_first(strings, n[0]);
	f.id = span_cut(strings, n[0], n[0] + n[1]);
	f.references = span_from(strings, n[0] + n[1]);
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
