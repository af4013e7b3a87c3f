/* SPDX-License-Identifier: ISC */
/* lmtpd.c - takes mail of other MTAs by LMTP (RFC 2033) and delivers it at once (local/lmtp.h) */
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "local/agent.h"
#include "local/errand.h"
#include "local/front.h"
#include "local/lmtp.h"
#include "net/address.h"
#include "net/tls.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "service/tls_rows.h"
#include "sieve/settings.h"
#include "store/acl.h"
#include "store/delivered.h"
#include "store/quota.h"

struct lmtp_settings lmtp_settings;

static struct {
	const char *cert_file, *key_file, *chain_files, *protocols;
} tls;

static const struct param params[] = {
	DURATION("lmtpd_timeout", &lmtp_settings.timeout_ms, "5m", "1s", "1h", "how long a client may be silent"),
	DURATION("lmtpd_delivery_timeout", &lmtp_settings.delivery_ms, "10m", "10s", "1h", "how long one recipient's delivery may take"),
	BOOLEAN("lmtp_add_received_header", &lmtp_settings.received_header, "yes", "a Received: header for each delivery"),
	BOOLEAN("lmtp_save_to_detail_mailbox", &lmtp_settings.to_detail, "no", "mail to user+detail is kept in the mailbox detail, if there is one (lda_mailbox_autocreate makes it) and its acl lets mail in; else in INBOX"),
	STRING("lmtpd_tls_cert_file", &tls.cert_file, "$smtpd_tls_cert_file", "certificate and chain, PEM, for STARTTLS"),
	STRING("lmtpd_tls_key_file", &tls.key_file, "$smtpd_tls_key_file", "its key"),
	STRING("lmtpd_tls_chain_files", &tls.chain_files, "$smtpd_tls_chain_files", "key and chain in one, instead"),
	STRING("lmtpd_tls_protocols", &tls.protocols, ">=TLSv1.2", "TLS versions"),
	SIEVE_ROWS,
	QUOTA_ROWS,
	DELIVERED_ROWS,
	ACL_ROWS,
	END_OF_PARAMS
};

static int
prepare_tls(struct fault *why)
{
	struct tls_settings s = {.chain_files = tls.chain_files, .cert_file = tls.cert_file,
		.key_file = *tls.key_file ? tls.key_file : tls.cert_file, .ca_file = "", .ca_path = "",
		.protocols = tls.protocols, .ciphers = "medium", .exclude_ciphers = ""};

	if (!*tls.cert_file && !*tls.chain_files)
		return 0;
	return service_tls_prepare(why) < 0 ? -1 : tls_server(&s, &lmtp_settings.tls, why);
}

static int
prepare(struct fault *why)
{
	sandbox_prepare_mailbox();
	if (filter_prepare(why) < 0)
		return -1;
	log_rename("dovecot");
	if (quota_settings_check(&quota_settings, why) < 0 || delivered_check(why) < 0 || front_prepare(why) < 0)
		return -1;
	return prepare_tls(why);
}

static void
front(int client, int inside)
{
	struct net_address address;
	char               peer[64] = "local";
	struct conn       *c = conn_new(client);

	if (net_peer(client, &address, NULL) == 0 && address.u.any.sa_family != AF_UNIX)
		net_address_print(&address, peer, sizeof peer);
	lmtp_front(c, peer, inside);
	conn_free(c);
}

static void
serve(int client, const struct listener *unused)
{
	(void)unused;
	front_serve(client, front, lmtp_inside);
}

static const char *const asks[] = {"authd", "cleanup", NULL};
static const char *const anywhere[] = {"/", NULL};   /* where mailboxes are, only their owners know */

static const struct service lmtpd = {
	.name     = "lmtpd",
	.about    = "takes mail of other MTAs by LMTP and delivers it at once",
	.role     = ROLE_ROOT,
	.model    = SERVE_FORKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE | MAY_FORK | MAY_BECOME,
	.reads    = anywhere,
	.writes   = anywhere,
	.params   = params,
	.tls_params = service_tls_params,
	.tasks    = "1",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&lmtpd, argc, argv);
}
