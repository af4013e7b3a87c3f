/* SPDX-License-Identifier: ISC */
/*
 * test_screen.c - postscreen's scores and records (postconf(5): postscreen_dnsbl_sites)
 */
#include "../unit.h"
#include "screen.h"

static const struct { const char *text, *zone, *filter; int weight; bool bad; } sites[] = {
	{"zen.example", "zen.example", "", 1, false},
	{"zen.example*3", "zen.example", "", 3, false},
	{"wl.example=127.0.0.[18;19;20]*-2", "wl.example", "127.0.0.[18;19;20]", -2, false},
	{"b.example=127.0.[0..255].[2;4..8]*+4", "b.example", "127.0.[0..255].[2;4..8]", 4, false},
	{"b.example=127.0.0.1", "b.example", "127.0.0.1", 1, false},
	{"", "", "", 0, true}, {"*2", "", "", 0, true}, {"a*", "", "", 0, true}, {"a*x", "", "", 0, true},
	{"a*-", "", "", 0, true}, {"a=127.0.0", "", "", 0, true}, {"a=127.0.0.1.2", "", "", 0, true},
	{"a=127.0.0.[1", "", "", 0, true}, {"a=127.0.0.[]", "", "", 0, true}, {"a=127.0.0.256", "", "", 0, true},
	{"a=127.0.0.[9..2]", "", "", 0, true}, {"a=127..0.1", "", "", 0, true}, {"a=127.0.0.[1]2", "", "", 0, true},
	{"=127.0.0.2", "", "", 0, true},
};

UNIT_TEST(sites_are_zone_filter_weight)
{
	for (size_t i = 0; i < COUNT(sites); i++) {
		struct dnsbl_site s = {0};
		int               got = dnsbl_site_parse(span_of(sites[i].text), &s, NULL);

		ck_assert_msg((got < 0) == sites[i].bad, "%s", sites[i].text);
		if (sites[i].bad)
			continue;
		ck_span(s.zone, sites[i].zone);
		ck_span(s.filter, sites[i].filter);
		ck_assert_int_eq(s.weight, sites[i].weight);
	}
}
END_TEST

static const struct { const char *filter, *address; bool matches; } filters[] = {
	{"", "127.0.0.2", true},
	{"127.0.0.2", "127.0.0.2", true}, {"127.0.0.2", "127.0.0.3", false},
	{"127.0.0.[2..11]", "127.0.0.11", true}, {"127.0.0.[2..11]", "127.0.0.12", false},
	{"127.0.0.[2;4;9..11]", "127.0.0.4", true}, {"127.0.0.[2;4;9..11]", "127.0.0.5", false},
	{"127.[0..1].0.1", "127.1.0.1", true}, {"[127;128].0.0.1", "128.0.0.1", true},
	{"127.0.0.2", "::1", false}, {"127.0.0.2", "x", false},
};

UNIT_TEST(filters_say_which_answers_count)
{
	for (size_t i = 0; i < COUNT(filters); i++)
		ck_assert_msg(dnsbl_filter_matches(span_of(filters[i].filter), span_of(filters[i].address)) == filters[i].matches,
		              "%s %s", filters[i].filter, filters[i].address);
}
END_TEST

UNIT_TEST(each_site_counts_once)
{
	struct dnsbl_site s[3];
	struct dnsbl      d = {.sites = s, .count = 3};
	struct span       both[] = {SPAN("127.0.0.2"), SPAN("127.0.0.10"), SPAN("127.0.0.2")};

	ck_assert_int_eq(dnsbl_site_parse(SPAN("z=127.0.0.2*3"), &s[0], NULL), 0);
	ck_assert_int_eq(dnsbl_site_parse(SPAN("z=127.0.0.[10..11]*4"), &s[1], NULL), 0);
	ck_assert_int_eq(dnsbl_site_parse(SPAN("z=127.0.0.[2..99]*-1"), &s[2], NULL), 0);
	ck_assert_int_eq(dnsbl_score(&d, both, 3), 6);
	ck_assert_int_eq(dnsbl_score(&d, both, 1), 2);
	ck_assert_int_eq(dnsbl_score(&d, both, 0), 0);
}
END_TEST

UNIT_TEST(records_say_what_is_due)
{
	struct screen_record r = {{0}};
	struct text          out = {0};

	ck_assert(screen_record_parse(SPAN("1700000000;0;5;0;1800000000"), &r));
	screen_record_print(&r, &out);
	ck_span(text_span(&out), "1700000000;0;5;0;1800000000");
	ck_assert_uint_eq(screen_record_due(&r, 0x1f, 1700000000), 1u << TEST_DNSBL | 1u << TEST_PIPELINING | 1u << TEST_NON_SMTP);
	ck_assert_uint_eq(screen_record_due(&r, 1u << TEST_PREGREET, 1700000001), 1u << TEST_PREGREET);
	ck_assert_uint_eq(screen_record_due(&r, 1u << TEST_BARE_NEWLINE, 1700000001), 0);
	ck_assert(!screen_record_parse(SPAN("1;2;3;4"), &r));
	ck_assert(!screen_record_parse(SPAN("1;2;3;4;5;6"), &r));
	ck_assert(!screen_record_parse(SPAN("1;2;3;4;-5"), &r));
	ck_assert(!screen_record_parse(SPAN(""), &r));
	text_free(&out);
}
END_TEST

UNIT_MAIN("smtpd/screen", sites_are_zone_filter_weight, filters_say_which_answers_count, each_site_counts_once,
          records_say_what_is_due)
