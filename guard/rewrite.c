/* SPDX-License-Identifier: ISC */
/*
 * rewrite.c - answers what an address means and where its mail goes
 *
 * Asked by smtpd, cleanup, qmgr, local and the tools (ipc/ask_rewrite.h); the
 * answers are lib/route's.  When a table changes the process drains and is
 * replaced, so that an edit of transport_maps disturbs nobody.  It is of proxymap's role:
 * it opens proxy:x as x itself, and asks proxymap only for what a server answers (mysql: and its like).
 */
#include "ipc/ask_rewrite_server.h"
#include "ipc/ask_table.h"
#include "route/route.h"
#include "service/service.h"
#include "table/table.h"

#include <unistd.h>

static struct router *router;

static void
do_rewrite(void *r, bool local, struct span in, struct arena *arena, struct span *out)
{
	router_rewrite(r, local, in, arena, out);
}

static int
do_map(void *r, struct span name, struct span in, struct arena *arena, struct span *out, struct fault *why)
{
	enum route_map_kind kind;

	if (!route_map_kind_parse(name, &kind))
		return fault_set(why, FAULT_INPUT, "unknown kind of address");
	return router_map(r, kind, in, arena, out, why);
}

static int
do_resolve(void *r, struct span sender, struct span address, struct arena *arena, struct route *route,
           struct fault *why)
{
	return router_resolve(r, sender, address, arena, route, why);
}

static int
do_resolve_probe(void *r, struct span sender, struct span address, struct arena *arena, struct route *route,
                 struct fault *why)
{
	return router_resolve_probe(r, sender, address, arena, route, why);
}

static int
do_expand(void *r, struct span address, struct arena *arena, struct span **out, size_t *count,
          struct fault *why)
{
	return router_expand(r, address, arena, out, count, why);
}

static int
do_known(void *r, struct span sender, struct span address, struct route_known *known, struct fault *why)
{
	return router_known(r, sender, address, known, why);
}

static int
prepare(struct fault *why)
{
	table_use_remote(ask_table_find);
	router = router_open(service_watch_table, why);
	return router ? 0 : -1;
}

static void
serve(int fd, const struct listener *listener)
{
	const struct rewrite_server server = {router, do_rewrite, do_map, do_resolve, do_resolve_probe, do_expand, do_known};

	(void)listener;
	rewrite_serve(fd, &server);
	close(fd);
}

static const char *const asks[] = {"proxymap", NULL};
static const char *const reads[] = {"/etc", NULL};

static const struct service rewrite = {
	.name     = "rewrite",
	.about    = "rewrites and resolves addresses",
	.role     = ROLE_MAP,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_NAME,
	.reads    = reads,
	.params   = route_params,
	.tasks    = "1000",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&rewrite, argc, argv);
}
