/* SPDX-License-Identifier: ISC */
/*
 * main.c - smtpd: receives mail by SMTP (RFC 5321) and hands it to cleanup
 */
#include <stdlib.h>

#include "service/service.h"
#include "session.h"
#include "settings.h"

static const char *const asks[] = {"cleanup", "rewrite", "dnsd", "authd", "proxymap", "anvil", "dialer", NULL};

static void
serve(int fd, const struct listener *listener)
{
	struct client client;

	(void)listener;
	client_of_socket(fd, &client);
	session_run(conn_new(fd), &client);
}

static const struct service smtpd = {
	.name     = "smtpd",
	.about    = "receives mail by SMTP",
	.role     = ROLE_NET,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK,      /* no files, no exec, no sockets of its own making */
	.params   = smtpd_params,
	.tasks    = "100",
	.prepare  = settings_prepare,          /* tables, certificates, restrictions */
	.serve    = serve,                     /* one call is one session */
};

int
main(int argc, char **argv)
{
	return service_run(&smtpd, argc, argv);
}
