/* SPDX-License-Identifier: ISC */
/* test_transcript.c - what a reply was about, and what is kept of a session */
#include "../unit.h"


#include "ipc/transcript.h"

/* RFC 3463, 3: the subject of a status */
UNIT_TEST(classes)
{
	static const struct { const char *reply; unsigned class; } rows[] = {
		{"250 2.1.0 Ok", 0}, {"220 mail.example.net ESMTP", 0}, {"354 go on", 0}, {"", 0}, {"55", 0},
		{"554 5.7.1 <x>: Relay access denied", TROUBLE_POLICY}, {"450 4.7.1 Greylisted", TROUBLE_POLICY},
		{"550 5.1.1 <x>: User unknown", TROUBLE_BOUNCE}, {"450 4.1.8 <x>: Domain not found", TROUBLE_POLICY},
		{"451 4.3.0 Temporary lookup failure", TROUBLE_RESOURCE}, {"452 4.3.1 Insufficient system storage", TROUBLE_RESOURCE},
		{"451 4.3.5 Server configuration error", TROUBLE_SOFTWARE}, {"552 5.3.4 too big", TROUBLE_BOUNCE},
		{"503 5.5.1 Error: need MAIL command", TROUBLE_PROTOCOL}, {"500 what", TROUBLE_PROTOCOL}, {"554 no", TROUBLE_POLICY},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(transcript_class_of(span_of(rows[i].reply)) == rows[i].class, "%s: %u", rows[i].reply,
		              transcript_class_of(span_of(rows[i].reply)));
}
END_TEST

UNIT_TEST(lines)
{
	struct transcript t = {0};

	transcript_add(&t, " In:  ", SPAN("EHLO a"));
	ck_assert_uint_eq(t.lines.len, 0);              /* nobody wants it */
	t.wanted = TROUBLE_POLICY;
	transcript_add(&t, " Out: ", SPAN("250-one\r\n250 two"));
	ck_assert_str_eq(text_string(&t.lines), " Out: 250-one\n Out: 250 two\n");
	ck_assert(!transcript_is_due(&t));
	t.met = TROUBLE_PROTOCOL;
	ck_assert(!transcript_is_due(&t));
	t.met |= TROUBLE_POLICY;
	ck_assert(transcript_is_due(&t));
	for (int i = 0; i < 20000; i++)
		transcript_add(&t, " In:  ", SPAN("NOOP a line that is there to fill"));
	ck_assert(t.cut && t.lines.len < 70000 && span_starts(text_span(&t.lines), " In:  NOOP"));
	transcript_clear(&t);
	ck_assert_uint_eq(t.wanted, TROUBLE_POLICY);
	ck_assert_uint_eq(t.met | t.lines.len, 0);
}
END_TEST

UNIT_MAIN("transcript", classes, lines)
