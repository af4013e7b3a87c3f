/* SPDX-License-Identifier: ISC */
/*
 * echo.c - a service for the tests of master: it repeats lines, and can be told
 * to misbehave
 *
 *   pid       the process's id          crash   end by SIGABRT
 *   sessions  how many there are now    log N   log N lines
 *   anything else comes back
 *
 * Its parameters make it fail in chosen places.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/conn.h"
#include "service/service.h"

static struct config { int fail; int limit; } config;

static const struct param params[] = {
	CHOICE("echo_fail", &config.fail, "never", "never prepare begin", "where to fail"),
	NUMBER("echo_limit", &config.limit, "1000", "1", "100000", "lines a session"),
	END_OF_PARAMS
};

static int
prepare(struct fault *why)
{
	return config.fail == 1 ? fault_set(why, FAULT_INPUT, "echo_fail says prepare") : 0;
}

static int
begin(struct fault *why)
{
	return config.fail == 2 ? fault_set(why, FAULT_INPUT, "echo_fail says begin") : 0;
}

static void
log_much(struct conn *c, struct span number)
{
	uint64_t n = 0;

	span_number(number, &n);
	for (uint64_t i = 0; i < n; i++)
		log_info("line %llu of many, about as long as a line of a mail log often is, or a bit longer", (unsigned long long)i);
	conn_print(c, NULL, "logged\n");
}

static void
serve(int fd, const struct listener *from)
{
	struct conn *c = conn_new(fd);
	struct fault why = {0};
	struct span  line;

	(void)from;
	conn_deadline(c, clock_after(120000));
	log_info("echo begins");
	while (conn_line(c, 1000, &line, NULL, &why) == 0) {
		if (span_is(line, "pid"))
			conn_print(c, &why, "%ld\n", (long)getpid());
		else if (span_is(line, "sessions"))
			conn_print(c, &why, "%d\n", service_session_count());
		else if (span_starts(line, "log "))
			log_much(c, span_from(line, 4));
		else if (span_is(line, "crash"))
			abort();
		else
			conn_print(c, &why, "%.*s\n", SPAN_ARGS(line));
	}
	conn_free(c);
}

static const char *const asks[] = {"anvil", NULL};

static const struct service echo = {
	.name     = "echo",
	.about    = "repeats lines, for tests",
	.role     = ROLE_NET,
	.model    = SERVE_TASKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK,
	.params   = params,
	.tasks    = "100",
	.prepare  = prepare,
	.begin    = begin,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&echo, argc, argv);
}
