/* SPDX-License-Identifier: ISC */
/* main.c - smtp: carries mail to other servers by SMTP (RFC 5321) */
#include "rows.h"
#include "service/service.h"
#include "service/tls_rows.h"

static const struct param params[] = {
	STRING("smtp_tcp_port", &client.port_name, "smtp", "port of servers"),
	STRING("smtp_helo_name", &client.helo_name, "$myhostname", "our name in EHLO"),
	DURATION("smtp_helo_timeout", &client.helo_timeout, "300s", "1s", "", "wait for the greeting, and the reply to EHLO"),
	BOOLEAN("smtp_always_send_ehlo", &client.always_ehlo, "yes", "EHLO even when the greeting does not say ESMTP"),
	BOOLEAN("smtp_never_send_ehlo", &client.never_ehlo, "no", "HELO only"),
	BOOLEAN("ignore_mx_lookup_error", &client.ignore_mx_lookup_error, "no", "look for the host when the MX lookup fails"),
	BOOLEAN("disable_dns_lookups", &client.disable_dns, "no", "no MX lookups"),
	LIST("smtp_fallback_relay", &client.fallback_relay, "$fallback_relay", "where to send what cannot be delivered"),
	DURATION("smtp_connect_timeout", &client.connect_timeout, "30s", "0s", "", "time to connect; 0: the system's"),
	BOOLEAN("smtp_skip_quit_response", &client.skip_quit_response, "yes", "do not wait for the reply to QUIT"),
	LIST("smtp_discard_ehlo_keywords", &client.discard_keywords, "", "EHLO keywords of servers to ignore"),
	LIST("smtp_discard_ehlo_keyword_address_maps", &client.discard_maps.names, "", "tables: server address to EHLO keywords to ignore"),
	LIST("use_srv_lookup", &client.srv_services, "", "services whose next hops are found by SRV records"),
	BOOLEAN("allow_srv_lookup_fallback", &client.srv_fallback, "no", "without SRV records: MX, or the host"),
	BOOLEAN("ignore_srv_lookup_error", &client.srv_ignore_error, "no", "the same when the SRV lookup fails"),
	COMMON_ROWS,
	CLIENT_ROWS("smtp_"),
	END_OF_PARAMS
};

static const char *const asks[] = {"dnsd", "dialer", "proxymap", "cleanup", NULL};

static const struct service smtp = {
	.name = "smtp",
	.about = "carries mail to other servers by SMTP",
	.role = ROLE_NET,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_DIAL,
	.params = params,
	.tls_params = service_tls_params,
	.tasks = "100",
	.prepare = client_prepare,
	.begin = cache_start,
	.serve = client_serve,
};

int
main(int argc, char **argv)
{
	return service_run(&smtp, argc, argv);
}
