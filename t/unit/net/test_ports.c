/* SPDX-License-Identifier: ISC */
/*
 * test_ports.c - names of ports that the site sets (postconf(5), known_tcp_ports)
 */
#include <string.h>

#include "../unit.h"
#include "net/address.h"

UNIT_TEST(names)
{
	uint16_t port = 0;
	char     room[8];

	ck_assert_int_eq(net_ports_set(SPAN("lmtp=24, smtp=2525, smtps=submissions=465"), NULL), 0);
	ck_assert(net_port(SPAN("smtp"), &port, NULL) == 0 && port == 2525);      /* before /etc/services */
	ck_assert(net_port(SPAN("smtps"), &port, NULL) == 0 && port == 465);
	ck_assert(net_port(SPAN("submissions"), &port, NULL) == 0 && port == 465);
	ck_assert(net_port(SPAN("587"), &port, NULL) == 0 && port == 587);
	ck_assert_str_eq(net_port_digits("smtp", room), "2525");
	ck_assert_str_eq(net_port_digits("none-such", room), "none-such");
	ck_assert_int_eq(net_ports_set(SPAN("lmtp=2400"), NULL), 0);              /* the last list alone holds */
	ck_assert_str_eq(net_port_digits("submissions", room), "submissions");
	ck_assert_str_eq(net_port_digits("lmtp", room), "2400");
	ck_assert_int_eq(net_ports_set(SPAN(""), NULL), 0);
}
END_TEST

UNIT_TEST(nonsense)
{
	static const char *const lists[] = {"smtp", "smtp=", "=25", "smtp=0", "smtp=65536", "smtp=x", "smtp=25=smtps", "25=26", "a==25", "smtp=25, x"};
	struct fault             why = {0};
	char                     room[8];

	ck_assert_int_eq(net_ports_set(SPAN("smtp=2525"), NULL), 0);
	for (size_t i = 0; i < COUNT(lists); i++) {
		ck_assert_msg(net_ports_set(span_of(lists[i]), &why) == -1 && why.class == FAULT_INPUT, "%s", lists[i]);
		ck_assert_str_eq(net_port_digits("smtp", room), "2525");          /* what was set stays */
	}
	ck_assert_int_eq(net_ports_set(SPAN(""), NULL), 0);
}
END_TEST

UNIT_MAIN("ports", names, nonsense)
