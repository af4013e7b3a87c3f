/* SPDX-License-Identifier: ISC */
/*
 * main.c - smtpd: receives mail by SMTP (RFC 5321) and hands it to cleanup
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/site.h"
#include "ipc/hand_over.h"
#include "ipc/ask_table.h"
#include "service/service.h"
#include "service/tls_rows.h"
#include "session.h"
#include "settings.h"
#include "table/table.h"

static const char *const asks[] = {"cleanup", "rewrite", "dnsd", "authd", "proxymap", "anvil", "dialer", "verify", "qmgr", NULL};

/* From postscreen: a proxy in front of it may have told who this is. */
static void
take_screened(struct client *c)
{
	struct handed h;

	if (!handed_parse(span_of(service_passed()), &h))
		return;
	memcpy(c->address, h.address, sizeof c->address);
	memcpy(c->port, h.port, sizeof c->port);
	memcpy(c->server_address, h.server_address, sizeof c->server_address);
	memcpy(c->server_port, h.server_port, sizeof c->server_port);
}

static void
serve(int fd, const struct listener *listener)
{
	struct client client;

	(void)listener;
	client_of_socket(fd, &client);
	take_screened(&client);
	if (settings.upstream_protocol)
		client_behind_proxy(fd, &client);
	session_run(conn_new(fd), &client);
}

/* Tables, certificates, restrictions. */
static int
prepare(struct fault *why)
{
	table_use_proxy(ask_table_find);
	table_use_remote(ask_table_find);
	return service_tls_prepare(why) < 0 ? -1 : settings_prepare(why);
}

static const struct service smtpd = {
	.name     = "smtpd",
	.about    = "receives mail by SMTP",
	.role     = ROLE_NET,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK,      /* no files, no exec, no sockets of its own making */
	.params   = smtpd_params,
	.tls_params = service_tls_params,
	.tasks    = "100",
	.prepare  = prepare,
	.serve    = serve,                     /* one call is one session */
};

/* sendmail -bs: a program of its own, without the rights and peers of this one (standalone.c) */
static int
run_standalone(void)
{
	struct faults faults = {0};

	site_load(NULL, &faults);
	autofree char *path = mem_format("%s/smtpd-standalone", site.daemon_directory);

	execl(path, "smtpd-standalone", (char *)NULL);
	perror(path);
	return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "-S") == 0)
		return run_standalone();
	return service_run(&smtpd, argc, argv);
}
