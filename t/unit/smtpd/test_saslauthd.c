/* SPDX-License-Identifier: ISC */
/*
 * test_saslauthd.c - what saslauthd hears and says, and what smtpd.conf of Cyrus SASL may say
 */
#include "../unit.h"
#include "config/cyrus_conf.h"
#include "saslauthd.h"

UNIT_TEST(a_question)
{
	static const char want[] = "\0\004anna\0\003p w\0\004smtp\0\0";
	struct text       out = {0};

	saslauthd_question(SPAN("anna"), SPAN("p w"), SPAN("smtp"), SPAN_NONE, &out);
	ck_assert_uint_eq(out.len, sizeof want - 1);
	ck_assert_mem_eq(out.at, want, out.len);
	text_free(&out);
}
END_TEST

UNIT_TEST(answers)
{
	static const struct { struct span answer; bool whole; int verdict; } rows[] = {
		{SPAN("\0\002OK"), true, 1}, {SPAN("\0\005OK ok"), true, 1}, {SPAN("\0\002NO"), true, 0}, {SPAN("\0\004NO x"), true, 0}, {SPAN("\0\003OK\0"), true, 1},
		{SPAN("\0\003OKA"), true, -1}, {SPAN("\0\003NOT"), true, -1}, {SPAN("\0\002ok"), true, -1}, {SPAN("\0\001O"), true, -1}, {SPAN("\0\0"), true, -1},
		{SPAN("\0\003OK"), false, -1}, {SPAN("\0"), false, -1}, {SPAN(""), false, -1}, {SPAN("\0\002OKNO"), true, -1}, {SPAN("OK"), true, -1}, {SPAN("\377\377OK"), true, -1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(saslauthd_is_whole(rows[i].answer) == rows[i].whole, "row %zu", i);
		ck_assert_msg(saslauthd_verdict(rows[i].answer, NULL) == rows[i].verdict, "row %zu", i);
	}
}
END_TEST

UNIT_TEST(smtpd_conf)
{
	static const struct { const char *text, *socket, *mechanisms; } rows[] = {
		{"pwcheck_method: saslauthd\n", "/var/run/saslauthd/mux", "PLAIN LOGIN"},
		{"# c\n\npwcheck_method:saslauthd\r\nmech_list: plain login CRAM-MD5 digest-md5\nsaslauthd_path: /x/mux\nlog_level: 7\n", "/x/mux", "PLAIN LOGIN"},
		{"pwcheck_method: saslauthd\nmech_list: login\n", "/var/run/saslauthd/mux", "LOGIN"},
		{"PWCHECK_METHOD: auxprop\npwcheck_method: SASLAUTHD", "/var/run/saslauthd/mux", "PLAIN LOGIN"},
		{"", NULL, NULL}, {"mech_list: plain\n", NULL, NULL}, {"pwcheck_method: auxprop\nauxprop_plugin: sql\n", NULL, NULL},
		{"pwcheck_method: saslauthd auxprop\n", NULL, NULL}, {"pwcheck_method: saslauthd\nmech_list: CRAM-MD5\n", NULL, NULL},
		{"pwcheck_method: saslauthd\nsaslauthd_path: mux\n", NULL, NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cyrus_conf c = {0};
		struct fault      why = {0};
		int               got = cyrus_conf_parse(span_of(rows[i].text), &c, &why);

		ck_assert_msg((got == 0) == (rows[i].socket != NULL), "row %zu: %s", i, why.reason);
		if (got == 0) {
			ck_assert_str_eq(text_string(&c.socket), rows[i].socket);
			ck_assert_str_eq(text_string(&c.mechanisms), rows[i].mechanisms);
		} else {
			ck_assert(why.reason[0]);
		}
		cyrus_conf_free(&c);
	}
}
END_TEST

UNIT_MAIN("saslauthd", a_question, answers, smtpd_conf)
