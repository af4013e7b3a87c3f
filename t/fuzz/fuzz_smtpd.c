/* SPDX-License-Identifier: ISC */
/*
 * fuzz_smtpd.c - a whole session: any bytes from the client
 *
 * The first byte chooses a configuration.  Whatever comes in, the session
 * ends, and what was committed has no bare CR or LF in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../smtpd/session.h"
#include "../../smtpd/settings.h"
#include "../unit/smtpd/fakes.h"
#include "base/log.h"
#include "fuzz.h"

static void
check_content(void)
{
	for (size_t i = 0; i < fakes.content.len; i++) {
		if (fakes.content.at[i] == '\r')
			assert(i + 1 < fakes.content.len && fakes.content.at[i + 1] == '\n');
		if (fakes.content.at[i] == '\n')
			assert(i > 0 && fakes.content.at[i - 1] == '\r');
	}
}

static void
set_up(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	log_open("fuzz", open("/dev/null", O_WRONLY));
	fakes_configure("smtpd_error_sleep_time = 0\nsmtpd_sasl_auth_enable = yes\nauth_passdb = pam\nmessage_size_limit = 5000\nsmtpd_timeout = 1s\n"
	                "smtpd_forbid_unauth_pipelining = no\n", false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client client = {.address = "203.0.113.5", .server_address = "198.51.100.1", .port = "1", .name = "client.example.net"};
	int           pair[2];

	if (size == 0 || size > 20000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 0;
	set_up();
	fakes_reset();
	fakes.password = "secret";
	settings.bare_newline = data[0] % 5;
	settings.helo_required = data[0] & 16;
	settings.forbid_unauth_pipelining = data[0] & 32;
	fakes.fail = data[0] & 64 ? "commit" : NULL;
	if (write(pair[1], data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	shutdown(pair[1], SHUT_WR);
	session_run(conn_new(pair[0]), &client);
	close(pair[1]);
	check_content();
	fakes_reset();
	return 0;
}
