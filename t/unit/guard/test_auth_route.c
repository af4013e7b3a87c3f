/* SPDX-License-Identifier: ISC */
/*
 * test_auth_route.c - where somebody's mailbox is: the fields of Dovecot's passdb, and those that are not as they should be
 *
 * doc.dovecot.org/2.3, "Proxying" and "Login referrals".
 */
#include "../unit.h"
#include "authd_route.h"

UNIT_TEST(fields)
{
	struct route r;

	ck_assert_int_eq(route_parse(SPAN("proxy=y\thost=[::1]\tport=1143\tdestuser=anna\tpass=a b\tproxy_timeout=2 mins\tproxy_mech=plain"), &r, NULL), 0);
	ck_assert(r.proxy && !r.maybe && !r.tls && r.port == 1143 && r.timeout == 120000 && r.has_password);
	ck_assert(span_is(r.host, "::1") && span_is(r.user, "anna") && span_is(r.password, "a b") && span_is(r.mechanism, "PLAIN"));
	ck_assert_int_eq(route_parse(SPAN("proxy_maybe=y\thost=a\thost=b\tstarttls=any-cert\tproxy_timeout=500ms"), &r, NULL), 0);
	ck_assert(r.proxy && r.maybe && r.tls && r.starttls && r.any_certificate && span_is(r.host, "b") && r.timeout == 500);
	ck_assert_int_eq(route_parse(SPAN("proxy=y\tproxy_maybe=y\thost=a\tssl=yes\tnologin="), &r, NULL), 0);
	ck_assert(r.proxy && !r.maybe && r.tls && !r.starttls && !r.any_certificate && r.nologin);
	ck_assert_int_eq(route_parse(SPAN("proxy=N\thost=a"), &r, NULL), 0);
	ck_assert(!r.proxy);
	ck_assert_int_eq(route_parse(SPAN(""), &r, NULL), 0);
	ck_assert(!r.proxy && !r.nologin && !r.host.len);
}
END_TEST

UNIT_TEST(faults)
{
	static const char *const rows[] = {
		"port=0", "port=65536", "port=x", "host=a b", "host=a/b", "host=a\x01", "hostip=a.example", "ssl=no", "starttls=maybe", "proxy=maybe",
		"proxy_mech=GSSAPI", "proxy_timeout=1 week", "proxy_timeout=601", "proxy_timeout=99999999999", "destuser=a\x7f", "pass=\x7f", "source_ip=1.2.3.4",
	};
	struct route r;

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(route_parse(span_of(rows[i]), &r, NULL) < 0, "%s", rows[i]);
	ck_assert_int_eq(route_parse(SPAN("proxy"), &r, NULL), 0);       /* as Dovecot takes it */
	ck_assert(r.proxy && route_parse(SPAN("forward_x=1"), &r, NULL) < 0);
}
END_TEST

/* What a database says cannot become two fields. */
UNIT_TEST(values)
{
	autotext struct text t = {0};
	struct route         r;

	route_add(&t, SPAN("proxy"), SPAN("y"));
	route_add(&t, SPAN("host"), SPAN("a\tpass=x"));
	ck_assert(route_parse(text_span(&t), &r, NULL) < 0);
	text_clear(&t);
	route_add(&t, SPAN("pass"), SPAN("a\nb"));
	ck_assert(route_parse(text_span(&t), &r, NULL) < 0);
}
END_TEST

UNIT_MAIN("auth_route", fields, faults, values)
