/* SPDX-License-Identifier: ISC */
/*
 * test_login_limit.c - who counts as one client before he has logged in
 */
#include "base/text.h"
#include "ipc/ask_rate.h"
#include "service/login_limit.h"
#include "service/pump.h"
#include "service/service.h"
#include "../unit.h"

static struct text counted;        /* all that anvil was asked, a line each */

int
ask_rate(const char *what, struct span of, struct span client, struct rate *out, struct fault *why)
{
	(void)why;
	text_add_format(&counted, "%s %.*s %.*s\n", what, SPAN_ARGS(of), SPAN_ARGS(client));
	*out = (struct rate){0};
	return 0;
}

bool
pump_evict(const char *user, const char *peer, int64_t idle_ms)
{
	(void)user;
	(void)peer;
	(void)idle_ms;
	return false;
}

bool
service_makes_threads(void)
{
	return false;
}

UNIT_TEST(an_ipv6_network_is_one_client)
{
	static const struct { const char *user, *peer, *client; } rows[] = {
		{NULL, "192.0.2.7", "imap-login 192.0.2.7"},
		{NULL, "2001:db8:1:2:3:4:5:6", "imap-login 2001:db8:1:2::/64"},
		{NULL, "2001:db8:1:2:ffff::1", "imap-login 2001:db8:1:2::/64"},
		{NULL, "2001:db8:1:3::1", "imap-login 2001:db8:1:3::/64"},
		{NULL, "::1", "imap-login ::1"},
		{NULL, "local", "imap-login local"},
		{"ann", "192.0.2.7", "imap ann/192.0.2.7"},
		{"ann", "2001:db8:1:2:3:4:5:6", "imap ann/2001:db8:1:2:3:4:5:6"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		autofree char *both = mem_format("connect %s\ndisconnect %s\n", rows[i].client, rows[i].client);

		text_clear(&counted);
		ck_assert(login_limit_enter("imap", rows[i].user, rows[i].peer, 10));
		login_limit_leave("imap", rows[i].user, rows[i].peer);
		ck_assert_str_eq(text_string(&counted), both);
	}
	text_free(&counted);
}
END_TEST

UNIT_MAIN("service/login_limit", an_ipv6_network_is_one_client)
