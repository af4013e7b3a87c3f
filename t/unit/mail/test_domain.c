/* SPDX-License-Identifier: ISC */
/*
 * test_domain.c - domain names (RFC 5890) and network addresses (RFC 4291, 5952, 5321 4.1.3)
 */
#include "mail/domain.h"
#include "mail/netaddr.h"
#include "../unit.h"

UNIT_TEST(labels)
{
	static const char *const rows[][2] = {          /* U-label, A-label */
		{"b\xc3\xbc""cher.example", "xn--bcher-kva.example"}, {"example.org", "example.org"},
		{"stra\xc3\x9f""e.example", "xn--strae-oqa.example"},      /* not "strasse": UTS 46 non-transitional */
		{"\xe4\xbe\x8b\xe3\x81\x88.test", "xn--r8jz45g.test"},
	};
	autoarena struct arena *a = arena_new();
	struct span out = SPAN_NONE;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(domain_to_ascii(a, span_of(rows[i][0]), &out, NULL), 0);
		ck_span(out, rows[i][1]);
		ck_assert_int_eq(domain_to_utf8(a, span_of(rows[i][1]), &out, NULL), 0);
		ck_span(out, rows[i][0]);
	}
	ck_assert_int_eq(domain_to_ascii(a, SPAN("B\xc3\x9c""CHER.example"), &out, NULL), 0);
	ck_span(out, "xn--bcher-kva.example");
	domain_transitional(true);                       /* as IDNA 2003 had it */
	ck_assert_int_eq(domain_to_ascii(a, SPAN("stra\xc3\x9f""e.example"), &out, NULL), 0);
	ck_span(out, "strasse.example");
	domain_transitional(false);
	ck_assert_int_eq(domain_to_ascii(a, SPAN("b\xfc""cher.example"), &out, NULL), -1);
	ck_assert_int_eq(domain_to_ascii(a, SPAN("\xc3\xbc\0.example"), &out, NULL), -1);
}
END_TEST

UNIT_TEST(comparison)
{
	struct span name = SPAN("a.b.c");

	ck_assert(domain_equal(SPAN("Example.ORG."), SPAN("example.org")) && !domain_equal(SPAN("a"), SPAN("b")));
	ck_assert(domain_within(SPAN("a.Example.org"), SPAN("example.org")) && domain_within(SPAN("example.org"), SPAN("example.org")));
	ck_assert(!domain_within(SPAN("anexample.org"), SPAN("example.org")) && !domain_within(SPAN("org"), SPAN("example.org")));
	ck_assert(!domain_within(SPAN("example.org"), SPAN("")));
	ck_assert(domain_parent(&name));
	ck_span(name, "b.c");
	ck_assert(domain_parent(&name) && !domain_parent(&name));
}
END_TEST

UNIT_TEST(addresses)
{
	static const struct { const char *in, *out, *ptr; } rows[] = {
		{"192.0.2.1", "192.0.2.1", "1.2.0.192.in-addr.arpa"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1", NULL}, {"::", "::", NULL}, {"0.0.0.0", "0.0.0.0", NULL},
		{"256.0.0.1", NULL, NULL}, {"1.2.3", NULL, NULL}, {"1.2.3.4.5", NULL, NULL}, {"01.2.3.4", NULL, NULL}, {"1.2.3.4 ", NULL, NULL},
		{"", NULL, NULL}, {":", NULL, NULL}, {"1::2::3", NULL, NULL}, {"fe80::1%eth0", NULL, NULL}, {"[::1]", NULL, NULL}, {"1..2.3", NULL, NULL},
	};
	char text[NETADDR_TEXT_SIZE], ptr[NETADDR_PTR_SIZE];

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct netaddr n = {0};

		ck_assert_msg(netaddr_parse(span_of(rows[i].in), &n) == (rows[i].out != NULL), "%s", rows[i].in);
		if (rows[i].out)
			ck_assert_str_eq(netaddr_string(&n, text), rows[i].out);
		if (rows[i].ptr)
			ck_assert_str_eq(netaddr_ptr_name(&n, ptr), rows[i].ptr);
	}
}
END_TEST

UNIT_TEST(networks)          /* mynetworks: postconf(5) */
{
	static const struct { const char *net, *address; int in; } rows[] = {       /* -1: bad network */
		{"10.0.0.0/8", "10.255.0.1", 1}, {"10.0.0.0/8", "11.0.0.1", 0}, {"127.0.0.1", "127.0.0.1", 1}, {"127.0.0.1", "127.0.0.2", 0},
		{"[::1]/128", "::1", 1}, {"[::1]", "::1", 1}, {"[2001:db8::]/33", "2001:db8:7fff::1", 1}, {"[2001:db8::]/33", "2001:db8:8000::1", 0},
		{"2001:db8::/32", "2001:db8::5", 1}, {"0.0.0.0/0", "1.2.3.4", 1}, {"0.0.0.0/0", "::1", 0}, {"::/0", "1.2.3.4", 0},
		{"192.168.128.0/17", "192.168.127.1", 0}, {"192.168.128.0/17", "192.168.200.1", 1},
		{"10.0.0.1/8", "", -1}, {"10.0.0.0/33", "", -1}, {"10.0.0.0/", "", -1}, {"10.0.0/8", "", -1}, {"[::]/129", "", -1}, {"", "", -1}, {"/8", "", -1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct netaddr_net net;
		struct netaddr     n;

		ck_assert_msg((netaddr_parse_net(span_of(rows[i].net), &net, NULL) < 0) == (rows[i].in < 0), "%s", rows[i].net);
		if (rows[i].in < 0)
			continue;
		ck_assert(netaddr_parse(span_of(rows[i].address), &n));
		ck_assert_msg(netaddr_in(&n, &net) == (rows[i].in == 1), "%s in %s", rows[i].address, rows[i].net);
	}
}
END_TEST

UNIT_TEST(mapped_and_loopback)
{
	struct netaddr n, v4;
	char           text[NETADDR_TEXT_SIZE];

	ck_assert(netaddr_parse(SPAN("::ffff:127.0.0.5"), &n));
	v4 = netaddr_unmapped(&n);
	ck_assert_str_eq(netaddr_string(&v4, text), "127.0.0.5");
	ck_assert(netaddr_is_loopback(&n) && netaddr_is_loopback(&v4));
	ck_assert(netaddr_parse(SPAN("::1"), &n) && netaddr_is_loopback(&n));
	ck_assert(netaddr_parse(SPAN("::2"), &n) && !netaddr_is_loopback(&n));
	ck_assert(netaddr_parse_literal(SPAN("[IPv6:::1]"), &n) && n.family == 6);
	ck_assert(!netaddr_parse_literal(SPAN("[::1]"), &n) && !netaddr_parse_literal(SPAN("[IPv6:1.2.3.4]"), &n));
}
END_TEST

UNIT_MAIN("mail/domain", labels, comparison, addresses, networks, mapped_and_loopback)
