/* SPDX-License-Identifier: ISC */
/*
 * test_proxy_protocol.c - what a load balancer sends first (proxy-protocol.txt, 2.1 and 2.2)
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "base/fault.h"
#include "net/proxy_protocol.h"

UNIT_TEST(lines)
{
	static const struct { const char *line; int outcome; bool local; const char *source; int port; } cases[] = {
		{"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", 0, false, "192.0.2.7", 56324},
		{"PROXY TCP6 2001:DB8:0::7 2001:db8::1 1 65535\r\n", 0, false, "2001:db8::7", 1},
		{"PROXY UNKNOWN\r\n", 0, true, "", 0},
		{"PROXY UNKNOWN ffff::1 whatever 1 2\r\n", 0, true, "", 0},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25", 1, false, "", 0},
		{"", 1, false, "", 0}, {"PRO", 1, false, "", 0},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\n", -1, false, "", 0},
		{"PROXY TCP4 192.0.2.777 198.51.100.1 56324 25\r\n", -1, false, "", 0},
		{"PROXY TCP4 2001:db8::7 198.51.100.1 56324 25\r\n", -1, false, "", 0},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n", -1, false, "", 0},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n", -1, false, "", 0},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 1 25 more\r\n", -1, false, "", 0},
		{"PROXY TCP4 192.0.2.7\r\n", -1, false, "", 0},
		{"PROXY UDP4 192.0.2.7 198.51.100.1 1 25\r\n", -1, false, "", 0},
		{"EHLO client.example.net\r\n", -1, false, "", 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct proxy_header h = {0};
		size_t              used = 0;
		int                 outcome = proxy_header_parse(span_of(cases[i].line), &h, &used, NULL);

		ck_assert_msg(outcome == cases[i].outcome, "%d: %s", outcome, cases[i].line);
		if (outcome)
			continue;
		ck_assert_uint_eq(used, strlen(cases[i].line));
		ck_assert_int_eq(h.local, cases[i].local);
		ck_assert_str_eq(h.source, cases[i].source);
		ck_assert_int_eq(h.source_port, cases[i].port);
	}
}
END_TEST

UNIT_TEST(binary)
{
	static const char v4[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x00\x19tlv";
	static const char health[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
	static const char cut[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04\xc0\x00\x02\x07";
	static const char udp[] = "\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x00\x19";
	static const char old[] = "\r\n\r\n\0\r\nQUIT\n\x11\x11\x00\x00";
	struct proxy_header h = {0};
	size_t              used = 0;

	ck_assert_int_eq(proxy_header_parse(span_at(v4, sizeof v4 - 1), &h, &used, NULL), 0);
	ck_assert_str_eq(h.source, "192.0.2.7");
	ck_assert_str_eq(h.destination, "198.51.100.1");
	ck_assert_int_eq(h.source_port, 56324);
	ck_assert_int_eq(h.destination_port, 25);
	ck_assert_uint_eq(used, sizeof v4 - 1);         /* what is behind the addresses belongs to it */
	ck_assert_int_eq(proxy_header_parse(span_at(v4, 20), &h, &used, NULL), 1);
	ck_assert_int_eq(proxy_header_parse(span_at(health, sizeof health - 1), &h, &used, NULL), 0);
	ck_assert(h.local);
	ck_assert_int_eq(proxy_header_parse(span_at(cut, sizeof cut - 1), &h, &used, NULL), -1);
	ck_assert_int_eq(proxy_header_parse(span_at(udp, sizeof udp - 1), &h, &used, NULL), -1);
	ck_assert_int_eq(proxy_header_parse(span_at(old, sizeof old - 1), &h, &used, NULL), -1);
}
END_TEST

/* TLS may begin right behind: nothing of it is taken. */
UNIT_TEST(socket_reads_no_further)
{
	static const char bytes[] = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\nHELO";
	struct proxy_header h = {0};
	char                rest[10] = "";
	int                 pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(write(pair[1], bytes, sizeof bytes - 1), (ssize_t)sizeof bytes - 1);
	ck_assert_int_eq(proxy_header_read(pair[0], clock_after(5000), &h, NULL), 0);
	ck_assert_str_eq(h.source, "192.0.2.7");
	ck_assert_int_eq(read(pair[0], rest, sizeof rest), 4);
	ck_assert_str_eq(rest, "HELO");
	ck_assert_int_eq(proxy_header_read(pair[0], clock_after(20), &h, NULL), -1);
	ck_assert_int_eq(write(pair[1], "PRO", 3), 3);
	close(pair[1]);
	ck_assert_int_eq(proxy_header_read(pair[0], clock_after(5000), &h, NULL), -1);
	close(pair[0]);
}
END_TEST

UNIT_MAIN("net/proxy_protocol", lines, binary, socket_reads_no_further)
