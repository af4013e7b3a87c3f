/* SPDX-License-Identifier: ISC */
/*
 * local.c - delivers to users of this machine: aliases, .forward, mailboxes, commands
 *
 * The prepared parent parses no mail and opens no file of a user's: each connection
 * is served by a child, and each delivery by a worker that has become the recipient
 * (worker.h).  Names and behaviour: local(8), aliases(5).
 */
#include "local/run.h"
#include "service/service.h"

static void
serve(int fd, const struct listener *listener)
{
	(void)listener;
	agent_serve(fd, run_recipient);
}

static const char *const asks[] = {"rewrite", "cleanup", "proxymap", "authd", NULL};

/* where mailboxes are, only their owners know */
static const char *const anywhere[] = {"/", NULL};

static const struct service local = {
	.name = "local",
	.about = "delivers to users of this machine",
	.role = ROLE_ROOT,
	.model = SERVE_FORKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE | MAY_FORK | MAY_EXEC | MAY_BECOME |
		MAY_NAME,
	.reads = anywhere,
	.writes = anywhere,
	.params = local_params,
	.tasks = "1",
	.prepare = local_prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&local, argc, argv);
}
