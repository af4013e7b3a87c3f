/* SPDX-License-Identifier: ISC */
/* test_facts.c - what the index keeps of a header for SORT, THREAD and SENTSINCE (RFC 5256) */
#include "../unit.h"

#include "facts.h"
#include "store/index.h"

static void
check(const char *header, struct header_facts expected, const char *subject, const char *id, const char *references)
{
	autotext struct text bytes = {0};
	struct header_facts         f;

	facts_make(span_of(header), &bytes);
	ck_assert_msg(facts_decode(text_span(&bytes), &f), "%s", text_string(&bytes));
	ck_assert(f.has_sent == expected.has_sent && f.is_reply == expected.is_reply);
	ck_assert_msg(f.sent == expected.sent && f.sent_day == expected.sent_day, "%lld %lld", (long long)f.sent, (long long)f.sent_day);
	ck_span(f.subject, subject);
	ck_span(f.id, id);
	ck_span(f.references, references);
}

UNIT_TEST(facts_of_headers)
{
	check("Date: Sat, 1 Jan 2000 00:30:00 +0100\nSubject: Re: [list] Hello\n\n",
		(struct header_facts){.has_sent = true, .is_reply = true, .sent = 946683000, .sent_day = 10957}, "HELLO", "", "");
	/* before 1970; the first field of a name counts */
	check("Date: 31 Dec 1969 23:00:00 +0000\nDate: 1 Jan 2000 00:00:00 +0000\n\n",
		(struct header_facts){.has_sent = true, .sent = -3600, .sent_day = -1}, "", "", "");
	check("Date: never\nMessage-ID: none\nReferences: <> <a@b> (<c@d>)\n <e<f@g>\nIn-Reply-To: <x@y>\n\n",
		(struct header_facts){0}, "", "", "a@b>c@d>e<f@g>");
	check("message-id: <1@x> <2@x>\nIn-Reply-To: <x@y> <z@y>\n\n", (struct header_facts){0}, "", "1@x", "x@y>");
	check("", (struct header_facts){0}, "", "", "");
}

UNIT_TEST(references_one_by_one)
{
	struct span rest = SPAN("a@b>c@d>"), id;

	ck_assert(facts_next_reference(&rest, &id));
	ck_span(id, "a@b");
	ck_assert(facts_next_reference(&rest, &id));
	ck_span(id, "c@d");
	ck_assert(!facts_next_reference(&rest, &id));
}

UNIT_TEST(broken_facts_are_none)
{
	static const char *const rows[] = {"", "a", "a - - 0 0 0 0", "b - - 0 0 0 0\n", "a - 1 0 0 0 0\n", "a 1 - 0 0 0 0\n",
		"a - - 2 0 0 0\n", "a - - 0 1 0 0\n", "a - - 0 0 0 0\nx", "a - - 0 0 1 0\nx", "a - - 0 0 0 1\nx",
		"a - - 0 18446744073709551615 1 0\n", "a - - 0 1 18446744073709551615 1\nx", "a - - 0 0 0 0 0\n"};
	struct header_facts f;

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(!facts_decode(span_of(rows[i]), &f), "row %zu", i);
	ck_assert(facts_decode(SPAN("a - - 0 0 0 0\n"), &f));
}

UNIT_TEST(records_of_an_older_form_are_unknown)
{
	struct index_record  r = {.has_date = true, .date = 7, .has_full_size = true, .full_size = 9, .envelope = SPAN("(e)"),
		.body = SPAN("(b)"), .structure = SPAN("(s)"), .fields = SPAN("A: b\n"), .facts = SPAN("facts")}, back;
	autotext struct text bytes = {0};
	struct span          all;

	index_encode(SPAN("base"), &r, &bytes);
	all = text_span(&bytes);
	ck_assert(index_decode(all, SPAN("base"), &back) && !index_decode(all, SPAN("other"), &back));
	ck_assert(back.date == 7 && back.full_size == 9);
	ck_span(back.envelope, "(e)");
	ck_span(back.structure, "(s)");
	ck_span(back.fields, "A: b\n");
	ck_span(back.facts, "facts");
	for (size_t i = 0; i < all.len; i++)
		ck_assert(!index_decode(span_first(all, i), SPAN("base"), &back));
	ck_assert(!index_decode(SPAN("2 7 9 4 0 0 0 0\nbase"), SPAN("base"), &back));
	ck_assert(!index_decode(SPAN("2 7 9 4 0 0 0 0 0\nbase"), SPAN("base"), &back));
	ck_assert(index_decode(SPAN("3 7 9 4 0 0 0 0 0\nbase"), SPAN("base"), &back));
}

UNIT_MAIN("imapd/facts", facts_of_headers, references_one_by_one, broken_facts_are_none, records_of_an_older_form_are_unknown)
