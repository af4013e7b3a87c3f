/* SPDX-License-Identifier: ISC */
/* test_login_told.c - the words of Dovecot's XCLIENT and its fields of ID */
#include "../unit.h"

#include "service/login_told.h"

#define SIXTY "123456789012345678901234567890123456789012345678901234567890"

UNIT_TEST(words)
{
	static const struct { const char *words; int outcome; const char *peer, *session, *ttl; int port; } rows[] = {
		{"", 0, "", "", "", 0},
		{"ADDR=192.0.2.1 PORT=4711 SESSION=ab/c+d TTL=4", 0, "192.0.2.1", "ab/c+d", "4", 4711},
		{"addr=2001:DB8:0::1", 0, "2001:db8::1", "", "", 0},
		{"ADDR=::ffff:192.0.2.1", 0, "192.0.2.1", "", "", 0},
		{"FORWARD=Zm9v ADDR=192.0.2.1 FOO", 0, "192.0.2.1", "", "", 0},
		{"TTL=123456", 0, "", "", "999", 0},
		{"SESSION=" SIXTY, 0, "", SIXTY, "", 0},
		{"SESSION=1" SIXTY, 0, "", "", "", 0},                 /* as Dovecot: too long is not said */
		{"SESSION=a>b", 0, "", "", "", 0}, {"SESSION=a\rb", 0, "", "", "", 0}, {"SESSION=\"", 0, "", "", "", 0},
		{"ADDR=192.0.2.1 ADDR=192.0.2.2", -1, "192.0.2.1", "", "", 0},
		{"ADDR=", -1, "", "", "", 0}, {"ADDR", -1, "", "", "", 0}, {"ADDR=host.example", -1, "", "", "", 0}, {"ADDR=192.0.2.1/24", -1, "", "", "", 0},
		{"ADDR=300.0.2.1", -1, "", "", "", 0}, {"ADDR=192.0.2.01", -1, "", "", "", 0}, {"ADDR=fe80::1%lo", -1, "", "", "", 0},
		{"PORT=0", -1, "", "", "", 0}, {"PORT=65536", -1, "", "", "", 0}, {"PORT=-1", -1, "", "", "", 0}, {"PORT=000001", -1, "", "", "", 0},
		{"TTL=x", -1, "", "", "", 0}, {"TTL=", -1, "", "", "", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct told  t = {0};
		struct fault why = {0};

		ck_assert_int_eq(told_xclient(span_of(rows[i].words), &t, &why), rows[i].outcome);
		ck_assert_str_eq(t.peer, rows[i].peer);
		ck_assert_str_eq(t.session, rows[i].session);
		ck_assert_str_eq(t.ttl, rows[i].ttl);
		ck_assert_int_eq(t.peer_port, rows[i].port);
	}
}
END_TEST

/* A NUL ends no address early. */
UNIT_TEST(bytes)
{
	struct told  t = {0};
	struct fault why = {0};

	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, SPAN("x-originating-ip"), span_at("192.0.2.1\0x", 11), &why), -1);
	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, span_at("x-originating-ip\0", 17), SPAN("192.0.2.1"), &why), 0);
	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, SPAN("x-session-id"), span_at("a\0b", 3), &why), 0);
	ck_assert(!t.peer[0] && !t.session[0]);
}
END_TEST

UNIT_TEST(fields)
{
	struct told  t = {0}, other;
	struct fault why = {0};

	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, SPAN("X-Proxy-TTL"), SPAN("3"), &why), 0);
	ck_assert(!told_who(&t));
	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, SPAN("ADDR"), SPAN("192.0.2.1"), &why), 0);
	ck_assert(!told_who(&t));
	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, SPAN("x-connected-ip"), SPAN("192.0.2.9"), &why), 0);
	ck_assert_int_eq(told_take(&t, TOLD_BY_ID, SPAN("x-connected-port"), SPAN("143"), &why), 0);
	ck_assert(told_who(&t) && strcmp(t.local, "192.0.2.9") == 0 && t.local_port == 143);
	other = t;
	ck_assert(told_same(&t, &other));
	other.local_port = 993;
	ck_assert(!told_same(&t, &other));
	told_no_client(&t);
	ck_assert(!told_who(&t) && !t.local[0] && strcmp(t.ttl, "3") == 0);
}
END_TEST

UNIT_MAIN("service/login_told", words, bytes, fields)
