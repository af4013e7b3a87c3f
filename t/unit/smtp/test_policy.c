/* SPDX-License-Identifier: ISC */
/*
 * test_policy.c - lines of smtp_tls_policy_maps, and hosts of MTA-STS (RFC 8461, 4.1)
 */
#include "../unit.h"
#include "../../../smtp/client.h"

UNIT_TEST(lines)
{
	static const struct { const char *line; int level; const char *match, *protocols, *server_name; bool no_reuse; } rows[] = {
		{"none", TLS_NONE, NULL, NULL, NULL, false}, {"may", TLS_MAY, NULL, NULL, NULL, false},
		{"ENCRYPT protocols=>=TLSv1.3 ciphers=high", TLS_ENCRYPT, NULL, ">=TLSv1.3", NULL, false},
		{"secure match=a.example:.b.example servername=hostname", TLS_SECURE, "a.example,.b.example", NULL, "hostname", false},
		{"secure, match=a.example,match=b.example", TLS_SECURE, "a.example,b.example", NULL, NULL, false},
		{"fingerprint match=AA:BB|CC:DD match=EE:FF", TLS_FINGERPRINT, "AA:BB,CC:DD,EE:FF", NULL, NULL, false},
		{"dane-only connection_reuse=no", TLS_DANE_ONLY, NULL, NULL, NULL, true},
		{"secure match=x policy_type=sts policy_ttl=86400 mx_host_pattern=*.x", TLS_SECURE, "x", NULL, NULL, false},
		/* what is not understood is no policy at all */
		{"", -1, NULL, NULL, NULL, false}, {"sure", -1, NULL, NULL, NULL, false}, {"secure match", -1, NULL, NULL, NULL, false},
		{"secure colour=red", -1, NULL, NULL, NULL, false}, {"secure tafile=/not/read/before", -1, NULL, NULL, NULL, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena     *a = arena_new();
		struct tls_policy p = {0};
		struct fault      why = {0};
		int               got = policy_parse(span_of(rows[i].line), a, &p, &why);

		ck_assert_msg((got == 0) == (rows[i].level >= 0), "%s: %s", rows[i].line, fault_text(&why));
		if (got == 0) {
			ck_assert_int_eq((int)p.level, rows[i].level);
			ck_assert_pstr_eq(p.match, rows[i].match);
			ck_assert_pstr_eq(p.protocols, rows[i].protocols);
			ck_assert_pstr_eq(p.server_name, rows[i].server_name);
			ck_assert(p.no_reuse == rows[i].no_reuse);
		}
		arena_free(a);
	}
}
END_TEST

UNIT_TEST(mx_patterns)
{
	ck_assert(policy_mx_matches(" mx.example.net *.mail.example.net", SPAN("MX.example.net")));
	ck_assert(policy_mx_matches(" mx.example.net *.mail.example.net", SPAN("a.mail.example.net")));
	ck_assert(!policy_mx_matches(" mx.example.net *.mail.example.net", SPAN("a.b.mail.example.net")));
	ck_assert(!policy_mx_matches(" mx.example.net *.mail.example.net", SPAN("mail.example.net")));
	ck_assert(!policy_mx_matches(" *.mail.example.net", SPAN(".mail.example.net")));
	ck_assert(!policy_mx_matches("", SPAN("mx.example.net")));
}
END_TEST

UNIT_MAIN("smtp/policy", lines, mx_patterns)
