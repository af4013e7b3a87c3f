/* SPDX-License-Identifier: ISC */
/*
 * test_hosts.c - next hops taken apart, and servers put in order (RFC 5321, 5.1)
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "../unit.h"
#include "../../../smtp/client.h"

static void
set_up(bool lmtp)
{
	client.lmtp = lmtp;
	client.port = 25;
}

UNIT_TEST(next_hops)
{
	static const struct { const char *nexthop; bool lmtp; const char *domain; bool bracketed; int port; const char *socket; } rows[] = {
		{"example.net", false, "example.net", false, 25, NULL},
		{"example.net:2525", false, "example.net", false, 2525, NULL},
		{"[mx.example.net]", false, "mx.example.net", true, 25, NULL},
		{"[mx.example.net]:587", false, "mx.example.net", true, 587, NULL},
		{"[192.0.2.1]:26", false, "192.0.2.1", true, 26, NULL},
		{"[IPv6:2001:db8::1]:26", false, "2001:db8::1", true, 26, NULL},
		{"[2001:db8::1]", false, "2001:db8::1", true, 25, NULL},
		{"[ipv6:::1]", false, "::1", true, 25, NULL},
		{"inet:[127.0.0.1]:24", true, "127.0.0.1", true, 24, NULL},
		{"inet:127.0.0.1:24", true, "127.0.0.1", false, 24, NULL},
		{"unix:private/lmtp", true, "unix:private/lmtp", false, 25, "private/lmtp"},
		{"", false, NULL, false, 0, NULL}, {"[]", false, NULL, false, 0, NULL}, {"[x", false, NULL, false, 0, NULL},
		{"[x]y", false, NULL, false, 0, NULL}, {"[x]:", false, NULL, false, 0, NULL}, {"x:99999", false, NULL, false, 0, NULL},
		{"x:no-such-service", false, NULL, false, 0, NULL}, {":25", false, NULL, false, 0, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena      *a = arena_new();
		struct destination d = {.domain = SPAN_NONE};
		struct fault       why = {0};
		int                got;

		set_up(rows[i].lmtp);
		got = destination_parse(span_of(rows[i].nexthop), a, &d, &why);
		ck_assert_msg((got == 0) == (rows[i].domain != NULL), "row %zu: %s", i, rows[i].nexthop);
		if (got == 0) {
			ck_span(d.domain, rows[i].domain);
			ck_assert_int_eq(d.bracketed, rows[i].bracketed);
			ck_assert_int_eq(d.port, rows[i].port);
			ck_assert((d.socket != NULL) == (rows[i].socket != NULL));
			if (d.socket)
				ck_assert_str_eq(d.socket, rows[i].socket);
		}
		arena_free(a);
	}
}
END_TEST

static struct host
make_host(int preference, int family, int number)
{
	struct host h = {.preference = preference};

	h.address.u.any.sa_family = (sa_family_t)family;
	snprintf(h.name, sizeof h.name, "%d", number);
	return h;
}

static uint64_t
next_number(void)
{
	static uint64_t n;

	return n = n * 6364136223846793005u + 1442695040888963407u, n >> 33;
}

UNIT_TEST(order_is_by_preference_and_stable)
{
	struct host h[5] = {make_host(20, AF_INET, 0), make_host(10, AF_INET, 1), make_host(20, AF_INET6, 2), make_host(0, AF_INET, 3),
	                    make_host(10, AF_INET6, 4)};
	const char *expected[] = {"3", "1", "4", "0", "2"};

	hosts_sort(h, COUNT(h), 0, false, next_number);
	for (size_t i = 0; i < COUNT(h); i++)
		ck_assert_str_eq(h[i].name, expected[i]);
	hosts_sort(h, COUNT(h), 2, false, next_number); /* ipv6 first, inside a preference only */
	ck_assert_str_eq(h[0].name, "3");
	ck_assert_str_eq(h[1].name, "4");
	ck_assert_str_eq(h[3].name, "2");
	hosts_sort(h, COUNT(h), 1, false, next_number);
	ck_assert_str_eq(h[1].name, "1");
	ck_assert_str_eq(h[3].name, "0");
	hosts_sort(h, 0, 0, true, next_number);
	hosts_sort(h, 1, 0, true, next_number);
}
END_TEST

UNIT_TEST(equal_servers_take_turns_by_chance)
{
	int first[4] = {0};

	for (int round = 0; round < 4000; round++) {
		struct host h[5];

		for (int i = 0; i < 4; i++)
			h[i] = make_host(10, AF_INET, i);
		h[4] = make_host(5, AF_INET, 9);
		hosts_sort(h, 5, 0, true, next_number);
		ck_assert_str_eq(h[0].name, "9");
		first[h[1].name[0] - '0']++;
	}
	for (int i = 0; i < 4; i++)
		ck_assert_msg(first[i] > 800 && first[i] < 1200, "%d: %d", i, first[i]);
}
END_TEST

UNIT_MAIN("smtp/hosts", next_hops, order_is_by_preference_and_stable, equal_servers_take_turns_by_chance)
