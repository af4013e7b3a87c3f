/* SPDX-License-Identifier: ISC */
/*
 * test_dns_records.c - record data as text (RFC 1035, 3.3; RFC 6698; RFC 2782)
 */
#include "../unit.h"
#include "dnsd_records.h"

#define ROW(type, wire, text) {type, {wire, sizeof wire - 1}, text}

static const struct { int type; struct span wire; const char *text; } rows[] = {
	ROW(DNS_A, "\xc0\0\2\1", "192.0.2.1"),
	ROW(DNS_A, "\xc0\0\2", NULL),
	ROW(DNS_AAAA, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", "2001:db8::1"),
	ROW(DNS_MX, "\0\12\2mx\7EXAMPLE\3net\0", "10 mx.example.net"),
	ROW(DNS_MX, "\0\0\0", "0 ."),                                      /* RFC 7505 */
	ROW(DNS_MX, "\0\12\2mx\7example\3net", NULL),                      /* no root label */
	ROW(DNS_MX, "\0\12\2mx\xc0\14", NULL),                             /* a pointer */
	ROW(DNS_MX, "\0\12\4m\0mx\0", NULL),                               /* NUL in a label */
	ROW(DNS_MX, "\0\12\2mx\0x", NULL),                                 /* bytes behind */
	ROW(DNS_PTR, "\4a\r\nb\0", NULL),                                  /* header injection by PTR */
	ROW(DNS_TXT, "\5v=spf\3 -a", "v=spf -a"),
	ROW(DNS_TXT, "\6v=spf", NULL),
	ROW(DNS_SRV, "\0\1\0\2\2\113\2mx\0", "1 2 587 mx"),
	ROW(DNS_TLSA, "\3\1\1\xab\xcd", "3 1 1 abcd"),
	ROW(DNS_TLSA, "\3\1", NULL),
};

UNIT_TEST(records_become_text_or_are_refused)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct text  out = {0};
		struct fault why = {0};
		int          got = dns_record_print(rows[i].type, rows[i].wire, &out, &why);

		ck_assert_msg((got == 0) == (rows[i].text != NULL), "row %zu: %s", i, fault_text(&why));
		if (rows[i].text)
			ck_span(text_span(&out), rows[i].text);
		text_free(&out);
	}
}
END_TEST

UNIT_TEST(reverse_names)
{
	struct text t = {0};

	ck_assert_int_eq(dns_reverse_name("192.0.2.7", &t, NULL), 0);
	ck_span(text_span(&t), "7.2.0.192.in-addr.arpa");
	text_clear(&t);
	ck_assert_int_eq(dns_reverse_name("2001:db8::1", &t, NULL), 0);
	ck_span(text_span(&t), "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
	ck_assert_int_lt(dns_reverse_name("x", &t, NULL), 0);
	text_free(&t);
}
END_TEST

UNIT_MAIN("guard/dnsd_records", records_become_text_or_are_refused, reverse_names)
