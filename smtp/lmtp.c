/* SPDX-License-Identifier: ISC */
/* lmtp.c - lmtp: hands mail to a mailbox server by LMTP (RFC 2033), over TCP or a Unix socket */
#include "rows.h"
#include "service/service.h"
#include "service/tls_rows.h"

static const struct param params[] = {
	STRING("lmtp_tcp_port", &client.port_name, "24", "port of servers"),
	STRING("lmtp_lhlo_name", &client.helo_name, "$myhostname", "our name in LHLO"),
	DURATION("lmtp_lhlo_timeout", &client.helo_timeout, "300s", "1s", "", "wait for the greeting, and the reply to LHLO"),
	LIST("lmtp_fallback_relay", &client.fallback_relay, "", "where to send what cannot be delivered"),
	DURATION("lmtp_connect_timeout", &client.connect_timeout, "0s", "0s", "", "time to connect; 0: the system's"),
	BOOLEAN("lmtp_skip_quit_response", &client.skip_quit_response, "no", "do not wait for the reply to QUIT"),
	BOOLEAN("lmtp_assume_final", &client.assume_final, "no", "a server without DSN delivers: say so in success notices"),
	LIST("lmtp_discard_lhlo_keywords", &client.discard_keywords, "", "LHLO keywords of servers to ignore"),
	LIST("lmtp_discard_lhlo_keyword_address_maps", &client.discard_maps.names, "", "tables: server address to LHLO keywords to ignore"),
	COMMON_ROWS,
	CLIENT_ROWS("lmtp_"),
	END_OF_PARAMS
};

static int
prepare(struct fault *why)
{
	client.lmtp = true;
	return client_prepare(why);
}

static const char *const asks[] = {"dnsd", "dialer", "proxymap", "cleanup", NULL};

static const struct service lmtp = {
	.name = "lmtp",
	.about = "hands mail to a mailbox server by LMTP",
	.role = ROLE_NET,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_DIAL,
	.params = params,
	.tls_params = service_tls_params,
	.tasks = "100",
	.prepare = prepare,
	.begin = cache_start,
	.serve = client_serve,
};

int
main(int argc, char **argv)
{
	return service_run(&lmtp, argc, argv);
}
