/* SPDX-License-Identifier: ISC */
/* params.c - the parameters of smtp: those of rows.h, and those that lmtp does not share */
#include "rows.h"

const struct param smtp_params[] = {
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
	BOOLEAN("tls_required_enable", &client.tls_required, "no",
	        "\"TLS-Required: no\" in a message: sent by TLS level may, whatever policies say (RFC 8689); no effect with smtp_sasl_auth_enable = yes"),
	CLIENT_ROWS("smtp_"),
	END_OF_PARAMS
};
