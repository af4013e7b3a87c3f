/* SPDX-License-Identifier: ISC */
/* main.c - smtp: carries mail to other servers by SMTP (RFC 5321) */
#include "rows.h"
#include "service/service.h"
#include "service/tls_rows.h"

static const char *const asks[] = {"dnsd", "dialer", "proxymap", "cleanup", NULL};

static const struct service smtp = {
	.name = "smtp",
	.about = "carries mail to other servers by SMTP",
	.role = ROLE_NET,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_DIAL,
	.params = smtp_params,
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
